"""Programs that one child compiled and the next one loads: the same bits with any files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from service.engine.training.compiled import Compiled, compiled_programs
from service.executors.process import ProcessExecutor
from tests.executors.fits import alone, table, task

pytestmark = pytest.mark.timeout(180)


def fitted(folder: Path, name: str) -> str:
    """Train a fit in a fresh child; return its weights' hash."""
    source, executor = table(folder), ProcessExecutor(device="cpu")
    try:
        # It shares after it has answered: the second answer comes after that.
        (one,), (other,) = (
            executor.run(
                alone(task(source, folder / name / again, evaluate=[])),
                lambda _: None,
                lambda: False,
            )
            for again in ("one", "other")
        )
    finally:
        executor.close()
    assert one.fitted is not None
    assert one.fitted == other.fitted
    return one.fitted.weights_sha256


def shared(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("fitpoint/*/*") if path.parent.name != "own")


def test_a_second_child_loads_what_the_first_compiled_and_damaged_files_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = fitted(tmp_path, "first")
    files = shared(tmp_path / "cache")
    assert files
    for path in files:
        digest = path.name.partition(".")[0]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert fitted(tmp_path, "second") == first
    assert shared(tmp_path / "cache") == files
    for path in files:
        # What TensorFlow itself would refuse every fit of this shape for.
        os.truncate(path, path.stat().st_size // 2)
    assert fitted(tmp_path, "third") == first
    assert not list((tmp_path / "cache" / "fitpoint" / "own").iterdir())


def test_a_folder_that_cannot_be_made_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    (tmp_path / "file").write_text("no folder")
    with compiled_programs(tmp_path / "file") as programs:
        assert programs.settings == {}
        programs.fetch("environment")
        programs.share()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def test_what_a_calibration_compiled_is_shared_with_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Compiled(tmp_path, tmp_path).settings:
        monkeypatch.setenv(name, "put back afterwards")
    with compiled_programs(tmp_path) as programs:
        programs.fetch("environment")
        own = Path(programs.settings["JAX_COMPILATION_CACHE_DIR"])
        (own / "of-a-calibration").write_bytes(b"program")
        programs.keep()
        (own / "of-a-fit").write_bytes(b"program")
        programs.share()
        (found,) = (tmp_path / "environment").iterdir()
        assert found.name == f"{hashlib.sha256(b'program').hexdigest()}.of-a-fit"
