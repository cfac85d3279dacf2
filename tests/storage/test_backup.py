"""A backup is one moment of a service that goes on, and a restored one answers the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from service.app import create_app
from service.domain.errors import Conflict, InvalidSpec, Unavailable
from service.settings import Settings
from service.storage.backup import backup, read_manifest
from service.storage.restore import restore
from service.store.database import Database
from tests.acceptance.running import clean_environment
from tests.api.conftest import CSV, Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted

ROWS = {"rows": [{"a": 1.5, "b": 2}, {"a": -3, "b": 0}]}


def predicted(client: TestClient, model: str) -> Any:
    answer = client.post(f"/v1/models/{model}/predictions?type=class,prob", json=ROWS)
    assert answer.status_code == 200, answer.text
    return answer.json()


def command(settings: Settings, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=clean_environment(FITPOINT_DATA_DIR=str(settings.data_dir)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "elsewhere")


@pytest.fixture
def model(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    return fitted(trainer, client, fit)


def test_a_restored_model_predicts_the_same_numbers(
    client: TestClient, settings: Settings, model: Any, tmp_path: Path, elsewhere: Settings
) -> None:
    before = predicted(client, "little")
    assert "files" in command(settings, "backup", str(tmp_path / "saved"))
    # The original is gone: nothing of it can answer.
    shutil.rmtree(settings.storage_root)
    assert "restored" in command(elsewhere, "restore", str(tmp_path / "saved"))
    with TestClient(create_app(elsewhere)) as restored:
        assert predicted(restored, "little") == before
        assert restored.get(f"/v1/models/{model['id']}").json() == model
        assert restored.get("/v1/datasets/table/rows?count=60").json()["data"][59]["b"] == 2
        job = restored.get(f"/v1/jobs/{model['job_id']}").json()
        assert job["state"] == "succeeded"
        assert restored.post("/v1/jobs", json=job["spec"]).status_code == 202
        assert (
            restored.get("/v1/about").json()["journal_mode"]
            == client.get("/v1/about").json()["journal_mode"]
        )


def test_only_what_rows_name_is_saved(
    client: TestClient,
    settings: Settings,
    model: Any,
    fit: dict[str, Any],
    trainer: NumpyTrainer,
    tmp_path: Path,
) -> None:
    root = settings.storage_root
    client.post("/v1/jobs", json=fit)
    running = trainer.claim()
    for name in (
        f"checkpoints/{running.job.id}/00000002.checkpoint",
        "checkpoints/job_ended/00000001.checkpoint",
        "staging/upload-1",
        "datasets/ab/nobody.arrow",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    saved = backup(settings.database_url, root, tmp_path / "saved")
    names = {name.removeprefix("storage/") for name in saved.files}
    artifact = {str(p.relative_to(root)) for p in (root / model["artifact_path"]).iterdir()}
    sha256 = model["dataset_sha256"]
    assert names == artifact | {
        "fitpoint.sqlite",
        f"datasets/{sha256[:2]}/{sha256}.arrow",
        f"checkpoints/{running.job.id}/00000002.checkpoint",
    }
    assert read_manifest(tmp_path / "saved") == saved
    found = {p for p in (tmp_path / "saved").rglob("*") if p.is_file()}
    assert len(found) == len(saved.files) + 1


def test_a_backup_is_one_moment_while_others_write(
    settings: Settings,
    database: Database,
    client: TestClient,
    register: Tables,
    model: Any,
    tmp_path: Path,
    elsewhere: Settings,
) -> None:
    stop = threading.Event()
    # Two rows of one transaction: a backup that has one of them and not the other is torn.
    with database.alter() as connection:
        connection.execute(text("CREATE TABLE pairs (n INTEGER)"))

    def write() -> None:
        while not stop.is_set():
            with database.write() as s:
                s.execute(text("INSERT INTO pairs VALUES (1)"))
                s.execute(text("INSERT INTO pairs VALUES (2)"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for at in range(3):
            backup(settings.database_url, settings.storage_root, tmp_path / f"saved{at}")
    finally:
        stop.set()
        writer.join(10)
    register("later", CSV.replace("7", "8"))
    for at in range(3):
        target = Settings(data_dir=tmp_path / f"elsewhere{at}")
        restore(tmp_path / f"saved{at}", target.database_url, target.storage_root)
        with closing(Database.open(target.database_url)) as copy, copy.read() as s:
            ones, twos = (
                s.scalar(text("SELECT count(*) FROM pairs WHERE n = :n"), {"n": n}) for n in (1, 2)
            )
            assert ones == twos
            assert s.scalar(text("PRAGMA integrity_check")) == "ok"
            assert s.scalar(text("SELECT count(*) FROM datasets")) == 1
    assert client.get(f"/v1/models/{model['id']}").status_code == 200
    assert elsewhere is not None


def test_a_backup_that_would_be_damaged_is_none(
    client: TestClient, settings: Settings, model: Any, tmp_path: Path
) -> None:
    weights = settings.storage_root / model["artifact_path"] / "weights.npz"
    sound = weights.read_bytes()
    flipped = bytearray(sound)
    flipped[len(flipped) // 2] ^= 1
    weights.write_bytes(flipped)
    with pytest.raises(Unavailable, match="weights"):
        backup(settings.database_url, settings.storage_root, tmp_path / "saved")
    weights.write_bytes(sound)
    (file,) = (settings.storage_root / "datasets").glob("*/*.arrow")
    rows = file.read_bytes()
    file.write_bytes(rows[:-1])
    with pytest.raises(Unavailable, match="damaged"):
        backup(settings.database_url, settings.storage_root, tmp_path / "saved")
    file.unlink()
    with pytest.raises(Unavailable, match="could not be written"):
        backup(settings.database_url, settings.storage_root, tmp_path / "saved")
    assert list(tmp_path.glob("*saved*")) == []
    assert client.get("/livez").status_code == 200


def test_a_backup_goes_into_no_folder_that_has_something(
    settings: Settings, model: Any, tmp_path: Path
) -> None:
    assert model
    target = tmp_path / "saved"
    target.mkdir()
    backup(settings.database_url, settings.storage_root, target)
    with pytest.raises(Conflict, match="empty"):
        backup(settings.database_url, settings.storage_root, target)
    with pytest.raises(InvalidSpec, match="pg_dump"):
        backup("postgresql://u@h/d", settings.storage_root, tmp_path / "other")


def test_a_restore_overwrites_no_database(
    settings: Settings, model: Any, tmp_path: Path, elsewhere: Settings
) -> None:
    assert model
    backup(settings.database_url, settings.storage_root, tmp_path / "saved")
    with pytest.raises(Conflict, match="exists"):
        restore(tmp_path / "saved", settings.database_url, settings.storage_root)
    # A log that another database left would be read into the restored one.
    elsewhere.data_dir.mkdir()
    stale = elsewhere.data_dir / "fitpoint.sqlite-wal"
    stale.write_bytes(b"another's")
    with pytest.raises(Conflict, match="-wal"):
        restore(tmp_path / "saved", elsewhere.database_url, elsewhere.storage_root)
    stale.unlink()
    restore(tmp_path / "saved", elsewhere.database_url, elsewhere.storage_root)


@pytest.mark.parametrize("harm", ["flip", "lack", "manifest", "path"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    settings: Settings, model: Any, tmp_path: Path, elsewhere: Settings, harm: str
) -> None:
    saved = tmp_path / "saved"
    backup(settings.database_url, settings.storage_root, saved)
    file = saved / "storage" / model["artifact_path"] / "weights.npz"
    match harm:
        case "flip":
            content = bytearray(file.read_bytes())
            content[7] ^= 4
            file.write_bytes(content)
        case "lack":
            file.unlink()
        case "manifest":
            (saved / "manifest.json").write_text("{}")
        case _:
            told = (saved / "manifest.json").read_text()
            (saved / "manifest.json").write_text(told.replace("storage/artifacts", "../artifacts"))
    with pytest.raises(Unavailable):
        restore(saved, elsewhere.database_url, elsewhere.storage_root)
    assert not os.path.exists(elsewhere.data_dir)
