"""The database: writes that are committed or undone as a whole, and reads beside them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session

from service.domain.errors import FitpointError, InvalidSpec, Unavailable
from service.store.backend import Backend, Kind
from service.store.clock import Clock
from service.store.postgresql import PostgresBackend
from service.store.sessions import CLOCK, ReadSession, WriteSession
from service.store.sqlite_backend import SqliteBackend

# How long a write waits for its turn, in this process or elsewhere, and for the lock, together.
BUSY_SECONDS = 10.0


class Database:
    """One database, shared by threads of this process and by other processes.

    Store functions take a session and never commit: `write()` does, once, at its end.
    """

    def __init__(self, backend: Backend, *, clock: Clock | None) -> None:
        self._backend = backend
        self._engine = backend.engine()
        self._clock = clock
        self._writers: set[int] = set()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        journal: str | None = None,
        clock: Clock | None = None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> Database:
        """Open the database at `url`.

        With `sqlite:///path` the file is made when its folder exists; what
        `postgresql://user:password@host/name` names must be there. `journal` ("wal" or "truncate")
        overrides what the version of SQLite decides, for a distribution that repaired an old
        version. `busy_seconds` is how long a write waits for another one, in this process or
        elsewhere; `clock` stands in for the database's own.

        Raises:
            InvalidSpec: the URL or the journal mode is none that the store knows.
            Unavailable: the database cannot be reached, or is none that the store can use.
        """
        backend = backend_of(url, journal=journal, busy_seconds=busy_seconds)
        database = cls(backend, clock=clock)
        try:
            with database.read() as s:
                backend.probe(s)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """Yield a session that may write; commit at the end, undo on any error.

        With SQLite it holds the write lock; with PostgreSQL it locks the rows that it changes.

        Raises:
            Unavailable: the database stayed locked, cannot be reached or is full.
        """
        with self._alone(), self._session("write") as session:
            yield WriteSession(ReadSession(session))
            session.commit()

    @contextmanager
    def read(self) -> Iterator[ReadSession]:
        """Yield a session that sees one state of the database and refuses to change it.

        Raises:
            Unavailable: the database cannot be reached.
        """
        with self._session("read") as session:
            yield ReadSession(session)

    @contextmanager
    def alter(self) -> Iterator[Connection]:
        """Yield a connection that may change the schema, alone, as one transaction.

        With SQLite foreign keys are off meanwhile, because it changes a table by dropping and
        renaming it; they are checked before the commit.
        """
        with self._alone(), self._translated():
            connection = self._engine.connect().execution_options(**self._backend.options("schema"))
            try:
                # It keeps settings of its own, so nobody else may get it from the pool.
                connection.detach()
                with connection.begin():
                    self._backend.alone(connection)
                    yield connection
                    tables = ", ".join(self._backend.dangling(connection))
                    if tables:
                        raise Unavailable(
                            f"The migration would leave rows of {tables} that point nowhere, so "
                            "it was undone. Restore a backup."
                        )
            finally:
                connection.close()

    def about(self) -> dict[str, str]:
        """Return the dialect, its version and, of SQLite, the journal mode in force."""
        with self.read() as s:
            return self._backend.about(s)

    def close(self) -> None:
        """Close every connection that no thread is using."""
        self._engine.dispose()
        self._backend.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        me = threading.get_ident()
        if me in self._writers:
            raise RuntimeError("Expected one write() at a time in a thread. Received a second one.")
        with self._backend.turn():
            self._writers.add(me)
            try:
                yield
            finally:
                self._writers.remove(me)

    @contextmanager
    def _session(self, kind: Kind) -> Iterator[Session]:
        session = Session(
            self._engine.execution_options(**self._backend.options(kind)),
            autoflush=False,
            expire_on_commit=False,
            # Rows are changed by statements: what a session has seen before may be stale.
            execution_options={"populate_existing": True},
        )
        session.info[CLOCK] = self._clock or self._backend.clock(ReadSession(session))
        with self._translated():
            try:
                session.connection()
                yield session
            except BaseException as cause:
                _undo(session, cause)
                raise
            finally:
                session.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except StatementError as error:
            if isinstance(error.orig, FitpointError):
                raise error.orig from error
            self._raise_if_unavailable(error)
            raise
        except SQLAlchemyError as error:
            self._raise_if_unavailable(error)
            raise

    def _raise_if_unavailable(self, error: SQLAlchemyError) -> None:
        unavailable = self._backend.as_unavailable(error)
        if unavailable is not None:
            raise unavailable from error


def _undo(session: Session, cause: BaseException) -> None:
    try:
        session.rollback()
    except Exception as error:
        # What matters is why there is a rollback. The connection is in an unknown state.
        cause.add_note(f"The rollback failed too: {error}")
        with suppress(Exception):
            session.invalidate()


def backend_of(
    url: str, *, journal: str | None = None, busy_seconds: float = BUSY_SECONDS
) -> Backend:
    """Return the kind of database that a URL names, or raise InvalidSpec when it names none."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    match parsed and parsed.get_backend_name():
        case "sqlite":
            assert parsed is not None
            return SqliteBackend(parsed, journal=journal, busy_seconds=busy_seconds)
        case "postgresql":
            assert parsed is not None
            return PostgresBackend(parsed, journal=journal, busy_seconds=busy_seconds)
    raise InvalidSpec(
        "Expected a database URL of the form 'sqlite:///path/to/file' or "
        "'postgresql://user:password@host/name'. Received "
        f"'{parsed.render_as_string() if parsed else 'something else'}'."
    )
