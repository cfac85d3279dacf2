"""A tune's results: one row a candidate and resample, written once, as each fit ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import insert, select, update

from service.domain.jobs import Environment, JobState, Progress
from service.domain.tune.results import TrialResult
from service.store import events, job_rows
from service.store.fence import held, leave_running, require_held, require_uncancelled
from service.store.sessions import ReadSession, WriteSession, clock_of
from service.store.tables import JobRow, TrialRow

_NOT_NAMED: Final[Mapping[int, Mapping[str, Any]]] = MappingProxyType({})


def record(
    s: WriteSession,
    job_id: str,
    token: int,
    results: Sequence[TrialResult],
    progress: Progress,
    leader: Mapping[str, Any] | None = None,
    candidates: Mapping[int, Mapping[str, Any]] = _NOT_NAMED,
) -> None:
    """Keep the results of fits that have ended, and how far the job is; tell each in an event.

    A result that is there already stays as it is and is told to nobody again.

    Args:
        leader: the best candidate's row with these results, told with each of them.
        candidates: what is told of each result's candidate, by its trial.
    """
    job = require_held(s, job_id, token)
    s.execute(
        update(JobRow)
        .where(held(job_id, token))
        .values(
            epoch=progress.epoch,
            epochs=progress.epochs,
            trials_done=progress.trials_done,
            trials=progress.trials,
            eta_seconds=progress.eta_seconds,
        )
    )
    kept = select(TrialRow.trial, TrialRow.fold).where(TrialRow.job_id == job_id)
    known = {(row.trial, row.fold) for row in s.execute(kept)}
    new = [each for each in results if (each.trial, each.fold) not in known]
    if not new:
        return
    at = clock_of(s).utc()
    stored = [each.model_dump(mode="json") for each in new]
    rows = [
        {
            "job_id": job_id,
            "trial": each.trial,
            "fold": each.fold,
            "attempt": job.attempt,
            "ended_at": at,
            "result": result,
        }
        for each, result in zip(new, stored, strict=True)
    ]
    s.execute(insert(TrialRow), rows)
    told = [
        {
            **candidates.get(each.trial, {}),
            **each.model_dump(mode="json", exclude={"warnings"}),
            "leader": None if leader is None else dict(leader),
        }
        for each in new
    ]
    events.append(s, job_id, token, "trial", told)


def of_job(s: ReadSession, job_id: str) -> list[TrialResult]:
    """Return a job's results, ascending by trial and fold; raises NotFound without the job."""
    job_rows.require(s, job_id)
    rows = s.scalars(
        select(TrialRow.result)
        .where(TrialRow.job_id == job_id)
        .order_by(TrialRow.trial, TrialRow.fold)
    )
    return [TrialResult.model_validate(row) for row in rows]


def finish(s: WriteSession, job_id: str, token: int, environment: Environment) -> None:
    """End a tune that publishes no model as succeeded (T5).

    Raises:
        CancelRequested: a cancel was accepted meanwhile; acknowledge it instead.
    """
    job = require_uncancelled(s, job_id, token)
    leave_running(s, job, JobState.SUCCEEDED, environment=environment)
