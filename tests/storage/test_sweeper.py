"""What no row names is removed after an hour, and nothing else ever is."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.domain.errors import Diverged
from service.engine.artifact import publish
from service.settings import Settings
from service.storage import keeper as keeping
from service.storage import sweeper
from service.storage.keeper import Keeper
from service.storage.sweeper import AGE_SECONDS, Leftover, files_stay, leftovers, sweep
from service.store.database import Database
from tests.acceptance.running import until
from tests.api.conftest import CSV, Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted

OLD = AGE_SECONDS + 60


def age(path: Path, seconds: float = OLD) -> None:
    """Make a file or folder, with all that is in it, look as old."""
    at = time.time() - seconds
    for folder, _, files in os.walk(path):
        for name in files:
            os.utime(Path(folder) / name, (at, at))
        os.utime(folder, (at, at))
    os.utime(path, (at, at))


def made(path: Path, seconds: float = OLD, *, whole: bool = False) -> Path:
    """Leave a file behind; with `whole` its folder is as old, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left behind")
    age(path.parent if whole else path, seconds)
    return path


def paths(found: list[Leftover] | None) -> set[Path]:
    assert found is not None
    return {left.path for left in found}


def everything(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file() and path.parent != root}


def test_what_rows_name_stays_however_old_it_is(
    client: TestClient,
    settings: Settings,
    database: Database,
    fit: dict[str, Any],
    trainer: NumpyTrainer,
) -> None:
    fitted(trainer, client, fit)
    client.post("/v1/jobs", json=fit)
    running = trainer.claim()
    queued = client.post("/v1/jobs", json=fit).json()["id"]
    root = settings.storage_root
    made(root / "staging" / f"{running.job.id}.{running.token}" / "weights.npz")
    made(root / "staging" / f"{running.job.id}.{running.token}-more" / "weights.npz")
    made(root / "checkpoints" / running.job.id / "00000003.checkpoint")
    made(root / "checkpoints" / queued / "00000001.checkpoint")
    age(root, 10 * OLD)
    before = everything(root)
    assert len(before) >= 5 + 6
    assert sweep(root, database) == []
    assert everything(root) == before


def test_what_no_row_names_is_removed_after_an_hour(
    client: TestClient,
    settings: Settings,
    database: Database,
    register: Tables,
    fit: dict[str, Any],
    trainer: NumpyTrainer,
) -> None:
    model = fitted(trainer, client, fit)
    register("other", CSV.replace("7", "8"))
    client.post("/v1/jobs", json=fit)
    failed = trainer.claim()
    root = settings.storage_root
    kept = everything(root)
    (dataset,) = [
        path for path in root.glob("datasets/*/*") if model["dataset_sha256"] not in str(path)
    ]
    gone = [
        dataset,
        root / model["artifact_path"],
        made(root / "artifacts" / "ab" / "abcdef"),
        made(root / "datasets" / "tmp" / "x.arrow"),
        made(root / "datasets" / "ab" / f"{'ab' * 32}.arrow"),
        made(root / "staging" / "upload-123"),
        # An earlier claim of a job that runs: its worker was fenced off.
        made(root / "staging" / f"{failed.job.id}.{failed.token - 1}" / "x", whole=True).parent,
        made(root / "checkpoints" / failed.job.id / "00000001.checkpoint", whole=True).parent,
        made(root / "checkpoints" / "job_of_old" / "00000001.checkpoint", whole=True).parent,
    ]
    young = [
        made(root / "staging" / "upload-456", 3000),
        made(root / "datasets" / "tmp" / "y.arrow", 10),
    ]
    trainer.fail(failed, Diverged("The loss was not finite."))
    assert client.delete("/v1/datasets/other").status_code == 204
    assert client.delete(f"/v1/jobs/{model['job_id']}").status_code == 204
    # Just deleted, and still young.
    assert not {dataset, root / model["artifact_path"]} & paths(leftovers(root, database))
    age(dataset)
    age(root / model["artifact_path"])

    would = sweep(root, database, dry_run=True)
    assert paths(would) == set(gone)
    assert all(path.exists() for path in gone)
    assert {left.bytes for left in would or []} != {0}
    assert paths(sweep(root, database)) == set(gone)
    assert not any(path.exists() for path in gone)
    assert everything(root) == kept - {dataset} - {
        path for path in kept if str(path).startswith(str(root / model["artifact_path"]))
    } | set(young)
    assert sweep(root, database) == []


def test_a_file_whose_row_comes_at_the_last_moment_is_put_back(
    client: TestClient,
    settings: Settings,
    database: Database,
    register: Tables,
    fit: dict[str, Any],
    trainer: NumpyTrainer,
) -> None:
    """Found without a row, then named by one, and only then swept: as if the row came between."""
    register("other", CSV.replace("7", "8"))
    client.delete("/v1/datasets/other")
    model = fitted(trainer, client, {**fit, "name": "one"})
    client.delete(f"/v1/jobs/{model['job_id']}")
    root = settings.storage_root
    age(root)
    found = leftovers(root, database)
    assert len(found) == 2
    before = everything(root)
    register("again", CSV.replace("7", "8"))
    again = fitted(trainer, client, {**fit, "name": "one"})
    assert again["artifact_path"] == model["artifact_path"]
    assert sweeper.remove(root, database, found) == []
    assert everything(root) == before
    assert client.get("/v1/datasets/again/rows").status_code == 200
    answer = client.post("/v1/models/one/predictions", json={"rows": [{"a": 1, "b": 2}]})
    assert answer.status_code == 200, answer.text


def test_publishing_what_is_there_already_makes_it_young(
    client: TestClient,
    settings: Settings,
    database: Database,
    fit: dict[str, Any],
    trainer: NumpyTrainer,
) -> None:
    model = fitted(trainer, client, fit)
    client.delete(f"/v1/jobs/{model['job_id']}")
    root = settings.storage_root
    artifact = root / model["artifact_path"]
    shutil.copytree(artifact, root / "staging" / "copy")
    age(artifact)
    (found,) = leftovers(root, database)
    publish(root / "staging" / "copy", root)
    # Its row is yet to come.
    assert sweeper.remove(root, database, [found]) == []
    assert leftovers(root, database) == []
    assert (artifact / "manifest.json").exists()


def test_what_a_killed_sweeper_moved_aside_is_put_back(
    client: TestClient, settings: Settings, database: Database, table: str
) -> None:
    root = settings.storage_root
    (file,) = root.glob("datasets/*/*")
    aside = root / "trash" / file.relative_to(root)
    aside.parent.mkdir(parents=True)
    file.rename(aside)
    assert sweep(root, database) == []
    assert file.exists()
    assert not (root / "trash").exists()
    assert client.get(f"/v1/datasets/{table}/rows").status_code == 200


def test_two_sweepers_or_a_backup_do_not_meet(
    settings: Settings, database: Database, table: str
) -> None:
    assert table
    with files_stay(settings.storage_root, wait=False) as alone:
        assert alone
        assert sweep(settings.storage_root, database) is None
        assert sweep(settings.storage_root, database, dry_run=True) == []
    assert sweep(settings.storage_root, database) == []


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.02)


def test_the_keeper_sweeps_at_the_second_look_what_stayed_as_it_was(
    settings: Settings, table: str
) -> None:
    assert table
    root = settings.storage_root
    left = made(root / "staging" / "upload-1")
    # Looks old because the wall clock jumped, but somebody is writing it.
    written = made(root / "staging" / "upload-2")
    with Keeper(settings, sweep_seconds=0.2) as keeper:
        deadline = time.monotonic() + 10
        at = time.time() - OLD
        while left.exists():
            assert time.monotonic() < deadline
            at += 1
            os.utime(written, (at, at))
            time.sleep(0.05)
        assert written.exists()
        assert keeper is not None
    assert list(root.glob("datasets/*/*"))


def test_the_ballast_is_there_while_somebody_keeps_the_disk(
    settings: Settings, database: Database
) -> None:
    small = settings.model_copy(update={"ballast_bytes": 2**20})
    ballast = settings.data_dir / "ballast"
    with Keeper(small):
        until(ballast.exists, 5)
        assert ballast.stat().st_blocks * 512 >= 2**20
        # Of two who keep it one leaves; the other takes it again.
        ballast.unlink()
        until(ballast.exists, 5)
    assert not ballast.exists()
    assert database is not None
