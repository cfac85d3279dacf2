"""Whose turn it is to write to a file: threads of this process and other processes, in order."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.domain.errors import Unavailable


class Turn:
    """A queue before the write lock of a database file, kept by locks on a file beside it.

    SQLite has no queue: who waits looks again after a while, and with several that write without
    pause one of them finds the lock taken for seconds. The kernel wakes those who wait for a
    `flock` in the order in which they came, and lets go of one when its process dies. It orders
    only: what keeps writes apart is SQLite's own lock, so where there is no such file (a read-only
    disk, a filesystem without such locks) everything works as before, out of order.
    """

    def __init__(self, beside: Path) -> None:
        """Queue before `beside`, by a file of the same name and "-turn", made when first needed."""
        self._path = beside.with_name(f"{beside.name}-turn")
        self._thread = threading.Lock()
        self._changed = threading.Condition()
        self._file: int | None = None
        self._waits = self._wanted = self._held = False
        self._deadline = 0.0

    @contextmanager
    def taken(self, seconds: float) -> Iterator[None]:
        """Wait at most this long for the turn, and hold it.

        Raises:
            Unavailable: it did not come.
        """
        deadline = time.monotonic() + seconds
        if not self._thread.acquire(timeout=seconds):
            raise Unavailable("The database is busy with other writes. Try again.")
        try:
            self._deadline = deadline
            if self._open() is None:
                yield
                return
            if not self._take(self.left()):
                raise Unavailable("The database is locked by another process. Try again.")
            try:
                yield
            finally:
                self._leave()
        finally:
            self._thread.release()

    def left(self) -> float:
        """Return how many of the seconds are left to whoever has, or awaits, the turn here."""
        return max(self._deadline - time.monotonic(), 0.0)

    def close(self) -> None:
        """Close the file, unless somebody waits for it."""
        with self._changed:
            if self._file is not None and not self._waits and not self._held:
                os.close(self._file)
                self._file = None

    def _open(self) -> int | None:
        with self._changed:
            if self._file is None:
                with suppress(OSError):
                    self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            return self._file

    def _take(self, seconds: float) -> bool:
        with self._changed:
            if not self._waits:
                if self._flock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                    self._held = True
                    return True
                # Such a wait has no time limit, so a thread of its own may wait longer than we do.
                self._waits = True
                threading.Thread(target=self._wait, name="fitpoint-turn", daemon=True).start()
            self._wanted = True
            self._changed.wait_for(lambda: self._held, timeout=seconds)
            self._wanted = False
            return self._held

    def _wait(self) -> None:
        self._flock(fcntl.LOCK_EX)
        with self._changed:
            self._waits = False
            self._held = self._wanted
            if not self._held:
                self._flock(fcntl.LOCK_UN)
            self._changed.notify()

    def _leave(self) -> None:
        with self._changed:
            self._held = False
            self._flock(fcntl.LOCK_UN)

    def _flock(self, operation: int) -> bool:
        """Return False when somebody else has the lock; where there are no locks all have it."""
        assert self._file is not None, "_open() made it"
        try:
            fcntl.flock(self._file, operation)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
