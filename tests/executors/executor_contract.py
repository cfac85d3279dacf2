"""What every executor must do: one function a behaviour, run by `test_executors.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from service.domain.errors import MissingValues
from service.domain.history import EpochRecord
from service.engine import artifact
from service.executors.port import Executor
from tests.executors.fits import table, task

LONG = {"seeds": [1, 2, 3], "hidden_units": 5, "epochs": 100_000}


class Interruption(Exception):
    """What a worker's callback raises when its lease was lost."""


def a_fit_leaves_an_artifact_and_tells_each_epoch(executor: Executor, folder: Path) -> None:
    told: list[EpochRecord] = []
    asked = task(table(folder), folder / "staging")
    outcome = executor.run(asked, told.extend, lambda: False)
    assert [record.epoch for record in told] == [1, 2, 3]
    assert outcome.ending == "completed"
    assert outcome.fitted is not None
    path, sha256 = artifact.publish(asked.staging, folder)
    found = artifact.read(folder / path, sha256)
    assert found.levels == ("ash", "birch", "cedar", "fir")
    assert found.versions == executor.start().versions
    assert outcome.fitted.evaluations[0].n == 400


def a_stop_ends_the_fit_after_an_epoch_and_the_next_fit_runs(
    executor: Executor, folder: Path
) -> None:
    source = table(folder)
    told: list[EpochRecord] = []
    endless = task(source, folder / "endless", model=LONG)
    outcome = executor.run(endless, told.extend, lambda: len(told) >= 2)
    assert outcome.ending == "cancelled"
    assert outcome.fitted is None
    assert 2 <= len(told) == outcome.epochs_run
    following = executor.run(task(source, folder / "next"), lambda _: None, lambda: False)
    assert following.ending == "completed"


def what_a_callback_raises_ends_the_fit_and_the_next_fit_runs(
    executor: Executor, folder: Path
) -> None:
    source = table(folder)

    def interrupt(_records: tuple[EpochRecord, ...]) -> None:
        raise Interruption

    with pytest.raises(Interruption):
        executor.run(task(source, folder / "endless", model=LONG), interrupt, lambda: False)
    following = executor.run(task(source, folder / "next"), lambda _: None, lambda: False)
    assert following.ending == "completed"


def an_error_of_the_engine_arrives_as_itself(executor: Executor, folder: Path) -> None:
    source = table(folder, hole=True)
    asked = task(source, folder / "staging", recipe=[])
    with pytest.raises(MissingValues, match=r"row 400.*'x1'|'x1'.*row 400"):
        executor.run(asked, lambda _: None, lambda: False)


def the_same_task_gives_the_same_weights_and_artifact(executor: Executor, folder: Path) -> None:
    source = table(folder)
    hashes = set()
    for name in ("one", "two"):
        asked = task(source, folder / name)
        outcome = executor.run(asked, lambda _: None, lambda: False)
        assert outcome.fitted is not None
        hashes.add(outcome.fitted.weights_sha256)
    assert len(hashes) == 1


CONTRACT: list[Callable[[Executor, Path], None]] = [
    a_fit_leaves_an_artifact_and_tells_each_epoch,
    a_stop_ends_the_fit_after_an_epoch_and_the_next_fit_runs,
    what_a_callback_raises_ends_the_fit_and_the_next_fit_runs,
    an_error_of_the_engine_arrives_as_itself,
    the_same_task_gives_the_same_weights_and_artifact,
]
