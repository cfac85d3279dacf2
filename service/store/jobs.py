"""Jobs as clients see them: looked up, cancelled, tried again, removed; and how they begin."""

from __future__ import annotations

from sqlalchemy import delete as delete_from
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import defer

from service.domain.datasets import Dataset
from service.domain.errors import Conflict
from service.domain.jobs import Job, JobState
from service.store import datasets, events, ids, job_rows, replays
from service.store.job_rows import get
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession, clock_of, lock_catalogue
from service.store.submitting import NewJob, require_model_name, submit
from service.store.tables import (
    DatasetRow,
    EpochRow,
    JobDatasetRow,
    JobRow,
    ModelNameRow,
    ModelRow,
    ProposalRow,
    TrialRow,
)

__all__ = [
    "NewJob",
    "counts",
    "datasets_of",
    "delete",
    "get",
    "page",
    "request_cancel",
    "retry",
    "submit",
]

_ENDED = tuple(state.value for state in JobState if state.is_terminal)


def page(
    s: ReadSession,
    limit: int = 20,
    after: str | None = None,
    state: JobState | None = None,
    kind: str | None = None,
    dataset: str | None = None,
    name: str | None = None,
) -> Page[Job]:
    """Return jobs, newest first, with an empty `spec` and no `plan`; every filter must match.

    `dataset` is an id or a name; a name also finds jobs whose dataset of that name was deleted.
    """
    query = select(JobRow).options(
        defer(JobRow.spec, raiseload=True), defer(JobRow.plan, raiseload=True)
    )
    cursor = ids.require_cursor(after, "job")
    if cursor is not None:
        query = query.where(JobRow.id < cursor)
    if state is not None:
        query = query.where(job_rows.is_state(state))
    if kind is not None:
        query = query.where(JobRow.kind == kind)
    if name is not None:
        query = query.where(JobRow.name == name)
    if dataset is not None:
        meant = select(DatasetRow.id).where(
            or_(DatasetRow.id == dataset, DatasetRow.name == dataset)
        )
        users = select(JobDatasetRow.job_id).where(
            or_(JobDatasetRow.spec_name == dataset, JobDatasetRow.dataset_id.in_(meant))
        )
        query = query.where(JobRow.id.in_(users))
    rows = s.scalars(query.order_by(JobRow.id.desc()).limit(limit + 1)).all()
    kept, following = page_of(rows, limit, lambda row: row.id)
    return Page(
        data=job_rows.as_jobs(s, kept, whole=False),
        has_more=following is not None,
        next=following,
    )


def counts(s: ReadSession) -> dict[str, int]:
    """Return how many jobs are in each state."""
    count = select(func.count()).select_from(JobRow)
    return {state.value: s.scalar(count.where(job_rows.is_state(state))) or 0 for state in JobState}


def datasets_of(s: ReadSession, job_id: str) -> dict[str, Dataset]:
    """Return the job's datasets by the name its spec uses; deleted ones are not among them."""
    job_rows.require(s, job_id)
    links = s.execute(
        select(JobDatasetRow.spec_name, JobDatasetRow.dataset_id).where(
            JobDatasetRow.job_id == job_id, JobDatasetRow.dataset_id.is_not(None)
        )
    ).all()
    found = datasets.by_id(s, {link.dataset_id for link in links})
    return {link.spec_name: found[link.dataset_id] for link in links}


def request_cancel(s: WriteSession, job_id: str) -> Job:
    """Cancel a queued job at once, ask a running one to stop (T10); asking again changes nothing.

    The state of the answer tells which: `cancelled`, or `running` with `cancel_requested_at`.

    Raises:
        Conflict: the job has succeeded or failed.
    """
    job_rows.lock(s, job_id)
    at = clock_of(s).utc()
    token = s.scalar(
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.state == JobState.QUEUED.value)
        .values(
            state=JobState.CANCELLED.value,
            cancel_requested_at=at,
            finished_at=at,
            run_after=None,
            run_after_clock=None,
        )
        .returning(JobRow.lease_token)
    )
    if token is not None:
        events.append_state(s, job_id, token, JobState.CANCELLED)
        return get(s, job_id)
    s.execute(
        update(JobRow)
        .where(
            JobRow.id == job_id,
            JobRow.state == JobState.RUNNING.value,
            JobRow.cancel_requested_at.is_(None),
        )
        .values(cancel_requested_at=at)
    )
    job = get(s, job_id)
    if job.state in (JobState.SUCCEEDED, JobState.FAILED):
        raise Conflict(
            f"Expected a queued or running job. Job '{job_id}' has already {job.state.value}."
        )
    return job


def retry(s: WriteSession, job_id: str) -> Job:
    """Queue a failed or cancelled job again, as if it were new; only its events and log remain.

    Raises:
        Conflict: the job is in another state, a dataset or the job that it replays is gone, or
            its name is an alias now.
    """
    lock_catalogue(s)
    job_rows.lock(s, job_id)
    token = s.scalar(
        update(JobRow)
        .where(
            JobRow.id == job_id,
            JobRow.state.in_((JobState.FAILED.value, JobState.CANCELLED.value)),
        )
        .values(
            state=JobState.QUEUED.value,
            # Nobody holds it, but each run of a job must have a token of its own to end under.
            lease_token=JobRow.lease_token + 1,
            started_at=None,
            finished_at=None,
            cancel_requested_at=None,
            stalls=0,
            errors=0,
            losses=0,
            run_after=None,
            run_after_clock=None,
            epoch=0,
            trials_done=0,
            eta_seconds=None,
            device=None,
            versions=None,
            bit_exact=None,
            plan=None,
            ckpt_epoch=None,
            ckpt_fingerprint=None,
            error_code=None,
            error=None,
            first_event=events.last(s, job_id) + 1,
        )
        .returning(JobRow.lease_token)
    )
    job = get(s, job_id)
    if token is None:
        raise Conflict(f"Expected a failed or cancelled job. Job '{job_id}' is {job.state.value}.")
    require_model_name(s, job.name)
    if job.kind == "replay":
        replays.original(s, job_id)
    gone = s.scalar(
        select(JobDatasetRow.spec_name).where(
            JobDatasetRow.job_id == job_id, JobDatasetRow.dataset_id.is_(None)
        )
    )
    if gone is not None:
        raise Conflict(f"Expected dataset '{gone}' to exist. It was deleted; submit a new job.")
    # Histories of two runs never mix: the new one may be trained on another machine.
    for history in (EpochRow, TrialRow, ProposalRow):
        s.execute(delete_from(history).where(history.job_id == job_id))
    events.append_state(s, job_id, token, JobState.QUEUED)
    return job


def delete(s: WriteSession, job_id: str) -> None:
    """Remove an ended job with its history, events, log and models (T12).

    Raises:
        Conflict: the job or a replay of it has not ended, or an alias points at its model.
    """
    lock_catalogue(s)
    job_rows.lock(s, job_id)
    job = get(s, job_id)
    replays.refuse_unfinished(s, job_id)
    alias = s.scalar(
        select(ModelNameRow.name)
        .join(ModelRow, ModelNameRow.alias_of == ModelRow.id)
        .where(ModelRow.job_id == job_id)
        .limit(1)
    )
    if alias is not None:
        raise Conflict(
            f"Expected no alias on the job's model. '{alias}' points at it. Move the alias first."
        )
    removed = s.scalar(
        delete_from(JobRow)
        .where(JobRow.id == job_id, JobRow.state.in_(_ENDED))
        .returning(JobRow.id)
    )
    if removed is None:
        raise Conflict(
            f"Expected an ended job. Job '{job_id}' is {job.state.value}. Cancel it first."
        )
