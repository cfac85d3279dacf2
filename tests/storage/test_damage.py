"""An audit reads every file that a row names, and tells which are gone or changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service import doctor
from service.settings import Settings
from tests.api.numpy_trainer import NumpyTrainer, fitted


@pytest.fixture
def folder(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, settings: Settings
) -> Path:
    """The storage, with the datasets and the artifact of one fit."""
    fitted(trainer, client, fit)
    return settings.storage_root


def told(settings: Settings) -> list[str]:
    return [found.detail for found in doctor.audit(settings) if not found.works]


def artifact_of(folder: Path) -> Path:
    (found,) = (folder / "artifacts").glob("*/*")
    return found


def test_what_nobody_touched_is_whole(folder: Path, settings: Settings) -> None:
    (line,) = doctor.audit(settings)
    assert line.works, line
    datasets = len(list((folder / "datasets").rglob("*.arrow")))
    assert f"{datasets + 1} datasets and artifacts are whole" in line.detail


def test_one_changed_bit_of_any_file_is_told(folder: Path, settings: Settings) -> None:
    files = [path for path in artifact_of(folder).iterdir() if path.is_file()]
    files += (folder / "datasets").rglob("*.arrow")
    assert len(files) > 3
    for file in files:
        kept = file.read_bytes()
        changed = bytearray(kept)
        changed[len(kept) // 2] ^= 1
        file.write_bytes(changed)
        (line,) = told(settings)
        assert file.parent.name[:16] in line or file.stem[:16] in line
        file.write_bytes(kept)
    assert told(settings) == []


def test_a_file_that_is_gone_is_told(folder: Path, settings: Settings) -> None:
    (dataset, *_) = (folder / "datasets").rglob("*.arrow")
    dataset.unlink()
    (line,) = told(settings)
    assert "cannot be read (No such file or directory)" in line
    shutil.rmtree(artifact_of(folder))
    assert len(told(settings)) == 2
