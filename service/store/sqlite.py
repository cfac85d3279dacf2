"""What SQLite needs: the driver, the journal mode its version can be trusted with, its PRAGMAs."""

from __future__ import annotations

import importlib
import random
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import NoSpace, Unavailable

JournalMode = Literal["wal", "truncate"]

# WAL's file is cut back to this after a checkpoint; a long read can make it grow.
_JOURNAL_BYTES = 64 * 1024 * 1024

# Where POSIX locks or shared memory do not work as SQLite needs them.
_NETWORK_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph"})

# Primary result codes that mean "not now" or "not here", never a wrong statement of ours.
_REASONS = {
    5: "is locked by another process. Try again",
    6: "is locked by another connection. Try again",
    8: "cannot be written. Check the permissions of its folder and that the disk is not read-only",
    10: "met a disk error. Check the disk's health and free space",
    11: "is damaged. Restore a backup",
    13: "has no space left. Free some disk space",
    14: "cannot be opened. Check that its folder exists and may be written",
    26: "is not an SQLite database. Check FITPOINT_DATABASE_URL",
}
_ERROR = 1
_FULL = 13
_BUSY = (5, 6)
_READ_ONLY = 8


def driver() -> ModuleType:
    """Return pysqlite3, which brings a fixed SQLite, or the standard library's where it is absent.

    Everything in one process must use the same one: two copies of SQLite on one file drop each
    other's POSIX locks.
    Load it before TensorFlow, whose libraries carry an SQLite of their own: loaded first, that one
    takes pysqlite3's place, since both go by the same symbols (3.50.3 in TensorFlow 2.21).
    """
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return importlib.import_module("sqlite3.dbapi2")


def trusted_journal_mode(version: tuple[int, ...]) -> JournalMode:
    """Return WAL where several processes may share a WAL file, else TRUNCATE.

    3.7.0 to 3.51.2 can lose commits when two connections reset the WAL at once (fixed in 3.51.3
    and 3.53.0, backported to 3.44.6 and 3.50.7; 3.52.0 was withdrawn).
    """
    fixed = (
        version >= (3, 53, 0)
        or (3, 51, 3) <= version < (3, 52)
        or (3, 50, 7) <= version < (3, 51)
        or (3, 44, 6) <= version < (3, 45)
    )
    return "wal" if fixed else "truncate"


def prepare(connection: Any, mode: JournalMode, busy_seconds: float) -> None:
    """Set up a new driver connection; transactions are begun by us and by nobody else."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
    _set_journal_mode(connection, mode, busy_seconds)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_BYTES}")


def _set_journal_mode(connection: Any, mode: JournalMode, busy_seconds: float) -> None:
    # A change of mode wants the file for itself, and fails at once, without busy_timeout, when
    # another process is changing it too.
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            (found,) = connection.execute(f"PRAGMA journal_mode={mode}").fetchone()
            break
        except driver().OperationalError as error:
            if primary_code(error) not in _BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
    if found != mode:
        raise Unavailable(
            f"Expected the database in journal mode {mode}. SQLite keeps it in {found}, because "
            "its disk cannot do the other. Move it to another disk."
        )


def begin_immediate(connection: Connection, seconds: float, busy_seconds: float) -> None:
    """Take the write lock within `seconds`, looking for it about every millisecond.

    Ours queue before it (service.store.turn), so this waits for others: a backup, a shell. SQLite's
    own waiting ends in sleeps of 100 ms, in which a process that writes without pause takes the
    lock again every time. Afterwards statements of the connection wait `busy_seconds`, as before.
    """
    deadline = time.monotonic() + seconds
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except DBAPIError as error:
                if primary_code(error.orig) not in _BUSY or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(random.uniform(0.0005, 0.0015))
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")


def refuse_network_filesystem(path: Path, mounts: str) -> None:
    """Raise Unavailable when `path` lies on a network filesystem, by the text of /proc/mounts."""
    place = path.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        _, mounted, filesystem, *_ = line.split(" ")
        point = Path(mounted.replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), filesystem
    if kind in _NETWORK_FILESYSTEMS:
        raise Unavailable(
            f"Expected the SQLite database on a local disk. Its folder is on '{kind}', where file "
            "locks cannot be trusted. Move FITPOINT_DATA_DIR to a local disk or use PostgreSQL."
        )


def primary_code(error: BaseException | None) -> int | None:
    """Return SQLite's primary result code of a driver's error, or None."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def is_read_only(error: BaseException | None) -> bool:
    """Return whether the connection, or its disk, let nothing be written."""
    return primary_code(error) == _READ_ONLY


def as_unavailable(error: SQLAlchemyError) -> Unavailable | None:
    """Return what an error says about the database's state, or None when it says nothing."""
    if isinstance(error, PoolTimeout):
        return Unavailable("The database has no connection free. Try again.")
    if not isinstance(error, DBAPIError):
        return None
    code = primary_code(error.orig)
    if code in _REASONS:
        kind = NoSpace if code == _FULL else Unavailable
        return kind(f"The database {_REASONS[code]}.")
    if code == _ERROR and str(error.orig).startswith(("no such table", "no such column")):
        return Unavailable("The database is not migrated to this version. Run `fitpoint migrate`.")
    return None
