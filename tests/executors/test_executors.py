"""One contract suite for every executor, and what only a process can show: its death."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.domain.errors import ChildDied
from service.domain.history import EpochRecord
from service.executors.inline import InlineExecutor
from service.executors.port import Executor
from service.executors.process import ProcessExecutor
from tests.executors.executor_contract import CONTRACT, LONG
from tests.executors.fits import alone, table, task

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def executor() -> Iterator[ProcessExecutor]:
    """A process executor whose child is warm."""
    made = ProcessExecutor(device="cpu")
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("behaviour", CONTRACT, ids=lambda behaviour: behaviour.__name__)
def test_the_process_executor(
    executor: ProcessExecutor, tmp_path: Path, behaviour: Callable[[Executor, Path], None]
) -> None:
    behaviour(executor, tmp_path)


def _all_inline(folder: Path) -> int:
    inline = InlineExecutor(device="cpu")
    for number, behaviour in enumerate(CONTRACT):
        place = folder / str(number)
        place.mkdir()
        behaviour(inline, place)
    return len(CONTRACT)


def test_the_inline_executor_in_a_fresh_process(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_all_inline, (tmp_path,)) == len(CONTRACT)


def test_two_children_train_the_same_bits(executor: ProcessExecutor, tmp_path: Path) -> None:
    source = table(tmp_path)
    other = ProcessExecutor(device="cpu")
    try:
        hashes = set()
        for number, each in enumerate((executor, other)):
            asked = task(source, tmp_path / str(number))
            (outcome,) = each.run(alone(asked), lambda _: None, lambda: False)
            assert outcome.fitted is not None
            hashes.add(outcome.fitted.weights_sha256)
    finally:
        other.close()
    assert len(hashes) == 1


def test_a_killed_child_is_told_by_its_signal_and_the_next_fit_runs(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    source = table(tmp_path)
    executor.start()
    child = executor.pid
    assert child is not None

    def kill(_records: tuple[EpochRecord, ...]) -> None:
        os.kill(child, signal.SIGKILL)

    with pytest.raises(ChildDied, match="SIGKILL"):
        executor.run(alone(task(source, tmp_path / "endless", model=LONG)), kill, lambda: False)
    (following,) = executor.run(
        alone(task(source, tmp_path / "next")), lambda _: None, lambda: False
    )
    assert following.ending == "completed"
    assert executor.pid != child


def test_a_child_that_died_while_idle_is_replaced(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    source = table(tmp_path)
    executor.start()
    child = executor.pid
    assert child is not None
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    (outcome,) = executor.run(alone(task(source, tmp_path / "next")), lambda _: None, lambda: False)
    assert outcome.ending == "completed"
