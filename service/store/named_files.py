"""Which files of the storage the rows name; what no row names may be removed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from service.domain.jobs import JobState
from service.store.sessions import ReadSession
from service.store.tables import DatasetRow, JobDatasetRow, JobRow, ModelRow

_UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)


@dataclass(frozen=True, kw_only=True)
class NamedFiles:
    """Datasets by their hash, artifacts by their path, and the jobs that may still leave files."""

    datasets: frozenset[str]
    artifacts: frozenset[str]
    unfinished: frozenset[str]
    # Job and token of every claim that holds.
    claims: frozenset[tuple[str, int]]


def named_files(s: ReadSession) -> NamedFiles:
    """Return what the rows name now."""
    unfinished = s.execute(
        select(JobRow.id, JobRow.state, JobRow.lease_token).where(JobRow.state.in_(_UNFINISHED))
    ).all()
    meant = select(JobDatasetRow.sha256).join(JobRow, JobRow.id == JobDatasetRow.job_id)
    meant = meant.where(JobRow.state.in_(_UNFINISHED))
    return NamedFiles(
        datasets=frozenset(s.scalars(select(DatasetRow.sha256))) | frozenset(s.scalars(meant)),
        artifacts=frozenset(s.scalars(select(ModelRow.artifact_path))),
        unfinished=frozenset(row.id for row in unfinished),
        claims=frozenset(
            (row.id, row.lease_token) for row in unfinished if row.state == JobState.RUNNING.value
        ),
    )
