"""The supervisor, with small real processes in the worker's place."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import pytest

import service
from service.supervisor import Supervisor, child_environment, worker_command

# Each child tells its process id into the pipe, then does as its name says.
_TELL = "import os, signal, sys; open(sys.argv[1], 'w').write(f'{os.getpid()}\\n'); "
LIVES = _TELL + "signal.pause()"
DIES = _TELL + "sys.exit(3)"
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    + _TELL
    + ("[signal.pause() for _ in iter(int, 1)]")
)


class Nursery:
    """Starts supervisors of one kind of child and reads of each birth."""

    def __init__(self, pipe: Path) -> None:
        os.mkfifo(pipe)
        self._pipe = pipe
        # Read and write: the reader sees no end between two children.
        self._births: TextIO = os.fdopen(os.open(pipe, os.O_RDWR))
        self._supervisors: list[Supervisor] = []

    def supervise(self, code: str, **seconds: Any) -> Supervisor:
        command = [sys.executable, "-c", code, str(self._pipe)]
        supervisor = Supervisor(command, **seconds)
        self._supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    def next_birth(self) -> int:
        return int(self._births.readline())

    def close(self) -> None:
        for supervisor in self._supervisors:
            supervisor.stop()
        self._births.close()


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    opened = Nursery(tmp_path / "births")
    yield opened
    opened.close()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_child_is_started_again(nursery: Nursery) -> None:
    supervisor = nursery.supervise(LIVES, first_pause_seconds=0.01)
    first = nursery.next_birth()
    assert supervisor.pid == first
    os.kill(first, signal.SIGKILL)
    second = nursery.next_birth()
    assert second != first
    assert supervisor.pid == second


def test_pauses_between_starts_double_up_to_the_longest(nursery: Nursery) -> None:
    nursery.supervise(DIES, first_pause_seconds=0.1, longest_pause_seconds=0.2)
    births = []
    for _ in range(4):
        nursery.next_birth()
        births.append(time.monotonic())
    gaps = [later - earlier for earlier, later in pairwise(births)]
    # A gap is the pause and the start of a process; only the pause is known from below.
    assert gaps[0] >= 0.1 - 0.05
    assert gaps[1] >= 0.2 - 0.05
    assert gaps[2] >= 0.2 - 0.05


def test_a_child_that_lived_long_enough_is_replaced_after_the_first_pause(
    nursery: Nursery,
) -> None:
    started = time.monotonic()
    nursery.supervise(DIES, first_pause_seconds=0.05, longest_pause_seconds=100, steady_seconds=0)
    for _ in range(9):
        nursery.next_birth()
    # Doubling pauses alone would have taken 0.05 * (2**8 - 1) seconds.
    assert time.monotonic() - started < 0.05 * (2**8 - 1)


def test_stop_ends_the_child_and_starts_no_other(nursery: Nursery) -> None:
    supervisor = nursery.supervise(LIVES, first_pause_seconds=0.01)
    pid = nursery.next_birth()
    supervisor.stop()
    assert is_gone(pid)
    assert supervisor.pid is None


def test_a_child_that_does_not_listen_is_killed(nursery: Nursery) -> None:
    supervisor = nursery.supervise(DEAF, stop_seconds=0.3)
    pid = nursery.next_birth()
    supervisor.stop()
    assert is_gone(pid)


def test_stop_does_not_wait_for_a_pause_to_end(nursery: Nursery) -> None:
    supervisor = nursery.supervise(DIES, first_pause_seconds=600, longest_pause_seconds=600)
    nursery.next_birth()
    supervisor.stop()
    assert supervisor.pid is None


def test_stop_before_start_does_nothing() -> None:
    supervisor = Supervisor([sys.executable, "-c", LIVES])
    supervisor.stop()
    assert supervisor.pid is None


def test_a_command_that_cannot_be_started_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    supervisor = Supervisor([str(tmp_path / "missing")], first_pause_seconds=0.01)
    supervisor.start()
    deadline = time.monotonic() + 10
    while len(caplog.records) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    supervisor.stop()
    assert "could not be started" in caplog.records[1].getMessage()


def test_the_worker_of_serve_is_told_whose_child_it_is() -> None:
    assert worker_command()[-3:] == ["worker", "--parent", str(os.getpid())]


def test_a_child_imports_the_same_package_from_any_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    root, rest = child_environment()["PYTHONPATH"].split(os.pathsep)
    assert Path(root, "service", "__init__.py").samefile(service.__file__)
    assert rest == "elsewhere"


def test_each_end_of_the_child_is_told_before_the_next_one_starts(nursery: Nursery) -> None:
    told: list[int | None] = []
    supervisor: Supervisor = nursery.supervise(
        LIVES, first_pause_seconds=0.01, on_end=lambda: told.append(supervisor.pid)
    )
    for ends in range(1, 3):
        pid = nursery.next_birth()
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while len(told) < ends and time.monotonic() < deadline:
            time.sleep(0.005)
    assert told == [None, None]
