"""PostgreSQL: a server that many hosts share, whose clock ends leases and whose rows are locked."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import InvalidSpec, NoSpace, Unavailable
from service.store.backend import Kind
from service.store.clock import Clock, Moment
from service.store.encoding import to_json
from service.store.sessions import ReadSession

# A server takes 100 connections by default, and several processes share it.
_CONNECTIONS = 24
_CONNECT_SECONDS = 5
# A process that was stopped inside a transaction must not keep its locks from everybody else.
_IDLE_SECONDS = 30
_SCHEMA = 0x0F17_0000
_OLDEST = 130_000

# What SQLSTATE says of the server, never of a statement of ours: a whole code or its class.
_DISK_FULL = "53100"
_REASONS = {
    "08": "cannot be reached. Check that PostgreSQL runs and FITPOINT_DATABASE_URL",
    "25006": "cannot be written: it is read only. Name the primary server",
    "25P03": "gave up a transaction that was idle for too long. Nothing was written. Try again",
    "40001": "is locked by another connection. Try again",
    "40P01": "is locked by another connection. Try again",
    "42703": "is not migrated to this version. Run `fitpoint migrate`",
    "42P01": "is not migrated to this version. Run `fitpoint migrate`",
    "53": "has no resources left. Give PostgreSQL more memory or connections",
    "53100": "has no space left. Free some disk space",
    "55P03": "is locked by another connection. Try again",
    "57014": "cancelled the statement. Try again",
    "57P": "is shutting down or starting. Try again",
    "58": "met a disk error. Check the disk's health and free space",
    "XX001": "is damaged. Restore a backup",
    "XX002": "is damaged. Restore a backup",
}


class PostgresBackend:
    """The database that a URL names; its leases count on the server's clock."""

    dialect = "postgresql"

    def __init__(self, url: URL, *, journal: str | None, busy_seconds: float) -> None:
        """Take the URL apart.

        Raises:
            InvalidSpec: it names no database, or a journal mode is given, which is SQLite's.
        """
        if not url.database:
            raise InvalidSpec(
                "Expected 'postgresql://user:password@host/database'. Received no database."
            )
        if journal is not None:
            raise InvalidSpec(f"Expected no journal mode with PostgreSQL. Received '{journal}'.")
        self._url = url.set(drivername="postgresql+psycopg")
        self._busy_seconds = busy_seconds

    def engine(self) -> Engine:
        settings = {
            "lock_timeout": f"{self._busy_seconds * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS * 1000}",
            "timezone": "UTC",
        }
        try:
            return create_engine(
                self._url,
                json_serializer=to_json,
                pool_size=_CONNECTIONS,
                max_overflow=0,
                pool_timeout=self._busy_seconds,
                # A connection may have died with a restart of the server.
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": _CONNECT_SECONDS,
                    "application_name": "fitpoint",
                    "client_encoding": "utf8",
                    "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
                },
            )
        except ModuleNotFoundError as error:
            raise InvalidSpec(
                "Expected psycopg, with which PostgreSQL is reached. It is not installed: "
                "pip install 'fitpoint[postgres]'."
            ) from error

    def turn(self) -> AbstractContextManager[None]:
        """Wait for nobody: rows are locked here, not the database."""
        return nullcontext()

    def close(self) -> None:
        """Do nothing: `turn` opens nothing."""

    def options(self, kind: Kind) -> dict[str, object]:
        if kind == "read":
            return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return {"isolation_level": "READ COMMITTED", "postgresql_readonly": False}

    def exists(self) -> bool:
        return True

    def probe(self, s: ReadSession) -> None:
        version = int(s.scalar(text("SHOW server_version_num")) or 0)
        encoding = s.scalar(text("SHOW server_encoding"))
        if version < _OLDEST:
            raise Unavailable(f"Expected PostgreSQL 13 or newer. Its version is {version}.")
        if encoding != "UTF8":
            raise Unavailable(
                f"Expected a database in UTF8. It is in {encoding}. Make it with ENCODING 'UTF8'."
            )

    def alone(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA})

    def dangling(self, connection: Connection) -> list[str]:  # noqa: ARG002 (kept by the server)
        return []

    def clock(self, s: ReadSession) -> Clock:
        return ServerClock(s)

    def about(self, s: ReadSession) -> dict[str, str]:
        version = str(s.scalar(text("SHOW server_version")))
        return {"dialect": self.dialect, "version": version.partition(" ")[0]}

    def as_unavailable(self, error: SQLAlchemyError) -> Unavailable | None:
        if isinstance(error, PoolTimeout):
            return Unavailable("The database has no connection free. Try again.")
        if not isinstance(error, DBAPIError):
            return None
        state = getattr(error.orig, "sqlstate", None)
        for known in (str(state), str(state)[:3], str(state)[:2]):
            if known in _REASONS:
                kind = NoSpace if known == _DISK_FULL else Unavailable
                return kind(f"The database {_REASONS[known]}.")
        # The driver gives no state where it met no server, or lost it.
        lost = state is None and type(error.orig).__name__ == "OperationalError"
        if lost or error.connection_invalidated:
            return Unavailable(f"The database {_refused(str(error.orig))}.")
        return None


class ServerClock:
    """The clock of the server, the same for all who use it, asked within a transaction."""

    def __init__(self, s: ReadSession) -> None:
        self._session = s
        self._utc: datetime | None = None

    def lease(self) -> Moment:
        seconds, _ = self._now()
        return Moment(source="server", seconds=seconds)

    def utc(self) -> datetime:
        """Return when the transaction began to tell the time: what it writes has one time."""
        if self._utc is None:
            _, self._utc = self._now()
        return self._utc

    def _now(self) -> tuple[float, datetime]:
        # Both at once, because most writes ask for both, and each question is a round trip.
        seconds, utc = self._session.execute(
            text("SELECT extract(epoch FROM now)::float8, now FROM clock_timestamp() AS now")
        ).one()
        self._utc = self._utc or utc
        return seconds, utc


def _refused(words: str) -> str:
    # What a server answers while a connection is made has no SQLSTATE in the driver either.
    if "authentication failed" in words or "no password supplied" in words or "role" in words:
        return "refused the user. Check user and password in FITPOINT_DATABASE_URL"
    if "does not exist" in words:
        return "does not exist. Make it with `createdb`, or check FITPOINT_DATABASE_URL"
    if "too many clients" in words or "reserved for" in words:
        return _REASONS["53"]
    if "starting up" in words or "shutting down" in words:
        return _REASONS["57P"]
    return _REASONS["08"]
