"""Rows of jobs: how a state is asked for, and the values that leave the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, literal, select

from service.domain.errors import NotFound
from service.domain.evaluations import Evaluation
from service.domain.jobs import Job, JobState, Progress, Replay
from service.store import evaluations, ids
from service.store.sessions import ReadSession, WriteSession
from service.store.tables import JobRow, ModelRow

T = TypeVar("T")


def is_state(state: JobState) -> ColumnElement[bool]:
    """Return the condition that a job is in `state`, in the words of a partial index's condition.

    A state given as a parameter need not be known when the database chooses the index.
    """
    equal = JobRow.state == literal(state.value, literal_execute=True)
    return and_(equal, JobRow.finished_at.is_not(None)) if state.is_terminal else equal


def require(s: ReadSession, job_id: str) -> None:
    """Raise NotFound when there is no such job."""
    _found(s, job_id, select(JobRow.id))


def lock(s: WriteSession, job_id: str) -> None:
    """Raise NotFound when there is no such job; let nobody else change it while this one does."""
    _found(s, job_id, select(JobRow.id).with_for_update())


def _found(s: ReadSession, job_id: str, query: Select[T]) -> T:
    found = s.scalar(query.where(JobRow.id == job_id)) if ids.is_id(job_id) else None
    if found is None:
        raise NotFound(f"Expected the id of a job. Nothing has the id {job_id[:64]!a}.")
    return found


def get(s: ReadSession, job_id: str) -> Job:
    """Return a job by id, or raise NotFound."""
    return as_jobs(s, [_found(s, job_id, select(JobRow))], whole=True)[0]


def running(row: JobRow) -> Job:
    """Return a job that has just been claimed: no model is of it, and no score."""
    return _job(row, {}, {}, row.spec, row.plan)


def as_jobs(s: ReadSession, rows: Sequence[JobRow], *, whole: bool) -> list[Job]:
    """Return rows as values, with their models and the evaluations that their specs asked for.

    Without `whole` their specs are empty and their plans None.
    """
    job_ids = [row.id for row in rows]
    models = {
        row.job_id: row.id
        for row in s.execute(
            select(ModelRow.job_id, ModelRow.id).where(ModelRow.job_id.in_(job_ids))
        )
    }
    scores = evaluations.of_jobs(s, job_ids, requested_only=True)
    return [
        _job(row, models, scores, row.spec if whole else {}, row.plan if whole else None)
        for row in rows
    ]


def _job(
    row: JobRow,
    models: Mapping[str, str],
    scores: Mapping[str, tuple[Evaluation, ...]],
    spec: dict[str, Any],
    plan: dict[str, Any] | None,
) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        name=row.name,
        state=JobState(row.state),
        spec=spec,
        spec_sha256=row.spec_sha256,
        attempt=row.attempt,
        priority=row.priority,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        cancel_requested_at=row.cancel_requested_at,
        progress=Progress(
            epoch=row.epoch,
            epochs=row.epochs,
            trials_done=row.trials_done,
            trials=row.trials,
            eta_seconds=row.eta_seconds,
        ),
        error=row.error,
        model_id=models.get(row.id),
        evaluations=scores.get(row.id, ()),
        device=row.device,
        versions=row.versions,
        bit_exact=row.bit_exact,
        plan=plan,
        replay=None if row.replay is None else Replay.model_validate(row.replay),
        tags=row.tags,
    )
