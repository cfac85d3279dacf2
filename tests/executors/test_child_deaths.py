"""How a child's death is told, how a hung one is ended, and when a worn one is replaced."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.domain.errors import ChildDied, FitpointError, Hung, OutOfMemory
from service.engine.task import CohortTask, FitOutcome
from service.executors.patience import Patience
from service.executors.process import ProcessExecutor, Wear
from tests.executors import child_doubles
from tests.executors.child_doubles import SMALL_GROUP
from tests.executors.fits import alone, table, task

# Epochs of the doubles are said to last 0.01 s: the floor decides.
PATIENCE = Patience(unknown_seconds=2.5, least_seconds=1.0)


@contextmanager
def executing(**given: Any) -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor(device="cpu", **{"program": child_doubles.program, **given})
    try:
        yield executor
    finally:
        executor.close()


def fit(folder: Path, name: str) -> CohortTask:
    place = folder / f"at {time.monotonic_ns()}"
    place.mkdir()
    return alone(task(table(place), place / "staging", name=name, evaluate=[]))


def run(executor: ProcessExecutor, asked: CohortTask) -> FitOutcome:
    (outcome,) = executor.run(asked, lambda _: None, lambda: False)
    return outcome


@pytest.mark.parametrize(
    ("name", "told"), [("poison", "signal SIGKILL"), ("exits", "exit status 7")]
)
def test_a_death_is_told_by_how_it_came_and_the_next_fit_has_a_fresh_child(
    tmp_path: Path, name: str, told: str
) -> None:
    with executing() as executor:
        executor.start()
        first = executor.pid
        with pytest.raises(ChildDied, match=told):
            run(executor, fit(tmp_path, name))
        assert run(executor, fit(tmp_path, "good")).ending == "completed"
        assert executor.pid != first


def test_a_death_is_noticed_at_once(tmp_path: Path) -> None:
    with executing() as executor:
        executor.start()
        child = executor.pid
        assert child is not None
        killed_at = 0.0

        def kill(_records: object) -> None:
            nonlocal killed_at
            killed_at = time.monotonic()
            os.kill(child, signal.SIGKILL)

        with pytest.raises(ChildDied):
            executor.run(fit(tmp_path, "stops"), kill, lambda: False)
        # Its death wakes us: less than the half second after which we would look by ourselves.
        assert time.monotonic() - killed_at < 0.4


@pytest.mark.parametrize("name", ["stops", "spins", "never-begins"])
def test_a_child_without_progress_is_ended_and_told_as_past_its_deadline(
    tmp_path: Path, name: str
) -> None:
    with executing(patience=PATIENCE) as executor:
        executor.start()
        hung = executor.pid
        assert hung is not None
        started = time.monotonic()
        with pytest.raises(Hung, match="deadline"):
            run(executor, fit(tmp_path, name))
        waited = time.monotonic() - started
        assert waited >= (2.5 if name == "never-begins" else 1.0)
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)
        assert run(executor, fit(tmp_path, "good")).ending == "completed"


def test_what_follows_the_last_epoch_may_take_longer_than_an_epoch(tmp_path: Path) -> None:
    with executing(patience=PATIENCE) as executor:
        assert run(executor, fit(tmp_path, "judges-long")).ending == "completed"


@pytest.fixture
def small_group() -> Iterator[None]:
    """A control group of 64 MiB where the kernel lets us make one."""
    try:
        SMALL_GROUP.mkdir()
        (SMALL_GROUP / "memory.limit_in_bytes").write_text(str(64 * 2**20))
    except OSError:
        pytest.skip("the kernel lets us make no control group (version 1)")
    yield
    SMALL_GROUP.rmdir()


@pytest.mark.usefixtures("small_group")
def test_a_child_that_the_kernel_killed_for_memory_is_told_so(tmp_path: Path) -> None:
    with executing() as executor:
        with pytest.raises(OutOfMemory, match=r"want of memory.*most likely"):
            run(executor, fit(tmp_path, "wants-memory"))
        assert run(executor, fit(tmp_path, "good")).ending == "completed"


def test_a_child_that_was_refused_memory_trains_nothing_more(tmp_path: Path) -> None:
    with executing() as executor:
        executor.start()
        first = executor.pid
        with pytest.raises(OutOfMemory, match="9 EiB"):
            run(executor, fit(tmp_path, "fails-worn"))
        run(executor, fit(tmp_path, "good"))
        assert executor.pid != first


def replaced(executor: ProcessExecutor, old: int | None) -> bool:
    """Whether another child takes the old one's place within a while."""
    deadline = time.monotonic() + 10
    while executor.pid == old and time.monotonic() < deadline:
        executor.look_after()
        time.sleep(0.02)
    return executor.pid != old


def test_a_child_is_replaced_after_so_many_jobs_and_serves_until_the_fresh_one_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wake = tmp_path / "wake"
    wake.touch()
    monkeypatch.setenv("WAKE", str(wake))
    wear = Wear(jobs=2)
    with executing(program=child_doubles.slow_to_wake, wear=wear) as executor:
        executor.start()
        first = executor.pid
        run(executor, fit(tmp_path, "good"))
        executor.look_after()
        run(executor, fit(tmp_path, "good"))
        wake.unlink()
        executor.look_after()
        started = time.monotonic()
        # It is worn, and the fresh one does not come up: no fit waits for it.
        run(executor, fit(tmp_path, "good"))
        assert time.monotonic() - started < 5
        assert executor.pid == first
        wake.touch()
        assert replaced(executor, first)
        assert run(executor, fit(tmp_path, "good")).ending == "completed"


def test_a_child_that_has_grown_is_replaced(tmp_path: Path) -> None:
    with executing(wear=Wear(grown_bytes=100 * 2**20)) as executor:
        executor.start()
        first = executor.pid
        run(executor, fit(tmp_path, "grows"))
        executor.look_after()
        assert executor.pid == first
        run(executor, fit(tmp_path, "grows"))
        assert replaced(executor, first)


def test_a_child_that_died_idle_is_replaced_before_a_fit_comes(tmp_path: Path) -> None:
    told: list[str] = []
    with executing(log=told.append) as executor:
        executor.start()
        first = executor.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert replaced(executor, first)
        assert replaced(executor, None)
        assert run(executor, fit(tmp_path, "good")).ending == "completed"
    assert len(told) == 1
    assert "SIGKILL" in told[0]


def test_a_child_that_never_comes_up_is_told_by_its_status() -> None:
    with (
        executing(program=child_doubles.stillborn) as executor,
        pytest.raises(ChildDied, match="exit status 9"),
    ):
        executor.start()


def test_what_the_waiting_raises_ends_the_start_and_leaves_the_child_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wake = tmp_path / "wake"
    monkeypatch.setenv("WAKE", str(wake))

    def lose() -> None:
        raise FitpointError("the lease was lost")

    with executing(program=child_doubles.slow_to_wake) as executor:
        with pytest.raises(FitpointError, match="lease was lost"):
            executor.start(lose)
        coming = executor.pid
        wake.touch()
        executor.start()
        assert executor.pid == coming is not None


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    with executing() as executor:
        asking = threading.Thread(target=executor.start)
        asking.start()
        asking.join()
        first = executor.pid
        assert run(executor, fit(tmp_path, "good")).ending == "completed"
        assert executor.pid == first
