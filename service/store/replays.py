"""Replays: succeeded fits that are trained again, to see whether the same weights come out."""

from __future__ import annotations

from sqlalchemy import select

from service.domain.errors import Conflict
from service.domain.jobs import Environment, Job, JobState, Replay
from service.domain.replay import datasets_that_train
from service.store import job_rows
from service.store.sessions import ReadSession, WriteSession, lock_catalogue
from service.store.submitting import NewJob, submit
from service.store.tables import JobDatasetRow, JobRow, ModelRow

_UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)


def submit_replay(s: WriteSession, job_id: str) -> Job:
    """Queue a succeeded fit once more as a job of kind "replay" (T1), which leaves no model.

    It has the fit's spec, priority and tags, and no name, because no model will have it. Its
    datasets are those that decide the weights, the very rows of the first time: `datasets_of` does
    not return the ones on which the fit was only evaluated. Its `replay` knows the hash to compare
    with already, so that the first model may be deleted meanwhile.

    Raises:
        NotFound: there is no such job.
        Conflict: it is no fit, it has not succeeded, its model is gone, or a dataset is.
    """
    lock_catalogue(s)
    job = job_rows.get(s, job_id)
    if job.replay is not None:
        raise Conflict(
            f"Expected a fit job. Job '{job_id}' is itself a replay. Replay job '{job.replay.of}'."
        )
    if job.kind != "fit":
        raise Conflict(f"Expected a fit job. Job '{job_id}' is of kind {job.kind}.")
    if job.state is not JobState.SUCCEEDED:
        raise Conflict(
            f"Expected a job that has succeeded. Job '{job_id}' is {job.state.value}, so there "
            "are no weights to compare with."
        )
    expected = s.scalar(select(ModelRow.weights_sha256).where(ModelRow.job_id == job_id))
    if expected is None:
        raise Conflict(
            f"Expected the model of job '{job_id}'. It was deleted, so there are no weights to "
            "compare with. Submit the fit again."
        )
    return submit(
        s,
        NewJob(
            spec=job.spec,
            spec_sha256=job.spec_sha256,
            kind="replay",
            priority=job.priority,
            tags=job.tags,
            epochs=job.progress.epochs,
            trials=job.progress.trials,
            datasets=_training_data(s, job),
            replay=Replay(of=job_id, expected_sha256=expected),
        ),
    )


def original(s: ReadSession, job_id: str) -> Environment:
    """Return where the job that `job_id` replays was trained.

    As long as the replay has not ended that job cannot be deleted.

    Raises:
        Conflict: `job_id` is no replay, or the job that it replayed was deleted.
    """
    first = select(JobRow.replay_of).where(JobRow.id == job_id).scalar_subquery()
    row = s.execute(select(JobRow.device, JobRow.versions).where(JobRow.id == first)).one_or_none()
    if row is None:
        raise Conflict(
            f"Expected job '{job_id}' to replay a job. It is no replay, or that job was deleted."
        )
    assert row.device is not None, "succeed() keeps the environment"
    return Environment(device=row.device, versions=row.versions)


def refuse_unfinished(s: ReadSession, job_id: str) -> None:
    """Raise Conflict as long as a replay of the job is queued or running: it will look at it."""
    replay = s.scalar(
        select(JobRow.id).where(JobRow.replay_of == job_id, JobRow.state.in_(_UNFINISHED)).limit(1)
    )
    if replay is not None:
        raise Conflict(
            f"Expected no unfinished replay of job '{job_id}'. Job '{replay}' is one. Cancel it "
            "or wait for its end."
        )


def _training_data(s: ReadSession, job: Job) -> dict[str, str]:
    links = {
        link.spec_name: link.dataset_id
        for link in s.execute(
            select(JobDatasetRow.spec_name, JobDatasetRow.dataset_id).where(
                JobDatasetRow.job_id == job.id
            )
        )
    }
    needed = {name: links.get(name) for name in datasets_that_train(job.spec)}
    for name, dataset_id in needed.items():
        if dataset_id is None:
            raise Conflict(
                f"Expected dataset '{name}' to exist, on which job '{job.id}' was trained. It was "
                "deleted."
            )
    return {name: dataset_id for name, dataset_id in needed.items() if dataset_id is not None}
