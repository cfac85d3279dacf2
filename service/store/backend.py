"""What the two databases do differently: what `Database` asks of either."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from service.domain.errors import Unavailable
from service.store.clock import Clock
from service.store.sessions import ReadSession

Kind = Literal["read", "write", "schema"]


class Backend(Protocol):
    """One database at one address; nothing is opened before `engine()` is used."""

    dialect: str

    def engine(self) -> Engine:
        """Return the pool of connections, each set up as the store needs it."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait for the turn to write, where the database lets one write in at a time.

        Raises:
            Unavailable: it did not come in time.
        """
        ...

    def close(self) -> None:
        """Let go of what `turn` opened."""
        ...

    def options(self, kind: Kind) -> dict[str, object]:
        """Return the execution options under which a connection begins transactions of a kind."""
        ...

    def exists(self) -> bool:
        """Return whether there can be anything at the address, without making it."""
        ...

    def probe(self, s: ReadSession) -> None:
        """Raise Unavailable when what answers is not a database that the store can use."""
        ...

    def alone(self, connection: Connection) -> None:
        """Keep every other change of the schema out until the transaction ends."""
        ...

    def dangling(self, connection: Connection) -> list[str]:
        """Return the tables with rows that point nowhere, after a change of the schema."""
        ...

    def clock(self, s: ReadSession) -> Clock:
        """Return the clock by which this database's leases end."""
        ...

    def about(self, s: ReadSession) -> dict[str, str]:
        """Return the dialect, its version and what else is worth telling."""
        ...

    def as_unavailable(self, error: SQLAlchemyError) -> Unavailable | None:
        """Return what an error says about the database's state, or None when it says nothing."""
        ...
