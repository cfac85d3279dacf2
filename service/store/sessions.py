"""The two sessions: what may write is also good for reading, never the other way about."""

from __future__ import annotations

from typing import NewType, cast

from sqlalchemy.orm import Session

from service.store.clock import Clock

ReadSession = NewType("ReadSession", Session)
WriteSession = NewType("WriteSession", ReadSession)

CLOCK = "clock"


def clock_of(s: ReadSession) -> Clock:
    """Return the clock of the session's database."""
    return cast(Clock, s.info[CLOCK])
