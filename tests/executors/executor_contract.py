"""What every executor must do: one function a behaviour, run by `test_executors.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.domain.errors import FitpointError, MissingValues
from service.domain.history import EpochRecord
from service.engine import artifact
from service.engine.task import CohortTask
from service.executors.port import Executor
from tests.executors.fits import alone, table, task

LONG = {"seeds": [1, 2, 3], "hidden_units": 5, "epochs": 100_000}


class Interruption(Exception):
    """What a worker's callback raises when its lease was lost."""


def a_fit_leaves_an_artifact_and_tells_each_epoch(executor: Executor, folder: Path) -> None:
    told: list[EpochRecord] = []
    asked = task(table(folder), folder / "staging")
    (outcome,) = executor.run(alone(asked), told.extend, lambda: False)
    assert [record.epoch for record in told] == [1, 2, 3]
    assert outcome.ending == "completed"
    assert outcome.fitted is not None
    path, sha256 = artifact.publish(folder / "staging", folder)
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
    (outcome,) = executor.run(alone(endless), told.extend, lambda: len(told) >= 2)
    assert outcome.ending == "cancelled"
    assert outcome.fitted is None
    assert 2 <= len(told) == outcome.epochs_run
    (following,) = executor.run(alone(task(source, folder / "next")), lambda _: None, lambda: False)
    assert following.ending == "completed"


def what_a_callback_raises_ends_the_fit_and_the_next_fit_runs(
    executor: Executor, folder: Path
) -> None:
    source = table(folder)

    def interrupt(_records: tuple[EpochRecord, ...]) -> None:
        raise Interruption

    with pytest.raises(Interruption):
        executor.run(alone(task(source, folder / "endless", model=LONG)), interrupt, lambda: False)
    (following,) = executor.run(alone(task(source, folder / "next")), lambda _: None, lambda: False)
    assert following.ending == "completed"


def an_error_of_the_engine_arrives_as_itself(executor: Executor, folder: Path) -> None:
    source = table(folder, hole=True)
    asked = task(source, folder / "staging", recipe=[])
    with pytest.raises(MissingValues, match=r"row 400.*'x1'|'x1'.*row 400"):
        executor.run(alone(asked), lambda _: None, lambda: False)


def the_same_task_gives_the_same_weights_and_artifact(executor: Executor, folder: Path) -> None:
    source = table(folder)
    hashes = set()
    for name in ("one", "two"):
        asked = task(source, folder / name)
        (outcome,) = executor.run(alone(asked), lambda _: None, lambda: False)
        assert outcome.fitted is not None
        hashes.add(outcome.fitted.weights_sha256)
    assert len(hashes) == 1


def fits_in_company_are_told_apart_and_have_the_bits_that_each_has_alone(
    executor: Executor, folder: Path
) -> None:
    source = table(folder)
    models: list[dict[str, Any]] = [
        {"seeds": [1, 2, 3], "hidden_units": 5, "activation": "relu", "epochs": 2},
        {"seeds": [4, 5, 6], "hidden_units": 9, "activation": "tanh", "epochs": 3},
    ]
    engine = {"name": "keras3", "shuffle_seed": 5}
    fits = [
        replace(
            task(source, folder / f"fit {number}", model=model, engine=engine),
            trial=number,
        )
        for number, model in enumerate(models, 7)
    ]
    told: list[EpochRecord] = []
    together = executor.run(CohortTask(fits=tuple(fits)), told.extend, lambda: False)
    assert [(r.epoch, r.trial) for r in told] == [(1, 7), (1, 8), (2, 7), (2, 8), (3, 8)]
    for fit, outcome in zip(fits, together, strict=True):
        place = folder / f"alone {fit.trial}"
        place.mkdir()
        (single,) = executor.run(alone(replace(fit, staging=place)), lambda _: None, lambda: False)
        assert single.fitted == outcome.fitted is not None
        published = artifact.publish(folder / f"fit {fit.trial}", folder)
        assert artifact.read(folder / published[0], published[1]).spec == fit.spec


def fits_of_two_cohorts_are_refused_as_one(executor: Executor, folder: Path) -> None:
    source = table(folder)
    fits = tuple(
        task(source, folder / str(batch_size), engine={"batch_size": batch_size})
        for batch_size in (16, 32)
    )
    with pytest.raises((ValueError, FitpointError)):
        executor.run(CohortTask(fits=fits), lambda _: None, lambda: False)


CONTRACT: list[Callable[[Executor, Path], None]] = [
    a_fit_leaves_an_artifact_and_tells_each_epoch,
    a_stop_ends_the_fit_after_an_epoch_and_the_next_fit_runs,
    what_a_callback_raises_ends_the_fit_and_the_next_fit_runs,
    an_error_of_the_engine_arrives_as_itself,
    the_same_task_gives_the_same_weights_and_artifact,
    fits_in_company_are_told_apart_and_have_the_bits_that_each_has_alone,
    fits_of_two_cohorts_are_refused_as_one,
]
