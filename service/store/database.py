"""The database: one write at a time, committed or undone as a whole, and reads beside it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session

from service.domain.errors import FitpointError, InvalidSpec, Unavailable
from service.store import sqlite
from service.store.clock import Clock, SystemClock
from service.store.encoding import to_json
from service.store.sessions import CLOCK, ReadSession, WriteSession

log = logging.getLogger(__name__)

# The API's threadpool has 40 threads, a worker a handful.
_CONNECTIONS = 48
_KIND = "fitpoint_transaction"


class Database:
    """One SQLite file, shared by threads of this process and by other processes of this host.

    Store functions take a session and never commit: `write()` does, once, at its end.
    """

    def __init__(
        self, engine: Engine, *, mode: sqlite.JournalMode, clock: Clock, busy_seconds: float
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._turn = threading.Lock()
        self._writer: int | None = None
        self._mode = mode
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "commit", _still_open)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        journal: str | None = None,
        clock: Clock | None = None,
        busy_seconds: float = 10.0,
    ) -> Database:
        """Open the database at `url` (`sqlite:///path`); the file is made when its folder exists.

        `journal` ("wal" or "truncate") overrides what the version of SQLite decides, for a
        distribution that repaired an old version. `busy_seconds` is how long a write waits for
        another one, in this process or elsewhere.

        Raises:
            InvalidSpec: the URL or the journal mode is none that the store knows.
            Unavailable: the file cannot be opened, or lies where SQLite cannot lock it.
        """
        driver = sqlite.driver()
        mode = _journal_mode(journal, driver.sqlite_version_info)
        engine = create_engine(
            file_url(url),
            module=driver,
            json_serializer=to_json,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=busy_seconds,
        )
        database = cls(engine, mode=mode, clock=clock or SystemClock(), busy_seconds=busy_seconds)
        try:
            with database.read() as s:
                s.execute(text("SELECT count(*) FROM sqlite_master"))
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """Yield a session that holds the write lock; commit at the end, undo on any error.

        Raises:
            Unavailable: the database stayed locked, cannot be reached or is full.
        """
        with self._alone(), self._session("IMMEDIATE") as session:
            yield WriteSession(ReadSession(session))
            session.commit()

    @contextmanager
    def read(self) -> Iterator[ReadSession]:
        """Yield a session that sees one state of the database and refuses to change it.

        Raises:
            Unavailable: the database cannot be reached.
        """
        with self._session("DEFERRED") as session:
            yield ReadSession(session)

    @contextmanager
    def alter(self) -> Iterator[Connection]:
        """Yield a connection that may change the schema, alone, as one transaction.

        Foreign keys are off, because SQLite changes a table by dropping and renaming it; they are
        checked before the commit.
        """
        with self._alone(), _translated():
            connection = self._engine.connect().execution_options(**{_KIND: "SCHEMA"})
            try:
                # Its foreign keys stay off, so nobody else may get it from the pool.
                connection.detach()
                with connection.begin():
                    yield connection
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                    if broken:
                        tables = ", ".join(sorted({str(row[0]) for row in broken}))
                        raise Unavailable(
                            f"The migration would leave rows of {tables} that point nowhere, so "
                            "it was undone. Restore a backup."
                        )
            finally:
                connection.close()

    def about(self) -> dict[str, str]:
        """Return the dialect, the version of SQLite and the journal mode in force."""
        with self.read() as s:
            version = s.scalar(text("SELECT sqlite_version()"))
            mode = s.scalar(text("PRAGMA journal_mode"))
        return {"dialect": "sqlite", "version": str(version), "journal_mode": str(mode)}

    def close(self) -> None:
        """Close every connection that no thread is using."""
        self._engine.dispose()

    def _prepare(self, raw: Any, _record: Any) -> None:
        sqlite.prepare(raw, self._mode, self._busy_seconds)

    def _begin(self, connection: Connection) -> None:
        kind = connection.get_execution_options().get(_KIND, "DEFERRED")
        if kind == "DEFERRED":
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.exec_driver_sql("BEGIN DEFERRED")
            return
        connection.exec_driver_sql("PRAGMA query_only=OFF")
        if kind == "SCHEMA":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        sqlite.begin_immediate(connection, self._busy_seconds)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Threads of one process queue here, and only processes wait for each other at the file.
        me = threading.get_ident()
        if self._writer == me:
            raise RuntimeError("Expected one write() at a time in a thread. Received a second one.")
        if not self._turn.acquire(timeout=self._busy_seconds):
            raise Unavailable("The database is busy with other writes. Try again.")
        self._writer = me
        try:
            yield
        finally:
            self._writer = None
            self._turn.release()

    @contextmanager
    def _session(self, kind: str) -> Iterator[Session]:
        session = Session(
            self._engine.execution_options(**{_KIND: kind}),
            autoflush=False,
            expire_on_commit=False,
            info={CLOCK: self._clock},
            # Rows are changed by statements: what a session has seen before may be stale.
            execution_options={"populate_existing": True},
        )
        with _translated():
            try:
                session.connection()
                yield session
            except BaseException as cause:
                _undo(session, cause)
                raise
            finally:
                session.close()


def _undo(session: Session, cause: BaseException) -> None:
    try:
        session.rollback()
    except Exception as error:
        # What matters is why there is a rollback. The connection is in an unknown state.
        cause.add_note(f"The rollback failed too: {error}")
        with suppress(Exception):
            session.invalidate()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StatementError as error:
        if isinstance(error.orig, FitpointError):
            raise error.orig from error
        _raise_if_unavailable(error)
        raise
    except SQLAlchemyError as error:
        _raise_if_unavailable(error)
        raise


def _raise_if_unavailable(error: SQLAlchemyError) -> None:
    unavailable = sqlite.as_unavailable(error)
    if unavailable is not None:
        raise unavailable from error


def _still_open(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    if not raw.in_transaction:
        # SQLite undoes a transaction by itself on some errors; COMMIT would then do nothing and
        # nobody would know.
        raise Unavailable("The database undid the transaction by itself. Nothing was written.")


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


def file_url(url: str) -> URL:
    """Return a URL taken apart, or raise InvalidSpec when it names no local SQLite file."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "sqlite":
        raise InvalidSpec(
            "Expected a database URL of the form 'sqlite:///path/to/file'. Received "
            f"'{parsed.render_as_string() if parsed else 'something else'}'."
        )
    if not parsed.database or parsed.database.startswith((":memory:", "file:")):
        raise InvalidSpec(
            "Expected the database in a file, where every process finds it. Received one in memory."
        )
    mounts = Path("/proc/mounts")
    if mounts.exists():
        folder = Path(parsed.database).parent
        sqlite.refuse_network_filesystem(folder, mounts.read_text(errors="replace"))
    return parsed
