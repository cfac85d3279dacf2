"""What a running job says of itself for later: its plan, its promise, its checkpoints."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from service.domain.errors import ChildDied, Diverged
from service.domain.jobs import Checkpoint, JobState
from service.store import claims, jobs
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock

PLAN = {"cohorts": [{"members": [1, 2], "rows": 64}], "seconds": 1 / 3, "note": None}


def plan(database: Database, job_id: str, token: int, bit_exact: bool) -> bool | None:
    with database.write() as s:
        claims.record_plan(s, job_id, token, PLAN, bit_exact)
    return samples.get(database, job_id).bit_exact


def checkpoint(database: Database, job_id: str, token: int, epoch: int, where: str = "A") -> None:
    with database.write() as s:
        claims.checkpointed(s, job_id, token, epoch, where)


def again(database: Database, job_id: str, token: int) -> tuple[Checkpoint | None, int]:
    """Put a job back into the queue, claim it and return what the claim knows."""
    with database.write() as s:
        claims.release(s, job_id, token)
    with database.write() as s:
        claimed = claims.claim(s, "wrk_b")
    assert claimed is not None
    assert claimed.job.id == job_id
    return claimed.checkpoint, claimed.token


def stalls(database: Database) -> int:
    with database.read() as s:
        return int(s.scalars(text("SELECT stalls FROM jobs")).one())


def test_a_job_says_nothing_of_its_bits_until_a_plan_does(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    before = samples.get(database, job_id)
    assert (before.bit_exact, before.plan) == (None, None)
    assert plan(database, job_id, token, True) is True
    job = samples.get(database, job_id)
    assert job.plan == PLAN
    with database.read() as s:
        (listed,) = jobs.page(s).data
    assert (listed.plan, listed.bit_exact) == (None, True)


def test_plan_and_checkpoint_extend_the_lease_and_tell_of_a_cancel(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    for epoch in (1, 2):
        clock.pass_seconds(29)
        with database.write() as s:
            assert claims.rescue(s) == 0
            assert claims.record_plan(s, job_id, token, PLAN, True) is False
        clock.pass_seconds(29)
        with database.write() as s:
            assert claims.rescue(s) == 0
            assert claims.checkpointed(s, job_id, token, epoch, "A") is False
    with database.write() as s:
        jobs.request_cancel(s, job_id)
        assert claims.record_plan(s, job_id, token, PLAN, True) is True
        assert claims.checkpointed(s, job_id, token, 3, "A") is True


def test_the_next_claim_knows_the_last_checkpoint_and_how_far_it_is(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    assert again(database, job_id, token) == (None, 2)
    checkpoint(database, job_id, 2, 3)
    checkpoint(database, job_id, 2, 5)
    assert again(database, job_id, 2) == (Checkpoint(epoch=5, fingerprint="A"), 3)
    assert samples.get(database, job_id).progress.epoch == 5
    # The file of epoch 5 was damaged, and on another machine the one before it was used.
    checkpoint(database, job_id, 3, 4, "B")
    assert again(database, job_id, 3) == (Checkpoint(epoch=4, fingerprint="B"), 4)


def test_a_promise_that_was_broken_is_not_given_again_by_who_goes_on(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    assert plan(database, job_id, token, True) is True
    checkpoint(database, job_id, token, 1, "A")
    _, token = again(database, job_id, token)
    # Another environment goes on where A was.
    assert plan(database, job_id, token, False) is False
    checkpoint(database, job_id, token, 2, "B")
    _, token = again(database, job_id, token)
    assert plan(database, job_id, token, True) is False


def test_a_job_without_a_checkpoint_begins_anew_and_may_promise_more(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    assert plan(database, job_id, token, False) is False
    _, token = again(database, job_id, token)
    assert plan(database, job_id, token, True) is True
    assert plan(database, job_id, token, False) is False


def test_a_further_checkpoint_makes_up_for_processes_that_died(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    checkpoint(database, job_id, token, 2)
    with database.write() as s:
        claims.child_died(s, job_id, token, ChildDied("x"))
    clock.pass_seconds(61)
    _, token = samples.claim(database)
    # The same epochs again are no progress: a job that kills itself there is given up.
    checkpoint(database, job_id, token, 2)
    assert stalls(database) == 1
    checkpoint(database, job_id, token, 3)
    assert stalls(database) == 0


@pytest.mark.parametrize("epochs_of_progress", [0, 1])
def test_only_a_job_that_gets_nowhere_is_poison(
    database: Database, clock: ManualClock, epochs_of_progress: int
) -> None:
    job_id, token = samples.submit_and_claim(database)
    epoch = 1
    for _ in range(6):
        checkpoint(database, job_id, token, epoch)
        epoch += epochs_of_progress
        with database.write() as s:
            state = claims.child_died(s, job_id, token, ChildDied("x"))
        if state is JobState.FAILED:
            break
        clock.pass_seconds(61)
        _, token = samples.claim(database)
    assert (state is JobState.FAILED) == (epochs_of_progress == 0)


def test_a_retried_job_forgets_plan_promise_and_checkpoint(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    plan(database, job_id, token, False)
    checkpoint(database, job_id, token, 4)
    with database.write() as s:
        claims.fail(s, job_id, token, Diverged("nan"))
        job = jobs.retry(s, job_id)
    assert (job.plan, job.bit_exact, job.progress.epoch) == (None, None, 0)
    with database.write() as s:
        claimed = claims.claim(s, "wrk_a")
    assert claimed is not None
    assert claimed.checkpoint is None
    assert plan(database, job_id, claimed.token, True) is True


def test_a_plan_with_floats_that_json_lacks_keeps_them_as_words(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        claims.record_plan(s, job_id, token, {"seconds": float("inf")}, True)
    assert samples.get(database, job_id).plan == {"seconds": "inf"}
