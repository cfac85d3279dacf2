"""A worker's lock file says that it lives: the kernel lets go of the lock the moment it does not.

Whoever can take the lock of another worker's file knows that the worker is dead, at once and for
certain; a process id may be somebody else's by then, or of another container's count.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import closing, suppress
from pathlib import Path

from service.settings import Settings
from service.store import rescue, workers
from service.store.database import Database

log = logging.getLogger(__name__)

_SUFFIX = ".lock"


class Presence:
    """Held by a worker from before it is known until it ends; `close` for an orderly end."""

    def __init__(self, settings: Settings, worker_id: str) -> None:
        folder = _folder(settings)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{worker_id}{_SUFFIX}"
        self._file = _locked(self._path)

    def close(self) -> None:
        """End in order: nobody will look for what this worker left."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def rescue_from_dead_workers(settings: Settings, database: Database) -> int:
    """Take their jobs from workers of this folder that are dead (T9), and strike them off the list.

    Returns how many jobs. Those of workers elsewhere are rescued when their leases end.
    """
    rescued = 0
    for path in sorted(_folder(settings).glob(f"*{_SUFFIX}")):
        file = _lock_of_the_dead(path)
        if file is None:
            continue
        worker_id = path.name.removesuffix(_SUFFIX)
        try:
            found = -1
            while found:
                with database.write() as s:
                    found = rescue.worker_died(s, worker_id)
                    workers.leave(s, worker_id)
                rescued += found
            # Last: where the database does not answer, the next look finds it again.
            path.unlink(missing_ok=True)
        finally:
            os.close(file)
        log.warning("Worker %s is dead; its jobs were handed back", worker_id)
    return rescued


def rescue_now(settings: Settings) -> None:
    """Do it for who has no database open, and only log when it cannot be done."""
    try:
        with closing(Database.open(settings.database_url)) as database:
            rescue_from_dead_workers(settings, database)
    except Exception:
        log.exception("A dead worker's jobs were not handed back; the next look tries again")


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "workers"


def _locked(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return file
        # Somebody saw it before it was locked, took it for a dead worker's and removed it.
        os.close(file)


def _lock_of_the_dead(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            return file
    return None
