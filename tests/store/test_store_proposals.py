"""What a search proposed: kept once, only by who holds the job, gone with it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from service.domain.errors import AllFailed, LeaseLost, NotFound
from service.domain.tune.grid import Cell
from service.domain.tune.proposals import Proposal
from service.store import claims, jobs, proposals, rescue, trials
from service.store.database import Database
from service.store.tables import ProposalRow
from tests.store import samples
from tests.store.manual_clock import ManualClock


def proposal(trial: int, **values: Cell) -> Proposal:
    return Proposal(trial=trial, values=values or {"penalty": trial / 10})


def begun(database: Database) -> tuple[str, int]:
    """Return a claimed tune."""
    spec = {"kind": "tune", "fit": {"dataset": "digits"}}
    return samples.submit_and_claim(database, kind="tune", spec=spec, epochs=30, trials=9)


def keep(database: Database, job_id: str, token: int, *given: Proposal) -> None:
    with database.write() as s:
        proposals.keep(s, job_id, token, given)


def kept(database: Database, job_id: str) -> list[Proposal]:
    with database.read() as s:
        return proposals.of_job(s, job_id)


def test_proposals_come_back_by_trial_with_every_digit_and_type(database: Database) -> None:
    job_id, token = begun(database)
    values: dict[str, Cell] = {
        "z": 0.1 + 0.2,
        "a": 16,
        "whole": 16.0,
        "flag": True,
        "one": 1,
        "none": None,
        "layers": [16, 8],
        "name": "ä",
    }
    keep(database, job_id, token, proposal(7), proposal(6, **values))
    first, second = kept(database, job_id)
    assert (first.trial, second) == (6, proposal(7))
    assert repr(first.values) == repr(values)


def test_a_proposal_is_kept_once(database: Database) -> None:
    job_id, token = begun(database)
    keep(database, job_id, token, proposal(4), proposal(5))
    keep(database, job_id, token, proposal(5, penalty=0.9), proposal(6))
    assert kept(database, job_id) == [proposal(4), proposal(5), proposal(6)]


def test_who_lost_the_job_proposes_nothing(database: Database, clock: ManualClock) -> None:
    job_id, old = begun(database)
    keep(database, job_id, old, proposal(4))
    clock.pass_seconds(1000)
    with database.write() as s:
        assert rescue.rescue(s) == 1
    clock.pass_seconds(1000)
    _, token = samples.claim(database, "wrk_b")
    with pytest.raises(LeaseLost):
        keep(database, job_id, old, proposal(5))
    # What was kept by the attempt before is what the next one goes on from.
    keep(database, job_id, token, proposal(4, penalty=0.9), proposal(5))
    assert kept(database, job_id) == [proposal(4), proposal(5)]
    with database.read() as s:
        rows = s.execute(select(ProposalRow.trial, ProposalRow.attempt).order_by(ProposalRow.trial))
        assert [tuple(row) for row in rows] == [(4, 1), (5, 2)]


def test_a_job_that_goes_back_to_the_queue_keeps_its_proposals_and_a_retry_forgets_them(
    database: Database,
) -> None:
    job_id, token = begun(database)
    keep(database, job_id, token, proposal(4))
    with database.write() as s:
        claims.release(s, job_id, token)
    assert kept(database, job_id) == [proposal(4)]
    _, token = samples.claim(database)
    with database.write() as s:
        claims.fail(s, job_id, token, AllFailed("No candidate could be judged."))
    assert kept(database, job_id) == [proposal(4)]
    with database.write() as s:
        jobs.retry(s, job_id)
    assert kept(database, job_id) == []


def test_proposals_are_deleted_with_their_job_and_no_other_s(database: Database) -> None:
    ended = []
    for _ in range(2):
        job_id, token = begun(database)
        keep(database, job_id, token, proposal(4))
        with database.write() as s:
            trials.finish(s, job_id, token, samples.ENVIRONMENT)
        ended.append(job_id)
    with database.write() as s:
        jobs.delete(s, ended[0])
    with database.read() as s:
        assert s.scalar(select(func.count()).select_from(ProposalRow)) == 1
    assert kept(database, ended[1]) == [proposal(4)]
    with pytest.raises(NotFound):
        kept(database, ended[0])
