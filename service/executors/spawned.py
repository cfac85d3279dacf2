"""One spawned child and the pipe to it, from its first breath to how it died."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from service.domain.errors import FitpointError
from service.domain.jobs import Environment
from service.executors import child
from service.executors.death import died_of
from service.executors.memory import kills, limit_bytes, resident_bytes

TICK_SECONDS = 0.5
_START_SECONDS = 300.0
# What a child's program is given: its end of the pipe, our process id, the device, the threads.
Program = Callable[[Connection, int, str, int], None]


class Spawned:
    """A child that was started; `environment` is there once it has its backend imported."""

    def __init__(self, program: Program, device: str, threads: int) -> None:
        """Start it; returns at once."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self.environment: Environment | None = None
        self.jobs = 0
        self._kills = kills()
        self._process = context.Process(
            target=program, args=(theirs, os.getpid(), device, threads), name="fitpoint-child"
        )
        self._connection = ours
        self._failure: BaseException | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._live, name="fitpoint-child", daemon=True)
        self._thread.start()
        self._begun.wait()
        theirs.close()
        if self._failure is not None:
            ours.close()
            raise self._failure
        self._started_at = self._looked_at = time.monotonic()
        self._idle_bytes: int | None = None
        self._held_bytes: int | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        pid = self._process.pid
        assert pid is not None, "it was started"
        return pid

    @property
    def grown_bytes(self) -> int:
        """How much more it holds in memory than when it was idle first; 0 where nobody tells."""
        self._look()
        return (self._held_bytes or 0) - (self._idle_bytes or 0)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def is_ready(self) -> bool:
        """Whether it has its backend imported; does not wait."""
        if self.environment is None:
            with suppress(EOFError, OSError):
                if self._connection.poll():
                    self._greeted(self._connection.recv())
        return self.environment is not None

    def await_ready(self, waiting: Callable[[], object]) -> Environment | None:
        """Return where it trains once its backend is imported, None when it never will be.

        What `waiting` raises leaves it starting.
        """
        if self.environment is None:
            self._greeted(self.receive(waiting, self._started_at + _START_SECONDS))
        return self.environment

    def send(self, message: object) -> None:
        """Send it a message; that it is gone is told by the next `receive`."""
        with suppress(OSError):
            self._connection.send(message)

    def receive(self, tick: Callable[[], object], deadline: float | None = None) -> Any:
        """Return its next message, or None when it died or the deadline passed.

        `tick` is called once in `TICK_SECONDS` while nothing comes.
        """
        while deadline is None or time.monotonic() < deadline:
            if time.monotonic() - self._looked_at >= TICK_SECONDS:
                self._look()
            # Its death wakes us as a message does.
            ready = wait([self._connection, self._process.sentinel], timeout=TICK_SECONDS)
            if self._connection in ready:
                try:
                    return self._connection.recv()
                except (EOFError, OSError):
                    return None
            if ready:
                return None
            tick()
        return None

    def end(self) -> FitpointError:
        """End what is left of it, and return the error of a child that should have lived."""
        # One that closed its pipe is about to exit: its own status says more than our SIGKILL.
        by_itself = wait([self._process.sentinel], timeout=5)
        code = self._exit_code() if by_itself else None
        self.kill()
        return died_of(code, self._kills, kills(), self._held_bytes, limit_bytes())

    def leave(self) -> None:
        """Ask it to exit; end it when it does not."""
        self.send(child.Leave())
        self._process.join(timeout=2)
        self.kill()

    def kill(self) -> None:
        """End it at once, stopped or not."""
        self._process.kill()
        self._exit_code()
        self._thread.join()
        self._process.close()
        self._connection.close()

    def _exit_code(self) -> int | None:
        """Wait for its end and return its status.

        Another thread that starts a child reaps every dead one, and may be about to note this
        one's status when we ask.
        """
        self._process.join()
        while self._process.exitcode is None:
            time.sleep(0.001)
        return self._process.exitcode

    def _live(self) -> None:
        """Start it and live as long as it does: a child dies with the thread that started it."""
        try:
            self._process.start()
        except BaseException as error:
            self._failure = error
            return
        finally:
            self._begun.set()
        wait([self._process.sentinel])

    def _greeted(self, message: object) -> None:
        if isinstance(message, child.Ready):
            self.environment = message.environment
            self._look()
            self._idle_bytes = self._held_bytes

    def _look(self) -> None:
        # A process that is about to vanish holds nothing any more; what it held before counts.
        self._looked_at = time.monotonic()
        self._held_bytes = resident_bytes(self.pid) or self._held_bytes
