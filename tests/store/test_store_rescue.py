from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from service.domain.errors import ChildDied, Unavailable
from service.domain.jobs import JobState
from service.store import claims, logs, rescue
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock

DEATH = ChildDied("signal 9")


def claims_nothing(database: Database) -> bool:
    with database.write() as s:
        return claims.claim(s, "wrk_b") is None


def count(database: Database, job_id: str, counter: str) -> int:
    with database.read() as s:
        query = text(f"SELECT {counter} FROM jobs WHERE id = :id")
        return int(s.execute(query, {"id": job_id}).scalar_one())


def test_a_lease_is_over_when_its_seconds_have_passed_and_not_before(
    database: Database, clock: ManualClock
) -> None:
    job_id, _ = samples.submit_and_claim(database)
    clock.pass_seconds(30)
    with database.write() as s:
        assert claims.rescue(s) == 0
    clock.pass_seconds(0.001)
    with database.write() as s:
        assert claims.rescue(s) == 1
        assert claims.rescue(s) == 0
    assert samples.get(database, job_id).state is JobState.QUEUED
    assert count(database, job_id, "losses") == 1
    assert count(database, job_id, "stalls") == 0
    again, token = samples.claim(database)
    assert (again.id, again.attempt, token) == (job_id, 2, 2)


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=3650)])
def test_a_step_of_the_wall_clock_rescues_nothing_and_stops_no_rescue(
    database: Database, clock: ManualClock, step: timedelta
) -> None:
    job_id, token = samples.submit_and_claim(database)
    clock.wall += step
    with database.write() as s:
        assert claims.rescue(s) == 0
        claims.heartbeat(s, job_id, token)
    clock.pass_seconds(31)
    with database.write() as s:
        assert claims.rescue(s) == 1


def test_a_lease_of_an_earlier_boot_is_over_at_once(database: Database, clock: ManualClock) -> None:
    job_id, _ = samples.submit_and_claim(database)
    clock.restart_machine()
    with database.write() as s:
        assert claims.rescue(s) == 1
    assert samples.claim(database)[0].id == job_id


def test_a_heartbeat_after_a_restart_of_the_machine_counts_on_the_new_clock(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    clock.restart_machine()
    with database.write() as s:
        claims.heartbeat(s, job_id, token)
        assert claims.rescue(s) == 0


def test_deaths_of_the_child_wait_longer_each_time_and_end_as_poison(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    for wait in (10, 20, 40):
        with database.write() as s:
            assert claims.child_died(s, job_id, token, DEATH) is JobState.QUEUED
        clock.pass_seconds(wait - 0.01)
        assert claims_nothing(database)
        clock.pass_seconds(0.02)
        _, token = samples.claim(database)
    with database.write() as s:
        assert claims.child_died(s, job_id, token, DEATH) is JobState.FAILED
    job = samples.get(database, job_id)
    assert job.error is not None
    assert job.error["code"] == "poison"
    assert "4 times" in job.error["detail"]
    assert "signal 9" in job.error["detail"]
    # At most four starts.
    assert job.attempt == 4


def test_poison_does_not_keep_another_job_waiting(database: Database) -> None:
    poison, token = samples.submit_and_claim(database, priority=1000)
    other = samples.submit(database).id
    with database.write() as s:
        claims.child_died(s, poison, token, DEATH)
    assert samples.claim(database)[0].id == other


def test_a_back_off_of_an_earlier_boot_has_passed(database: Database, clock: ManualClock) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        claims.child_died(s, job_id, token, DEATH)
    clock.restart_machine()
    assert samples.claim(database)[0].id == job_id


def test_lost_workers_are_counted_apart_and_wait_for_nothing(
    database: Database, clock: ManualClock
) -> None:
    job_id = samples.submit(database).id
    for lost in range(rescue.MAX_LOSSES):
        samples.claim(database)
        clock.pass_seconds(31)
        with database.write() as s:
            assert claims.rescue(s) == 1
        assert count(database, job_id, "losses") == lost + 1
    samples.claim(database)
    clock.pass_seconds(31)
    with database.write() as s:
        claims.rescue(s)
    job = samples.get(database, job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "poison"
    assert count(database, job_id, "stalls") == 0


def test_an_error_that_may_pass_is_tried_three_more_times(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    for wait in (5, 30, 120):
        with database.write() as s:
            assert claims.retry_later(s, job_id, token, DEATH) is JobState.QUEUED
        # Spread by a fifth, so that what failed together does not come back together.
        clock.pass_seconds(wait * 0.8 - 0.01)
        assert claims_nothing(database)
        clock.pass_seconds(wait * 0.4 + 0.02)
        _, token = samples.claim(database)
    with database.write() as s:
        assert claims.retry_later(s, job_id, token, DEATH) is JobState.FAILED
    job = samples.get(database, job_id)
    assert job.error == DEATH.as_stored()


def test_a_parked_job_is_tried_every_half_minute_for_ever_and_says_why(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    for _ in range(60):
        with database.write() as s:
            assert claims.park(s, job_id, token, Unavailable("no space left")) is JobState.QUEUED
        clock.pass_seconds(29.99)
        assert claims_nothing(database)
        clock.pass_seconds(0.02)
        _, token = samples.claim(database)
    counters = [count(database, job_id, counter) for counter in ("stalls", "errors", "losses")]
    assert counters == [0, 0, 0]
    with database.read() as s:
        lines = [line.line for line in logs.page(s, job_id).data]
    assert lines == ["Waits: no space left"] * 60


def test_the_jobs_of_a_worker_that_was_seen_to_die_are_free_at_once(database: Database) -> None:
    for _ in range(3):
        samples.submit(database)
    lost = {samples.claim(database, "wrk_a")[0].id for _ in range(2)}
    kept, token = samples.claim(database, "wrk_b")
    with database.write() as s:
        assert claims.worker_died(s, "wrk_a") == 2
        assert claims.worker_died(s, "wrk_a") == 0
        assert claims.heartbeat(s, kept.id, token) is False
    assert {samples.claim(database, "wrk_c")[0].id for _ in range(2)} == lost
    assert {count(database, job_id, "losses") for job_id in lost} == {1}


def test_one_rescue_takes_at_most_a_hundred_jobs_the_longest_expired_first(
    database: Database, clock: ManualClock
) -> None:
    for _ in range(103):
        samples.submit(database)
    with database.write() as s:
        for seconds in range(103):
            claims.claim(s, "wrk_a", lease_seconds=1 + seconds / 1000)
    clock.pass_seconds(60)
    with database.write() as s:
        assert claims.rescue(s) == 100
        assert samples.states(s) == {"queued": 100, "running": 3}
        assert claims.rescue(s) == 3
        assert claims.rescue(s) == 0
