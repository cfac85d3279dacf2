"""What happened to jobs: appended in the transaction of the change, read by who follows a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, insert, select

from service.domain.jobs import JobState
from service.store import job_rows
from service.store.sessions import ReadSession, WriteSession, clock_of
from service.store.tables import EventRow, JobRow

What = Literal["state", "epoch", "trial", "done", "nondeterminism_detected"]

# What a client that follows a job is told.
_STREAMED: tuple[What, ...] = ("state", "epoch", "trial", "done")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a job; `n` only grows."""

    n: int
    what: What
    data: dict[str, Any]
    at: datetime


def after(s: ReadSession, job_id: str, n: int = 0, limit: int = 1000) -> list[Event]:
    """Return the job's next events after number `n`, oldest first, at most `limit`.

    `state` has {state}, `epoch` the record's row, `done` {state} and is the last one. A job that
    was queued again by `retry` begins with that: its earlier run is not told again.
    """
    job_rows.require(s, job_id)
    first = s.scalars(select(JobRow.first_event).where(JobRow.id == job_id)).one()
    return _read(s, job_id, max(n, first - 1), limit, _STREAMED)


def nondeterminism(s: ReadSession, job_id: str) -> list[Event]:
    """Return where another attempt computed other values: {trial, fold, epoch, first, again}."""
    return _read(s, job_id, 0, 10_000, ("nondeterminism_detected",))


def append(
    s: WriteSession, job_id: str, token: int, what: What, data: Sequence[dict[str, Any]]
) -> None:
    """Append events of one kind.

    To be called after the job's own row was changed in the same transaction: that row's lock is
    what makes the numbers of one job's events grow in the order of their commits.
    """
    if data:
        at = clock_of(s).utc()
        rows = [
            {"job_id": job_id, "token": token, "what": what, "at": at, "data": item}
            for item in data
        ]
        s.execute(insert(EventRow), rows)


def append_state(s: WriteSession, job_id: str, token: int, state: JobState) -> None:
    """Append that the job is now in `state`, and `done` when that is the end."""
    append(s, job_id, token, "state", [{"state": state.value}])
    if state.is_terminal:
        append(s, job_id, token, "done", [{"state": state.value}])


def last(s: ReadSession, job_id: str) -> int:
    """Return the number of the job's latest event, 0 when it has none."""
    return s.scalar(select(func.max(EventRow.n)).where(EventRow.job_id == job_id)) or 0


def _read(s: ReadSession, job_id: str, n: int, limit: int, kinds: tuple[What, ...]) -> list[Event]:
    rows = s.execute(
        select(EventRow.n, EventRow.what, EventRow.data, EventRow.at)
        .where(EventRow.job_id == job_id, EventRow.n > n, EventRow.what.in_(kinds))
        .order_by(EventRow.n)
        .limit(limit)
    )
    return [Event(n=row.n, what=row.what, data=row.data, at=row.at) for row in rows]
