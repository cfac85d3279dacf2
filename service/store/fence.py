"""The fence: a running job is changed only by who shows its token, and leaves running only once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, and_, select, update

from service.domain.errors import CancelRequested, FitpointError, LeaseLost
from service.domain.jobs import Environment, JobState
from service.store import events
from service.store.clock import Moment
from service.store.encoding import scrub_json
from service.store.job_rows import is_state
from service.store.sessions import WriteSession, clock_of
from service.store.tables import JobRow

# Longer texts of an error are cut: they come from libraries and children.
_MAX_TEXT = 8192


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the holder of a job's token needs to know before it changes the job."""

    job_id: str
    token: int
    attempt: int
    stalls: int
    errors: int
    losses: int
    cancel_requested_at: datetime | None


def held(job_id: str, token: int) -> ColumnElement[bool]:
    """Return the condition that the job runs under this token."""
    return and_(JobRow.id == job_id, JobRow.lease_token == token, is_state(JobState.RUNNING))


def require_held(s: WriteSession, job_id: str, token: int) -> Held:
    """Return the job's counters, locked, or raise LeaseLost."""
    row = s.execute(
        select(
            JobRow.attempt,
            JobRow.stalls,
            JobRow.errors,
            JobRow.losses,
            JobRow.cancel_requested_at,
        )
        .where(held(job_id, token))
        .with_for_update()
    ).one_or_none()
    if row is None:
        lease_lost(job_id, token)
    return Held(job_id=job_id, token=token, **row._mapping)


def require_uncancelled(s: WriteSession, job_id: str, token: int) -> Held:
    """Return the job's counters, locked; raise LeaseLost, or CancelRequested after a cancel."""
    job = require_held(s, job_id, token)
    if job.cancel_requested_at is not None:
        raise CancelRequested(
            f"Expected no cancel of job '{job_id}'. One was accepted, so it cannot succeed. "
            "Acknowledge the cancel."
        )
    return job


def lease_lost(job_id: str, token: int) -> NoReturn:
    """Raise LeaseLost for a write that found no row."""
    raise LeaseLost(
        f"Expected job '{job_id}' to run under token {token}. It ended, or somebody else holds it. "
        "Stop at once and write nothing else."
    )


def leave_running(
    s: WriteSession,
    job: Held,
    state: JobState,
    *,
    error: FitpointError | None = None,
    environment: Environment | None = None,
    run_after: Moment | None = None,
    **columns: Any,
) -> JobState:
    """Take a job out of `running`: give up its lease, set the new state, tell it in events.

    A cancel that was accepted wins over every other end than success, which its caller refuses:
    the client was told that the job ends `cancelled`.
    """
    if job.cancel_requested_at is not None:
        state, error, run_after = JobState.CANCELLED, None, None
    values: dict[str, Any] = {
        "state": state.value,
        "lease_owner": None,
        "lease_until": None,
        "lease_clock": None,
        "eta_seconds": None,
        "run_after": run_after.seconds if run_after else None,
        "run_after_clock": run_after.source if run_after else None,
        **columns,
    }
    if state.is_terminal:
        values["finished_at"] = clock_of(s).utc()
    if error is not None:
        values["error_code"] = error.code
        values["error"] = scrub_json(error.as_stored(), _MAX_TEXT)
    if environment is not None:
        values |= environment.model_dump()
    changed = s.scalar(
        update(JobRow).where(held(job.job_id, job.token)).values(values).returning(JobRow.id)
    )
    if changed is None:
        lease_lost(job.job_id, job.token)
    events.append_state(s, job.job_id, job.token, state)
    return state
