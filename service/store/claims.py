"""Claimed jobs: what a worker may write, all of it under the token that its claim gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, false, func, literal, or_, select, update

from service.domain.errors import Conflict, FitpointError
from service.domain.evaluations import Evaluation
from service.domain.history import EpochRecord
from service.domain.jobs import Checkpoint, Claim, Environment, JobState, Progress, Replay
from service.domain.models import FittedModel, RegisteredModel
from service.store import epochs, evaluations, events, logs, models
from service.store.encoding import words_for_floats
from service.store.fence import (
    held,
    lease_lost,
    leave_running,
    require_held,
    require_uncancelled,
)
from service.store.job_rows import is_state, running
from service.store.rescue import child_died, park, rescue, retry_later, worker_died
from service.store.sessions import WriteSession, clock_of, lock_catalogue
from service.store.tables import JobRow

__all__ = [
    "LEASE_SECONDS",
    "acknowledge_cancel",
    "checkpointed",
    "child_died",
    "claim",
    "fail",
    "finish_replay",
    "heartbeat",
    "log",
    "park",
    "record_epochs",
    "record_plan",
    "release",
    "rescue",
    "retry_later",
    "succeed",
    "worker_died",
]

# Six heartbeats of 5 s.
LEASE_SECONDS = 30.0


def claim(s: WriteSession, worker_id: str, lease_seconds: float = LEASE_SECONDS) -> Claim | None:
    """Take the oldest job of the highest priority that is due (T2), or return None.

    The job's kind says what to do: a "replay" trains from its first epoch and ends with
    `finish_replay`. The claim has the last checkpoint that the job told of since it was queued.
    """
    clock = clock_of(s)
    now = clock.lease()
    # A back-off of an earlier boot has passed.
    due = or_(
        JobRow.run_after.is_(None),
        JobRow.run_after_clock != now.source,
        JobRow.run_after <= now.seconds,
    )
    # Apart from the update, or PostgreSQL's planner could look for the first one more than once.
    # Where others write beside us, a row that somebody else is claiming is passed over.
    first = (
        select(JobRow.id)
        .where(is_state(JobState.QUEUED), due)
        .order_by(JobRow.priority.desc(), JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("first")
    )
    row = s.scalars(
        update(JobRow)
        .where(JobRow.id.in_(select(first.c.id)), is_state(JobState.QUEUED))
        .values(
            state=JobState.RUNNING.value,
            attempt=JobRow.attempt + 1,
            lease_token=JobRow.lease_token + 1,
            lease_owner=worker_id,
            lease_until=now.seconds + lease_seconds,
            lease_clock=now.source,
            started_at=func.coalesce(JobRow.started_at, clock.utc()),
            run_after=None,
            run_after_clock=None,
            epoch=func.coalesce(JobRow.ckpt_epoch, 0),
            trials_done=0,
            eta_seconds=None,
        )
        .returning(JobRow)
    ).one_or_none()
    if row is None:
        return None
    events.append_state(s, row.id, row.lease_token, JobState.RUNNING)
    checkpoint = None
    if row.ckpt_epoch is not None and row.ckpt_fingerprint is not None:
        checkpoint = Checkpoint(epoch=row.ckpt_epoch, fingerprint=row.ckpt_fingerprint)
    return Claim(job=running(row), token=row.lease_token, checkpoint=checkpoint)


def heartbeat(
    s: WriteSession, job_id: str, token: int, lease_seconds: float = LEASE_SECONDS
) -> bool:
    """Extend the lease (T3) and return whether a cancel was asked for."""
    return _extend(s, job_id, token, lease_seconds).cancel_asked


def record_epochs(
    s: WriteSession,
    job_id: str,
    token: int,
    records: Sequence[EpochRecord],
    progress: Progress,
    lease_seconds: float = LEASE_SECONDS,
) -> bool:
    """Keep epoch records and how far the job is, extend the lease (T4); return as `heartbeat`.

    A record that is there already stays as it is and is told to nobody again; where its metrics
    are others, the event `nondeterminism_detected` says so.

    Raises:
        Conflict: an epoch is missing before the ones given.
    """
    job = _extend(
        s,
        job_id,
        token,
        lease_seconds,
        epoch=progress.epoch,
        epochs=progress.epochs,
        trials_done=progress.trials_done,
        trials=progress.trials,
        eta_seconds=progress.eta_seconds,
    )
    appended = epochs.append(s, job_id, job.attempt, records)
    events.append(s, job_id, token, "epoch", [record.as_row() for record in appended.new])
    events.append(s, job_id, token, "nondeterminism_detected", appended.differing)
    return job.cancel_asked


def record_plan(
    s: WriteSession,
    job_id: str,
    token: int,
    plan: Mapping[str, Any],
    bit_exact: bool,
    lease_seconds: float = LEASE_SECONDS,
) -> bool:
    """Keep how the job is trained and whether its bits are promised; return as `heartbeat`.

    A job that has a checkpoint and said False before keeps it: part of it was trained elsewhere,
    or outside of what is promised, whatever trains the rest.
    """
    was_not = and_(JobRow.ckpt_epoch.is_not(None), JobRow.bit_exact.is_(False))
    promised = case((was_not, false()), else_=literal(bit_exact))
    values = {"plan": words_for_floats(dict(plan)), "bit_exact": promised}
    return _extend(s, job_id, token, lease_seconds, **values).cancel_asked


def checkpointed(
    s: WriteSession,
    job_id: str,
    token: int,
    epoch: int,
    fingerprint: str,
    lease_seconds: float = LEASE_SECONDS,
) -> bool:
    """Keep that a durable checkpoint has everything up to `epoch` (T4); return as `heartbeat`.

    Args:
        fingerprint: of the environment that computed it.

    One that is further than the last makes up for the processes that died before: `stalls` is 0.
    """
    further = or_(JobRow.ckpt_epoch.is_(None), JobRow.ckpt_epoch < epoch)
    return _extend(
        s,
        job_id,
        token,
        lease_seconds,
        stalls=case((further, 0), else_=JobRow.stalls),
        ckpt_epoch=epoch,
        ckpt_fingerprint=fingerprint,
    ).cancel_asked


def log(s: WriteSession, job_id: str, token: int, lines: Sequence[str], once: bool = False) -> None:
    """Keep lines that the job printed; with `once` only those that it did not print before."""
    attempt = require_held(s, job_id, token).attempt
    logs.append(s, job_id, attempt, logs.unsaid(s, job_id, lines) if once else lines)


def succeed(
    s: WriteSession,
    job_id: str,
    token: int,
    *,
    model: FittedModel,
    name: str | None,
    evaluations: Sequence[Evaluation],
    environment: Environment,
) -> RegisteredModel:
    """End a fit as succeeded, with its model and evaluations (T5); the model's files are durable.

    Without a name the model has the job's id for one.

    Raises:
        CancelRequested: a cancel was accepted meanwhile; acknowledge it instead.
    """
    lock_catalogue(s)
    job = require_uncancelled(s, job_id, token)
    leave_running(
        s,
        job,
        JobState.SUCCEEDED,
        environment=environment,
        model_sha256=model.artifact_sha256,
    )
    _keep_evaluations(s, job_id, evaluations)
    return models.publish(s, job_id, name or job_id, model)


def finish_replay(
    s: WriteSession, job_id: str, token: int, report: Replay, environment: Environment
) -> None:
    """End a replay as succeeded with what it found (T5). It leaves no model, the same or not.

    Raises:
        CancelRequested: a cancel was accepted meanwhile; acknowledge it instead.
    """
    job = require_uncancelled(s, job_id, token)
    found = report.model_dump(mode="json")
    leave_running(s, job, JobState.SUCCEEDED, environment=environment, replay=found)


def fail(
    s: WriteSession,
    job_id: str,
    token: int,
    error: FitpointError,
    environment: Environment | None = None,
) -> JobState:
    """End a job as failed (T6), or as cancelled when a cancel was accepted; return which."""
    job = require_held(s, job_id, token)
    return leave_running(s, job, JobState.FAILED, error=error, environment=environment)


def acknowledge_cancel(s: WriteSession, job_id: str, token: int) -> JobState:
    """End a job as cancelled after a cancel was asked for (T11).

    Raises:
        Conflict: no cancel was asked for.
    """
    job = require_held(s, job_id, token)
    if job.cancel_requested_at is None:
        raise Conflict(f"Expected a cancel of job '{job_id}' to acknowledge. None was asked for.")
    return leave_running(s, job, JobState.CANCELLED)


def release(s: WriteSession, job_id: str, token: int) -> JobState:
    """Put a job back into the queue when its worker drains (T8); no counter is touched."""
    return leave_running(s, require_held(s, job_id, token), JobState.QUEUED)


def _keep_evaluations(s: WriteSession, job_id: str, given: Sequence[Evaluation]) -> None:
    for evaluation in given:
        evaluations.add(s, job_id, evaluation, requested=True)


@dataclass(frozen=True, kw_only=True)
class _Extended:
    attempt: int
    cancel_asked: bool


def _extend(
    s: WriteSession, job_id: str, token: int, lease_seconds: float, **values: Any
) -> _Extended:
    now = clock_of(s).lease()
    row = s.execute(
        update(JobRow)
        .where(held(job_id, token))
        .values(lease_until=now.seconds + lease_seconds, lease_clock=now.source, **values)
        .returning(JobRow.attempt, JobRow.cancel_requested_at)
    ).one_or_none()
    if row is None:
        lease_lost(job_id, token)
    return _Extended(attempt=row.attempt, cancel_asked=row.cancel_requested_at is not None)
