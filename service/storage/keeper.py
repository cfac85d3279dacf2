"""The thread that looks after the disk beside a server or worker: ballast, leftovers, old keys."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from service.domain.errors import InvalidSpec, Unavailable
from service.settings import Settings
from service.storage.ballast import Ballast
from service.storage.sweeper import files_stay, leftovers, remove
from service.store import idempotency
from service.store.database import Database
from service.store.snapshot import sqlite_file

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
SWEEP_SECONDS = 600.0


class Keeper:
    """Looks at the disk every second and at the leftovers every ten minutes, until it is stopped.

    A leftover is removed at the second look that finds it as it was at the first one: a wall clock
    that jumps ahead makes a file look old, but does not make it stay as it is for ten minutes.
    """

    def __init__(self, settings: Settings, *, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self._settings = settings
        self._sweep_seconds = sweep_seconds
        self._ballast = Ballast(database_folder(settings), int(settings.ballast_bytes))
        self._seen: dict[Path, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(10)
        # Who goes on beside us takes it again within a second.
        with suppress(OSError):
            self._ballast.release()

    def _run(self) -> None:
        swept_at = time.monotonic() - self._sweep_seconds
        while not self._stopping.is_set():
            try:
                self._adjust()
                if time.monotonic() - swept_at >= self._sweep_seconds:
                    swept_at = time.monotonic()
                    self._sweep()
            except (Unavailable, OSError) as error:
                log.warning("the disk could not be looked after: %s", error)
            except Exception:
                log.exception("the disk could not be looked after")
            self._stopping.wait(LOOK_SECONDS)

    def _adjust(self) -> None:
        changed = self._ballast.adjust()
        if changed is False:
            log.error("The disk is full. The ballast was let go, so that jobs can end.")

    def _sweep(self) -> None:
        root = self._settings.storage_root
        if not root.is_dir():
            return
        with (
            closing(Database.open(self._settings.database_url)) as database,
            files_stay(root, wait=False) as alone,
        ):
            if not alone:
                return
            with database.write() as s:
                idempotency.forget_expired(s)
            found = leftovers(root, database)
            again = [left for left in found if self._seen.get(left.path) == left.changed_at]
            removed = remove(root, database, again)
            self._seen = {left.path: left.changed_at for left in found}
        if removed:
            freed = sum(left.bytes for left in removed)
            log.info("%d files that no row names were removed: %d bytes", len(removed), freed)


def database_folder(settings: Settings) -> Path:
    """Return the folder on whose disk the rows are written, as far as it is ours."""
    try:
        return sqlite_file(settings.database_url).parent
    except InvalidSpec:
        return settings.data_dir
