"""The queue of those who write to a file: in order, never for ever, and never in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.domain.errors import Unavailable
from service.store.turn import Turn

HOLDER = """
import sys
from pathlib import Path
from service.store.turn import Turn
with Turn(Path(sys.argv[1])).taken(10):
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "d.sqlite"


@pytest.fixture
def holder(database: Path) -> subprocess.Popen[str]:
    """A process that has the turn until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def release(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=30)


def waiting_for(file: Path) -> int:
    """Return how many locks on a file the kernel says are waited for."""
    inode = f":{file.stat().st_ino} "
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and inode in line for line in lines)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_those_who_wait_get_the_turn_in_the_order_in_which_they_came(
    database: Path, holder: subprocess.Popen[str]
) -> None:
    got: list[int] = []
    turns = [Turn(database) for _ in range(4)]

    def take(number: int) -> None:
        with turns[number].taken(30):
            got.append(number)

    threads = []
    for number in range(4):
        threads.append(threading.Thread(target=take, args=(number,)))
        threads[-1].start()
        wait_until(lambda: waiting_for(database.with_name("d.sqlite-turn")) == len(threads))
    release(holder)
    for thread in threads:
        thread.join()
    for turn in turns:
        turn.close()
    assert got == [0, 1, 2, 3]


def test_a_turn_that_does_not_come_is_given_up_and_can_be_asked_for_again(
    database: Path, holder: subprocess.Popen[str]
) -> None:
    os.kill(holder.pid, signal.SIGSTOP)
    with closing(Turn(database)) as turn:
        for _ in range(2):
            with pytest.raises(Unavailable, match="locked by another process"), turn.taken(0.05):
                raise AssertionError
        os.kill(holder.pid, signal.SIGCONT)
        release(holder)
        for _ in range(2):
            with turn.taken(30):
                pass


def test_a_turn_that_was_given_up_is_handed_on_when_it_comes(
    database: Path, holder: subprocess.Popen[str]
) -> None:
    with closing(Turn(database)) as gave_up, closing(Turn(database)) as other:
        with pytest.raises(Unavailable), gave_up.taken(0.05):
            raise AssertionError
        release(holder)
        with other.taken(30):
            pass


def test_the_turn_of_a_process_that_was_killed_is_free(
    database: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.communicate(timeout=30)
    with closing(Turn(database)) as turn, turn.taken(30):
        pass


def test_threads_of_one_process_have_it_one_at_a_time(database: Path) -> None:
    turn, inside, most = Turn(database), [0], [0]

    def take() -> None:
        for _ in range(20):
            with turn.taken(30):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    turn.close()
    assert (inside, most) == ([0], [1])


def test_what_is_raised_in_a_turn_ends_it(database: Path) -> None:
    with closing(Turn(database)) as turn, closing(Turn(database)) as other:
        with pytest.raises(KeyError), turn.taken(1):
            raise KeyError
        with other.taken(0.0):
            pass


def test_where_no_file_can_be_made_everybody_has_the_turn(tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "d.sqlite"
    with closing(Turn(nowhere)) as one, closing(Turn(nowhere)) as two, one.taken(1), two.taken(1):
        assert not nowhere.parent.exists()
