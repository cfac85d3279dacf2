"""What a tune's search proposed: one row a candidate, written before it trains."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select

from service.domain.tune.proposals import Proposal
from service.store import job_rows
from service.store.fence import require_held
from service.store.sessions import ReadSession, WriteSession, clock_of
from service.store.tables import ProposalRow


def keep(s: WriteSession, job_id: str, token: int, proposals: Sequence[Proposal]) -> None:
    """Keep the candidates of a round; one that is there already stays as it is."""
    job = require_held(s, job_id, token)
    known = {each.trial for each in of_job(s, job_id)}
    at = clock_of(s).utc()
    rows = [
        {
            "job_id": job_id,
            "trial": each.trial,
            "attempt": job.attempt,
            "proposed_at": at,
            "candidate": each.model_dump(mode="json")["values"],
        }
        for each in proposals
        if each.trial not in known
    ]
    if rows:
        s.execute(insert(ProposalRow), rows)


def of_job(s: ReadSession, job_id: str) -> list[Proposal]:
    """Return a job's proposals, ascending by trial; raises NotFound without the job."""
    job_rows.require(s, job_id)
    rows = s.execute(
        select(ProposalRow.trial, ProposalRow.candidate)
        .where(ProposalRow.job_id == job_id)
        .order_by(ProposalRow.trial)
    )
    return [Proposal(trial=row.trial, values=row.candidate) for row in rows]
