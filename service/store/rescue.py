"""Jobs whose attempt came to nothing: queued again, or given up after too many of one kind."""

from __future__ import annotations

import random
from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select

from service.domain.errors import FitpointError, Interrupted
from service.domain.jobs import JobState
from service.store import logs
from service.store.clock import Moment
from service.store.fence import Held, leave_running, require_held
from service.store.job_rows import is_state
from service.store.sessions import WriteSession, clock_of
from service.store.tables import JobRow

# The job kills its own process; its worker lives.
MAX_STALLS = 3
# Its worker or the whole machine is gone, which is seldom the job's doing.
MAX_LOSSES = 50
# Something around the job failed and may work later.
MAX_ERRORS = 3

# How long a job waits whose worker found no room for it.
PARKED = timedelta(seconds=30)
_STALL_BACKOFF = timedelta(seconds=5)
_MAX_STALL_BACKOFF = timedelta(seconds=60)
_ERROR_BACKOFF = (timedelta(seconds=5), timedelta(seconds=30), timedelta(seconds=120))
_JITTER = 0.2
# So that a long list of expired leases does not hold the write lock long.
_BATCH = 100


def child_died(s: WriteSession, job_id: str, token: int, error: FitpointError) -> JobState:
    """Queue a job whose process died under a living worker (T9): a stall.

    After more than `MAX_STALLS` it fails as poison, with what `error` says of the last death. Its
    log says of each.
    """
    job = require_held(s, job_id, token)
    stalls = job.stalls + 1
    logs.append(s, job_id, job.attempt, [f"Stalled: {error.detail}"])
    if stalls > MAX_STALLS:
        poison = Interrupted(
            f"Expected the training process to live. It died {stalls} times, the last time so: "
            f"{error.detail}"
        )
        return leave_running(s, job, JobState.FAILED, error=poison, stalls=stalls)
    wait = min(_STALL_BACKOFF * 2**stalls, _MAX_STALL_BACKOFF)
    return leave_running(s, job, JobState.QUEUED, run_after=_after(s, wait), stalls=stalls)


def retry_later(
    s: WriteSession, job_id: str, token: int, error: FitpointError, most: int = MAX_ERRORS
) -> JobState:
    """Queue a job again after an error that may pass (T7); its log says which.

    After more than `most` errors, of any kind, it fails with the last one.
    """
    job = require_held(s, job_id, token)
    errors = job.errors + 1
    logs.append(s, job_id, job.attempt, [f"Failed: {error.detail}"])
    if errors > most:
        return leave_running(s, job, JobState.FAILED, error=error, errors=errors)
    spread = 1 + random.uniform(-_JITTER, _JITTER)
    wait = _ERROR_BACKOFF[job.errors] * spread
    return leave_running(s, job, JobState.QUEUED, run_after=_after(s, wait), errors=errors)


def park(s: WriteSession, job_id: str, token: int, error: FitpointError) -> JobState:
    """Queue a job again that waits for something that comes back by itself, such as disk space.

    It is looked at again every `PARKED`, however often: nothing is counted against it. Its log
    says why it waits.
    """
    job = require_held(s, job_id, token)
    logs.append(s, job_id, job.attempt, [f"Waits: {error.detail}"])
    return leave_running(s, job, JobState.QUEUED, run_after=_after(s, PARKED))


def rescue(s: WriteSession) -> int:
    """Take jobs whose lease is over away from their workers (T9): losses. Return how many.

    Each is queued again at once, cancelled when that was asked for, or, after more than
    `MAX_LOSSES`, failed. At most 100 a call, the longest expired first.
    """
    now = clock_of(s).lease()
    over = or_(JobRow.lease_clock != now.source, JobRow.lease_until < now.seconds)
    return _take_away(s, over)


def worker_died(s: WriteSession, worker_id: str) -> int:
    """Take its jobs from a worker that is known to be dead, before their leases are over (T9).

    To be called by who saw its process end. They are losses, as with `rescue`; at most 100 a call.
    """
    return _take_away(s, JobRow.lease_owner == worker_id)


def _take_away(s: WriteSession, which: ColumnElement[bool]) -> int:
    rows = s.execute(
        select(
            JobRow.id,
            JobRow.lease_token,
            JobRow.attempt,
            JobRow.stalls,
            JobRow.errors,
            JobRow.losses,
            JobRow.cancel_requested_at,
        )
        .where(is_state(JobState.RUNNING), which)
        .order_by(JobRow.lease_until)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        job = Held(
            job_id=row.id,
            token=row.lease_token,
            attempt=row.attempt,
            stalls=row.stalls,
            errors=row.errors,
            losses=row.losses,
            cancel_requested_at=row.cancel_requested_at,
        )
        _lost(s, job)
    return len(rows)


def _lost(s: WriteSession, job: Held) -> None:
    losses = job.losses + 1
    if losses > MAX_LOSSES:
        poison = Interrupted(
            f"Expected a worker to carry the job to its end. {losses} workers were lost with it."
        )
        leave_running(s, job, JobState.FAILED, error=poison, losses=losses)
    else:
        leave_running(s, job, JobState.QUEUED, losses=losses)


def _after(s: WriteSession, wait: timedelta) -> Moment:
    now = clock_of(s).lease()
    return Moment(source=now.source, seconds=now.seconds + wait.total_seconds())
