"""Replays over HTTP, and what a job says of its bits."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.domain.errors import Diverged
from service.domain.jobs import Environment
from service.domain.replay import report
from service.store import claims, replays
from service.store.database import Database
from tests.api.conftest import Tables
from tests.api.numpy_trainer import ENVIRONMENT, NumpyTrainer, fitted

NEWER = Environment(device="cpu", versions={**ENVIRONMENT.versions, "keras": "3.15.2"})


@pytest.fixture
def path(client: TestClient, trainer: NumpyTrainer, fit: dict[str, Any]) -> str:
    """The path of a fit that has succeeded."""
    return f"/v1/jobs/{fitted(trainer, client, {**fit, 'tags': {'k': 'v'}})['job_id']}"


def end(database: Database, trainer: NumpyTrainer, weights: str, where: Environment) -> None:
    """Do a worker's part: claim the replay that waits, and end it with these weights."""
    claim = trainer.claim()
    assert claim.job.kind == "replay"
    assert claim.job.replay is not None
    with database.write() as s:
        then = replays.original(s, claim.job.id)
        told = report(claim.job.replay, then, weights, where)
        claims.finish_replay(s, claim.job.id, claim.token, told, where)


def test_a_replay_is_a_new_job_that_knows_what_to_compare_with(
    client: TestClient, path: str
) -> None:
    first = client.get(path).json()
    model = client.get(f"/v1/models/{first['model_id']}").json()
    answer = client.post(f"{path}/replay")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" != path
    assert client.get(answer.headers["location"]).json() == job
    assert (job["kind"], job["state"], job["name"]) == ("replay", "queued", None)
    for field in ("spec", "spec_sha256", "tags", "priority"):
        assert job[field] == first[field]
    assert job["replay"] == {
        "of": first["id"],
        "expected_sha256": model["weights_sha256"],
        "weights_sha256": None,
        "same": None,
        "differences": [],
    }
    assert client.get("/v1/jobs?kind=replay").json()["data"][0]["id"] == job["id"]


def test_a_replay_says_whether_the_weights_are_the_same_and_leaves_no_model(
    client: TestClient, database: Database, trainer: NumpyTrainer, path: str
) -> None:
    replay = client.post(f"{path}/replay").json()
    end(database, trainer, replay["replay"]["expected_sha256"], ENVIRONMENT)
    job = client.get(f"/v1/jobs/{replay['id']}").json()
    assert (job["state"], job["model_id"], job["evaluations"]) == ("succeeded", None, [])
    assert job["replay"] == {
        **replay["replay"],
        "weights_sha256": replay["replay"]["expected_sha256"],
        "same": True,
    }
    assert len(client.get("/v1/models").json()["data"]) == 1


def test_other_weights_come_with_what_differs_in_the_environment(
    client: TestClient, database: Database, trainer: NumpyTrainer, path: str
) -> None:
    replay = client.post(f"{path}/replay").json()
    end(database, trainer, "0" * 64, NEWER)
    told = client.get(f"/v1/jobs/{replay['id']}").json()["replay"]
    assert (told["same"], told["weights_sha256"]) == (False, "0" * 64)
    assert told["differences"] == [{"name": "keras", "then": "3.15.1", "now": "3.15.2"}]


def test_what_cannot_be_replayed_is_a_conflict_that_says_why(
    client: TestClient,
    database: Database,
    register: Tables,
    trainer: NumpyTrainer,
    fit: dict[str, Any],
    path: str,
) -> None:
    def refused(job: str, words: str) -> None:
        answer = client.post(f"{job}/replay")
        assert answer.status_code == 409, answer.text
        assert answer.json()["type"] == "/problems/conflict"
        assert words in answer.json()["detail"]

    replay = f"/v1/jobs/{client.post(f'{path}/replay').json()['id']}"
    refused(replay, "itself a replay")
    assert client.delete(path).status_code == 409
    end(database, trainer, "0" * 64, NEWER)
    refused(replay, "itself a replay")
    other = f"/v1/jobs/{client.post('/v1/jobs', json=fit).json()['id']}"
    refused(other, "queued")
    claim = trainer.claim()
    refused(other, "running")
    trainer.fail(claim, Diverged("The loss was not finite in epoch 2."))
    refused(other, "failed")
    assert client.delete("/v1/datasets/table").status_code == 204
    # Other rows under the same name are not what the job was trained on.
    register("table")
    refused(path, "'table'")
    assert client.delete(path).status_code == 204
    assert client.get(replay).json()["replay"]["of"] == path.removeprefix("/v1/jobs/")


def test_a_replay_is_cancelled_and_followed_like_any_job(
    client: TestClient, trainer: NumpyTrainer, path: str
) -> None:
    replay = f"/v1/jobs/{client.post(f'{path}/replay').json()['id']}"
    claim = trainer.claim()
    trainer.record(claim, 1, [{"loss": 0.5}])
    assert client.get(f"{replay}/epochs").json()["epochs_run"] == 1
    assert client.get(f"{replay}/plots/history.svg").status_code == 200
    assert client.post(f"{replay}/cancel").status_code == 202
    trainer.acknowledge_cancel(claim)
    assert "event: done" in client.get(f"{replay}/events").text
    again = client.post(f"{replay}/retry")
    assert (again.status_code, again.json()["replay"]["same"]) == (202, None)


def test_a_replay_is_never_reused_as_a_fit(
    client: TestClient, database: Database, trainer: NumpyTrainer, fit: dict[str, Any], path: str
) -> None:
    client.post(f"{path}/replay")
    end(database, trainer, "0" * 64, NEWER)
    submitted = client.post("/v1/jobs?reuse=true", json=fit)
    assert submitted.json()["kind"] == "fit"


def test_a_job_shows_its_plan_and_what_it_promises_and_a_list_leaves_the_plan_out(
    client: TestClient, database: Database, trainer: NumpyTrainer, fit: dict[str, Any]
) -> None:
    path = client.post("/v1/jobs", json=fit).headers["location"]
    before = client.get(path).json()
    assert (before["bit_exact"], before["plan"], before["replay"]) == (None, None, None)
    claim = trainer.claim()
    with database.write() as s:
        claims.record_plan(s, claim.job.id, claim.token, {"cohorts": [[1]]}, False)
    job = client.get(path).json()
    assert (job["bit_exact"], job["plan"]) == (False, {"cohorts": [[1]]})
    (listed,) = client.get("/v1/jobs").json()["data"]
    assert {name: job[name] for name in job if name not in ("plan", "spec")} == listed


def test_the_document_declares_the_replay_and_its_problems(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/v1/jobs/{j}/replay"]["post"]
    assert operation["operationId"] == "replay_job"
    assert set(operation["responses"]) == {"202", "404", "409", "422", "500", "503", "507"}
    assert "requestBody" not in operation
    schemas = app.openapi()["components"]["schemas"]
    assert set(schemas["Replay"]["properties"]) == {
        "of", "expected_sha256", "weights_sha256", "same", "differences",
    }  # fmt: skip
    assert {"bit_exact", "replay"} <= set(schemas["JobItem"]["required"])
    assert {"bit_exact", "replay", "plan"} <= set(schemas["JobView"]["required"])
    assert "plan" not in schemas["JobItem"]["properties"]
