"""Workers, and when each was last heard of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, func, insert, or_, select, update

from service.store import ids
from service.store.clock import Moment
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession, clock_of
from service.store.tables import WorkerRow

WorkerState = Literal["idle", "busy", "draining"]

# A worker beats every 5 s; after six misses its leases are over too.
ALIVE_SECONDS = 30.0
# How long a worker that is silent is still listed.
_LISTED_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A process that claims jobs; the age is None when it beat before the machine was restarted."""

    id: str
    host: str
    pid: int
    device: str
    state: WorkerState
    job_id: str | None
    started_at: datetime
    heartbeat_at: datetime
    heartbeat_age_seconds: float | None
    alive: bool


def new_worker_id(s: WriteSession) -> str:
    """Return an id for a worker that begins."""
    return ids.new_id("wrk", clock_of(s).utc(), s.scalar(select(func.max(WorkerRow.id))))


def register(s: WriteSession, worker_id: str, host: str, pid: int, device: str) -> None:
    """Enter a worker that begins, and forget those that were silent for an hour."""
    now = clock_of(s).lease()
    s.execute(
        delete(WorkerRow).where(
            or_(
                WorkerRow.beat_clock != now.source,
                WorkerRow.beat < now.seconds - _LISTED_SECONDS,
            )
        )
    )
    beat(s, worker_id, host, pid, device, "idle")


def beat(
    s: WriteSession,
    worker_id: str,
    host: str,
    pid: int,
    device: str,
    state: WorkerState,
    job_id: str | None = None,
) -> None:
    """Say that a worker lives and what it does; one that was forgotten is entered again."""
    clock = clock_of(s)
    now, at = clock.lease(), clock.utc()
    values: dict[str, Any] = {
        "host": host,
        "pid": pid,
        "device": device,
        "state": state,
        "job_id": job_id,
        "beat_at": at,
        "beat": now.seconds,
        "beat_clock": now.source,
    }
    known = s.scalar(
        update(WorkerRow).where(WorkerRow.id == worker_id).values(values).returning(WorkerRow.id)
    )
    if known is None:
        s.execute(insert(WorkerRow), [{"id": worker_id, "started_at": at, **values}])


def leave(s: WriteSession, worker_id: str) -> None:
    """Strike a worker that ends in order off the list."""
    s.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))


def page(s: ReadSession, limit: int = 20, after: str | None = None) -> Page[Worker]:
    """Return workers, the newest first."""
    query = select(WorkerRow)
    cursor = ids.require_cursor(after, "wrk")
    if cursor is not None:
        query = query.where(WorkerRow.id < cursor)
    rows = s.scalars(query.order_by(WorkerRow.id.desc()).limit(limit + 1)).all()
    kept, following = page_of(rows, limit, lambda row: row.id)
    now = clock_of(s).lease()
    data = [_worker(row, now) for row in kept]
    return Page(data=data, has_more=following is not None, next=following)


def alive(s: ReadSession) -> int:
    """Return how many workers beat within the last `ALIVE_SECONDS`."""
    now = clock_of(s).lease()
    living = select(func.count()).where(
        WorkerRow.beat_clock == now.source, WorkerRow.beat >= now.seconds - ALIVE_SECONDS
    )
    return s.scalar(living) or 0


def _worker(row: WorkerRow, now: Moment) -> Worker:
    age = max(now.seconds - row.beat, 0.0) if row.beat_clock == now.source else None
    state: Any = row.state
    return Worker(
        id=row.id,
        host=row.host,
        pid=row.pid,
        device=row.device,
        state=state,
        job_id=row.job_id,
        started_at=row.started_at,
        heartbeat_at=row.beat_at,
        heartbeat_age_seconds=age,
        alive=age is not None and age <= ALIVE_SECONDS,
    )
