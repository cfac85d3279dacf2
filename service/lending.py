"""The executors of a worker's slots: each serves its own slot, or a tune of another one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.executors.port import Executor

# An executor that is being started: importing a backend takes seconds.
_START_SECONDS = 20.0
# An idle slot lets go of its executor many times a second.
_BUSY_SECONDS = 0.3


class Lending:
    """Who uses which executor; at any time one slot's thread, its own or a borrower's."""

    def __init__(self, count: int, start_seconds: float = _START_SECONDS) -> None:
        self.count = count
        self._start_seconds = start_seconds
        self._executors: dict[int, Executor] = {}
        self._offered = [threading.Event() for _ in range(count)]
        self._in_use = [threading.Lock() for _ in range(count)]

    def offer(self, index: int, executor: Executor) -> None:
        """A slot's executor can be used from now on."""
        self._executors[index] = executor
        self._offered[index].set()

    @contextmanager
    def used(self, index: int, wait_seconds: float) -> Iterator[bool]:
        """Use one's own executor; yields False when it is lent for longer than one waits."""
        mine = self._in_use[index].acquire(timeout=wait_seconds)
        try:
            yield mine
        finally:
            if mine:
                self._in_use[index].release()

    @contextmanager
    def borrowed(self, index: int) -> Iterator[tuple[Executor, ...]]:
        """Use the executors of the other slots that have nothing to do; called by slot `index`.

        Those that are just being started are waited for, some seconds in all; one that trains is
        not.
        """
        deadline = time.monotonic() + self._start_seconds
        others = [other for other in range(self.count) if other != index]
        taken = [
            other
            for other in others
            if self._offered[other].wait(max(deadline - time.monotonic(), 0.0))
            and self._in_use[other].acquire(timeout=_BUSY_SECONDS)
        ]
        try:
            yield tuple(self._executors[other] for other in taken)
        finally:
            for other in taken:
                self._in_use[other].release()
