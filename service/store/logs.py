"""What jobs printed, line by line, the newest lines of each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from service.domain.errors import FieldError, InvalidSpec
from service.store import job_rows
from service.store.encoding import scrub
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession, clock_of
from service.store.tables import JobLogRow

# A job that prints without end must not fill the disk.
MAX_LINES = 10_000
MAX_LINE = 4_096


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line, cut to `MAX_LINE` characters, and the attempt that printed it."""

    attempt: int
    line: str
    at: datetime


def page(s: ReadSession, job_id: str, limit: int = 1000, after: str | None = None) -> Page[LogLine]:
    """Return a job's lines, oldest first."""
    job_rows.require(s, job_id)
    query = select(JobLogRow).where(JobLogRow.job_id == job_id)
    if after is not None:
        query = query.where(JobLogRow.n > _parse_cursor(after))
    rows = s.scalars(query.order_by(JobLogRow.n).limit(limit + 1)).all()
    kept, cursor = page_of(rows, limit, lambda row: str(row.n))
    data = [LogLine(attempt=row.attempt, line=row.line, at=row.at) for row in kept]
    return Page(data=data, has_more=cursor is not None, next=cursor)


def append(s: WriteSession, job_id: str, attempt: int, lines: Sequence[str]) -> None:
    """Append lines, and drop the job's oldest ones beyond `MAX_LINES`."""
    at = clock_of(s).utc()
    rows = [
        {"job_id": job_id, "attempt": attempt, "at": at, "line": scrub(line, MAX_LINE)}
        for line in lines[-MAX_LINES:]
    ]
    if not rows:
        return
    s.execute(insert(JobLogRow), rows)
    last_dropped = s.scalar(
        select(JobLogRow.n)
        .where(JobLogRow.job_id == job_id)
        .order_by(JobLogRow.n.desc())
        .offset(MAX_LINES)
        .limit(1)
    )
    if last_dropped is not None:
        s.execute(delete(JobLogRow).where(JobLogRow.job_id == job_id, JobLogRow.n <= last_dropped))


def unsaid(s: ReadSession, job_id: str, lines: Sequence[str]) -> list[str]:
    """Return those of some lines that the job's log does not hold; each once."""
    cut = {line: scrub(line, MAX_LINE) for line in lines}
    held = select(JobLogRow.line).where(
        JobLogRow.job_id == job_id, JobLogRow.line.in_(cut.values())
    )
    known = set(s.scalars(held))
    return [line for line, stored in cut.items() if stored not in known]


def _parse_cursor(after: str) -> int:
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidSpec(
            "Expected `after` to be the `next` of the page before (a number). Received "
            f"{after[:64]!a}.",
            errors=[FieldError(loc=("query", "after"), msg="is no place in a log")],
        )
    return int(after)
