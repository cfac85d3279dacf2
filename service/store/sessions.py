"""The two sessions: what may write is also good for reading, never the other way about."""

from __future__ import annotations

from typing import NewType, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.store.clock import Clock

ReadSession = NewType("ReadSession", Session)
WriteSession = NewType("WriteSession", ReadSession)

CLOCK = "clock"

# Any number that nobody else who uses the same PostgreSQL database takes.
_CATALOGUE = 0x0F17_0001


def clock_of(s: ReadSession) -> Clock:
    """Return the clock of the session's database."""
    return cast(Clock, s.info[CLOCK])


def lock_catalogue(s: WriteSession) -> None:
    """Keep every other change of names, versions and links out until this transaction ends.

    To be called before such a change looks at what is there, and before it locks a row: what it
    saw then still holds when it writes. SQLite lets one write in at a time anyway. What a worker
    writes about its job needs only the job's own row, and waits for nobody.
    """
    if s.get_bind().dialect.name == "postgresql":
        s.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CATALOGUE})
