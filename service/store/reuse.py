"""Jobs that already did what is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from service.domain.jobs import Job, JobState
from service.store import jobs
from service.store.job_rows import is_state
from service.store.sessions import ReadSession
from service.store.tables import JobDatasetRow, JobRow, ModelRow

# How many jobs of one spec are looked at: they differ in their data or their environment.
_LOOKED_AT = 50


def succeeded_like(s: ReadSession, spec_sha256: str, data: Mapping[str, str]) -> list[Job]:
    """Return succeeded jobs of this spec whose model is still there, newest first.

    `data` gives the sha256 of the dataset's file for every name by which the spec means one.
    """
    candidates = s.scalars(
        select(JobRow.id)
        .join(ModelRow, ModelRow.job_id == JobRow.id)
        .where(JobRow.spec_sha256 == spec_sha256, is_state(JobState.SUCCEEDED))
        .order_by(JobRow.id.desc())
        .limit(_LOOKED_AT)
    ).all()
    found = []
    for job_id in candidates:
        links = s.execute(
            select(JobDatasetRow.spec_name, JobDatasetRow.sha256).where(
                JobDatasetRow.job_id == job_id
            )
        )
        if {link.spec_name: link.sha256 for link in links} == dict(data):
            found.append(jobs.get(s, job_id))
    return found
