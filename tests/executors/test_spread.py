"""A plan spread over children: all callbacks in one thread, the same bits, nothing left running."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from service.domain.errors import ChildDied
from service.domain.history import EpochRecord
from service.engine.task import CohortTask, FitOutcome
from service.executors.process import ProcessExecutor
from service.executors.spread import spread
from tests.executors.executor_contract import LONG, Interruption
from tests.executors.fits import alone, table, task

# Several programs are compiled, beside other tests on two cores.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def children() -> Iterator[list[ProcessExecutor]]:
    made = [ProcessExecutor(device="cpu") for _ in range(2)]
    yield made
    for each in made:
        each.close()


def cohorts(folder: Path, count: int) -> list[CohortTask]:
    source = table(folder)
    made = []
    for number in range(count):
        fits = [
            replace(
                task(
                    source,
                    folder / f"{number} {units}",
                    model={"seeds": [1, 2, number], "hidden_units": units, "epochs": 2},
                ),
                trial=10 * number + units,
            )
            for units in (3, 4)
        ]
        made.append(CohortTask(fits=tuple(fits), checkpoints=folder / f"kept {number}"))
    return made


def test_three_cohorts_on_two_children_come_back_in_order(
    children: list[ProcessExecutor], tmp_path: Path
) -> None:
    asked = cohorts(tmp_path, 3)
    told: list[EpochRecord] = []
    ended: list[tuple[int, int]] = []
    threads: set[int] = set()

    def on_epoch(records: tuple[EpochRecord, ...]) -> None:
        told.extend(records)
        threads.add(threading.get_ident())

    def on_ended(cohort: int, fit: int, _outcome: FitOutcome) -> None:
        ended.append((cohort, fit))

    found = spread(asked, children, on_epoch, lambda: False, on_ended=on_ended)
    assert sorted(ended) == [(cohort, fit) for cohort in range(3) for fit in range(2)]
    assert threads == {threading.get_ident()}
    expected = {(fit.trial, epoch) for cohort in asked for fit in cohort.fits for epoch in (1, 2)}
    assert {(record.trial, record.epoch) for record in told} == expected
    assert len(told) == len(expected)
    # In order: each outcome is that of its own fit, trained again alone.
    last, again = asked[2].fits[1], tmp_path / "again"
    again.mkdir()
    (single,) = children[0].run(alone(replace(last, staging=again)), lambda _: None, lambda: False)
    assert single.fitted == found[2][1].fitted is not None


def test_a_stop_ends_every_cohort(children: list[ProcessExecutor], tmp_path: Path) -> None:
    source = table(tmp_path)
    asked = [alone(task(source, tmp_path / str(n), model=LONG)) for n in range(3)]
    told: list[EpochRecord] = []
    found = spread(asked, children, told.extend, lambda: len(told) > 3)
    assert [outcome.ending for (outcome,) in found] == ["cancelled"] * 3


def test_a_child_that_dies_ends_the_others_and_the_children_train_again(
    children: list[ProcessExecutor], tmp_path: Path
) -> None:
    source = table(tmp_path)
    asked = [alone(task(source, tmp_path / str(n), model=LONG)) for n in range(2)]
    children[1].start()
    victim = children[1].pid
    assert victim is not None

    def kill(_records: tuple[EpochRecord, ...]) -> None:
        # Told of another epoch before the death was noticed, it is gone already.
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)

    with pytest.raises(ChildDied, match="SIGKILL"):
        spread(asked, children, kill, lambda: False)
    found = spread(cohorts(tmp_path, 2), children, lambda _: None, lambda: False)
    assert [outcome.ending for own in found for outcome in own] == ["completed"] * 4


def test_what_a_callback_raises_ends_everything(
    children: list[ProcessExecutor], tmp_path: Path
) -> None:
    source = table(tmp_path)
    asked = [alone(task(source, tmp_path / str(n), model=LONG)) for n in range(2)]

    def interrupt(_records: tuple[EpochRecord, ...]) -> None:
        raise Interruption

    with pytest.raises(Interruption):
        spread(asked, children, interrupt, lambda: False)
