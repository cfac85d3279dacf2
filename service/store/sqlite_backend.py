"""SQLite: one file, shared by the processes of one host, which write to it one at a time."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from service.domain.errors import InvalidSpec, Unavailable
from service.store import sqlite
from service.store.backend import Kind
from service.store.clock import Clock, SystemClock
from service.store.encoding import to_json
from service.store.sessions import ReadSession
from service.store.turn import Turn

log = logging.getLogger(__name__)

# The API's threadpool has 40 threads, a worker a handful.
_CONNECTIONS = 48
_KIND = "fitpoint_transaction"


class SqliteBackend:
    """The file that a URL names; its leases count on this machine's boot clock."""

    dialect = "sqlite"

    def __init__(self, url: URL, *, journal: str | None, busy_seconds: float) -> None:
        """Take the URL apart.

        Raises:
            InvalidSpec: it names no file, or `journal` no journal mode.
            Unavailable: the file lies where SQLite cannot lock it.
        """
        self._url = _in_a_file(url)
        self._driver = sqlite.driver()
        self._mode = _journal_mode(journal, self._driver.sqlite_version_info)
        self._busy_seconds = busy_seconds
        self._clock = SystemClock()
        self._turn = Turn(Path(self._url.database or ""))

    def engine(self) -> Engine:
        engine = create_engine(
            self._url,
            module=self._driver,
            json_serializer=to_json,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=self._busy_seconds,
        )
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "commit", _still_open)
        event.listen(engine, "handle_error", _give_up_read_only)
        return engine

    def turn(self) -> AbstractContextManager[None]:
        return self._turn.taken(self._busy_seconds)

    def close(self) -> None:
        self._turn.close()

    def options(self, kind: Kind) -> dict[str, object]:
        return {_KIND: kind}

    def exists(self) -> bool:
        return Path(self._url.database or "").is_file()

    def probe(self, s: ReadSession) -> None:
        s.execute(text("SELECT count(*) FROM sqlite_master"))

    def alone(self, connection: Connection) -> None:
        """Do nothing: the transaction was begun with the write lock."""

    def dangling(self, connection: Connection) -> list[str]:
        # Foreign keys are off while the schema changes, because SQLite changes a table by making
        # it anew and dropping the old one.
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return sorted({str(row[0]) for row in broken})

    def clock(self, s: ReadSession) -> Clock:  # noqa: ARG002 (the machine's, whatever is asked)
        return self._clock

    def about(self, s: ReadSession) -> dict[str, str]:
        return {
            "dialect": self.dialect,
            "version": str(s.scalar(text("SELECT sqlite_version()"))),
            "journal_mode": str(s.scalar(text("PRAGMA journal_mode"))),
        }

    def as_unavailable(self, error: SQLAlchemyError) -> Unavailable | None:
        return sqlite.as_unavailable(error)

    def _prepare(self, raw: Any, _record: Any) -> None:
        sqlite.prepare(raw, self._mode, self._busy_seconds)

    def _begin(self, connection: Connection) -> None:
        kind = connection.get_execution_options().get(_KIND, "read")
        if kind == "read":
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.exec_driver_sql("BEGIN DEFERRED")
            return
        connection.exec_driver_sql("PRAGMA query_only=OFF")
        if kind == "schema":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        sqlite.begin_immediate(connection, self._turn.left(), self._busy_seconds)


def _still_open(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    if not raw.in_transaction:
        # SQLite undoes a transaction by itself on some errors; COMMIT would then do nothing and
        # nobody would know.
        raise Unavailable("The database undid the transaction by itself. Nothing was written.")


def _give_up_read_only(context: ExceptionContext) -> None:
    """Let go of a connection that was opened on a read-only disk: it would stay read-only.

    Of that one only: older ones keep SQLite's shared memory writable for those that come.
    """
    if sqlite.is_read_only(context.original_exception):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


def _journal_mode(journal: str | None, version: tuple[int, ...]) -> sqlite.JournalMode:
    match journal.lower() if journal is not None else None:
        case "wal":
            return "wal"
        case "truncate":
            return "truncate"
        case None:
            mode = sqlite.trusted_journal_mode(version)
            if mode != "wal":
                log.warning(
                    "journal mode TRUNCATE: SQLite %s can lose commits of several processes in "
                    "WAL mode; 3.51.3 and 3.53.0 are fixed",
                    ".".join(map(str, version)),
                )
            return mode
        case _:
            raise InvalidSpec(
                f"Expected the journal mode 'wal' or 'truncate'. Received '{journal}'."
            )


def _in_a_file(url: URL) -> URL:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise InvalidSpec(
            "Expected the database in a file, where every process finds it. Received one in memory."
        )
    mounts = Path("/proc/mounts")
    if mounts.exists():
        folder = Path(url.database).parent
        sqlite.refuse_network_filesystem(folder, mounts.read_text(errors="replace"))
    return url
