"""For who runs the service: alive, ready, what it is, who works."""

from __future__ import annotations

import shutil

from fastapi.testclient import TestClient

import service
from service.settings import Settings
from service.store import workers
from service.store.database import Database


def test_alive_and_ready(client: TestClient, database: Database) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["workers"] == 0
    assert "No worker" in ready.json()["degraded"][0]
    with database.write() as s:
        workers.register(s, workers.new_worker_id(s), "host", 1, "cpu")
    assert client.get("/readyz").json() == {"status": "ready", "workers": 1, "degraded": []}


def test_not_ready_without_the_storage(client: TestClient, settings: Settings) -> None:
    for path in settings.storage_root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    settings.staging_dir.touch()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert str(settings.data_dir) not in answer.text
    assert client.get("/livez").status_code == 200


def test_about_tells_versions_places_and_limits(
    client: TestClient, settings: Settings, database: Database
) -> None:
    with database.write() as s:
        workers.register(s, workers.new_worker_id(s), "host", 1, "cpu")
    about = client.get("/v1/about").json()
    assert about["service"] == service.__version__
    assert about["keras"].startswith("3.")
    assert about["backend"] == settings.backend
    assert about["device"] == "cpu"
    assert about["sqlite"] == database.about()["version"]
    assert about["journal_mode"] in ("wal", "truncate")
    assert about["limits"]["max_body_bytes"] == settings.max_body_bytes
    assert about["limits"]["max_upload_bytes"] == settings.max_upload_bytes


def test_workers_are_listed_with_what_they_do(client: TestClient, database: Database) -> None:
    with database.write() as s:
        worker_id = workers.new_worker_id(s)
        workers.register(s, worker_id, "host", 42, "gpu:0")
    (worker,) = client.get("/v1/workers").json()["data"]
    assert (worker["id"], worker["host"], worker["device"]) == (worker_id, "host", "gpu:0")
    assert (worker["state"], worker["job_id"], worker["alive"]) == ("idle", None, True)
    assert worker["heartbeat_age_seconds"] >= 0
