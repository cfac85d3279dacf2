"""Whatever the wall clock does, a queue is worked off in its order, once, and nothing is stuck."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.errors import ChildDied, Unavailable
from service.domain.jobs import JobState
from service.store import audit, claims, events, rescue, workers
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock

HOUR, DECADE = timedelta(hours=1), timedelta(days=3650)
STEPS = [HOUR, -HOUR, DECADE, -DECADE]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_jobs_are_claimed_in_the_order_in_which_they_came_across_a_step(
    database: Database, clock: ManualClock, step: timedelta
) -> None:
    submitted = []
    for _ in range(3):
        submitted += [samples.submit(database).id for _ in range(2)]
        clock.wall += step
    assert [samples.claim(database)[0].id for _ in submitted] == submitted


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_back_off_takes_as_long_as_it_takes_across_a_step(
    database: Database, clock: ManualClock, step: timedelta
) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        rescue.child_died(s, job_id, token, ChildDied("x"))
    clock.wall += step
    with database.write() as s:
        assert claims.claim(s, "wrk_a") is None
    clock.pass_seconds(10.1)
    again, token = samples.claim(database)
    assert again.id == job_id
    with database.write() as s:
        rescue.park(s, job_id, token, Unavailable("x"))
    clock.wall -= step
    clock.pass_seconds(30.1)
    assert samples.claim(database)[0].id == job_id


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_worker_that_beats_is_alive_across_a_step(
    database: Database, clock: ManualClock, step: timedelta
) -> None:
    with database.write() as s:
        workers.register(s, "wrk_a", "host", 1, "cpu")
    clock.wall += step
    with database.read() as s:
        assert workers.alive(s) == 1
    clock.pass_seconds(31)
    with database.read() as s:
        assert workers.alive(s) == 0


@settings(
    max_examples=12,
    deadline=None,
    # Each example adds to the same database and clock: what went before is part of the case.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.sampled_from([*STEPS, timedelta(0)]), min_size=4, max_size=4))
def test_a_job_runs_once_to_its_end_however_the_clock_steps(
    database: Database, clock: ManualClock, steps: list[timedelta]
) -> None:
    _, claimed, beaten, ended = steps
    wall = clock.wall
    clock.wall += steps[0]
    job_id = samples.submit(database).id
    clock.wall += claimed
    job, token = samples.claim(database)
    assert job.id == job_id
    clock.wall += beaten
    clock.pass_seconds(29)
    with database.write() as s:
        assert claims.rescue(s) == 0
        claims.heartbeat(s, job_id, token)
    clock.wall += ended
    clock.pass_seconds(29)
    with database.write() as s:
        assert claims.rescue(s) == 0
        samples.succeed(s, job_id, token)
    found = samples.get(database, job_id)
    assert found.state is JobState.SUCCEEDED
    assert found.attempt == 1
    with database.read() as s:
        told = events.after(s, job_id, 0, 100)
        assert all(first.n < second.n for first, second in pairwise(told))
        assert [event.what for event in told].count("done") == 1
        assert audit.audit(s) == []
    # Else ten decades forward come together.
    clock.wall = wall
