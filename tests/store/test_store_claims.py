from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, text

from service.domain.errors import (
    CancelRequested,
    ChildDied,
    Conflict,
    Diverged,
    FieldError,
    InvalidSpec,
    LeaseLost,
    MissingValues,
    Unavailable,
    from_stored,
)
from service.domain.jobs import JobState, Progress
from service.store import claims, epochs, events, fence, jobs, logs, models
from service.store.database import Database
from service.store.sessions import WriteSession
from tests.store import samples
from tests.store.manual_clock import ManualClock

Write = Callable[[WriteSession, str, int], Any]

# Everything that a worker may write.
FENCED: dict[str, Write] = {
    "heartbeat": claims.heartbeat,
    "record_epochs": lambda s, job_id, token: claims.record_epochs(
        s, job_id, token, [samples.record(1)], samples.progress(1)
    ),
    "record_plan": lambda s, job_id, token: claims.record_plan(s, job_id, token, {"a": 1}, True),
    "checkpointed": lambda s, job_id, token: claims.checkpointed(s, job_id, token, 1, "here"),
    "log": lambda s, job_id, token: claims.log(s, job_id, token, ["line"]),
    "succeed": samples.succeed,
    "fail": lambda s, job_id, token: claims.fail(s, job_id, token, Diverged("loss is nan")),
    "acknowledge_cancel": claims.acknowledge_cancel,
    "release": claims.release,
    "child_died": lambda s, job_id, token: claims.child_died(s, job_id, token, ChildDied("x")),
    "retry_later": lambda s, job_id, token: claims.retry_later(s, job_id, token, ChildDied("x")),
    "park": lambda s, job_id, token: claims.park(s, job_id, token, Unavailable("disk is full")),
}


def dump(database: Database) -> list[str]:
    """Return every row of every table."""
    with database.read() as s:
        tables = inspect(s.connection()).get_table_names()
        return sorted(
            f"{table}: {row}"
            for table in tables
            for row in s.execute(text(f"SELECT * FROM {table}")).all()
        )


def told(database: Database, job_id: str) -> list[str]:
    with database.read() as s:
        return [
            event.data["state"] if event.what == "state" else event.what
            for event in events.after(s, job_id)
        ]


def test_nothing_to_claim_is_none(database: Database) -> None:
    with database.write() as s:
        assert claims.claim(s, "wrk_a") is None


def test_jobs_are_claimed_by_priority_and_then_by_age(
    database: Database, clock: ManualClock
) -> None:
    order = random.Random(8)
    wanted = []
    for number in range(40):
        # The wall clock jumps about; the order of the submits is what counts.
        clock.wall += timedelta(hours=order.randint(-5, 5))
        priority = order.choice([-1000, -1, 0, 0, 0, 3, 1000])
        wanted.append((-priority, number, samples.submit(database, priority=priority).id))
    claimed = [samples.claim(database)[0].id for _ in range(40)]
    assert claimed == [job_id for _, _, job_id in sorted(wanted)]


def test_a_claim_gives_the_whole_job_and_a_token(database: Database, clock: ManualClock) -> None:
    submitted = samples.submit(database, name="m")
    clock.pass_seconds(7)
    job, token = samples.claim(database)
    assert token == 1
    assert job == submitted.model_copy(
        update={"state": JobState.RUNNING, "attempt": 1, "started_at": clock.utc()}
    )
    assert told(database, job.id) == ["queued", "running"]


@pytest.mark.parametrize("what", FENCED)
@pytest.mark.parametrize("stale", ["rescued and claimed again", "rescued", "ended", "never given"])
def test_a_stale_token_writes_nothing(
    database: Database, clock: ManualClock, what: str, stale: str
) -> None:
    job_id, token = samples.submit_and_claim(database)
    if stale == "ended":
        with database.write() as s:
            jobs.request_cancel(s, job_id)
            claims.acknowledge_cancel(s, job_id, token)
    elif stale == "never given":
        token += 1
    else:
        clock.pass_seconds(31)
        with database.write() as s:
            assert claims.rescue(s) == 1
        if stale == "rescued and claimed again":
            _, current = samples.claim(database, "wrk_b")
            assert current == token + 1
    before = dump(database)
    with pytest.raises(LeaseLost, match=job_id), database.write() as s:
        FENCED[what](s, job_id, token)
    assert dump(database) == before


@pytest.mark.parametrize("what", FENCED)
def test_the_token_in_force_may_write_each_of_them(database: Database, what: str) -> None:
    job_id, token = samples.submit_and_claim(database)
    if what == "acknowledge_cancel":
        with database.write() as s:
            jobs.request_cancel(s, job_id)
    before = dump(database)
    with database.write() as s:
        FENCED[what](s, job_id, token)
    assert (dump(database) == before) == (what == "heartbeat")


def test_a_heartbeat_extends_the_lease_from_now(database: Database, clock: ManualClock) -> None:
    job_id, token = samples.submit_and_claim(database)
    for _ in range(5):
        clock.pass_seconds(29)
        with database.write() as s:
            assert claims.rescue(s) == 0
            assert claims.heartbeat(s, job_id, token) is False
    clock.pass_seconds(30.5)
    with database.write() as s:
        assert claims.rescue(s) == 1


def test_a_late_heartbeat_keeps_a_job_that_nobody_rescued(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    clock.pass_seconds(600)
    with database.write() as s:
        claims.heartbeat(s, job_id, token)
        assert claims.rescue(s) == 0


def test_recorded_epochs_are_history_progress_events_and_lease_in_one(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    clock.pass_seconds(25)
    records = [samples.record(1, 0.5), samples.record(2, 0.25)]
    halfway = Progress(epoch=2, epochs=5, eta_seconds=0.75)
    with database.write() as s:
        assert claims.record_epochs(s, job_id, token, records, halfway) is False
    clock.pass_seconds(25)
    with database.write() as s:
        assert claims.rescue(s) == 0
        assert epochs.all_of(s, job_id) == records
    assert samples.get(database, job_id).progress == halfway
    with database.read() as s:
        rows = [event.data for event in events.after(s, job_id) if event.what == "epoch"]
    assert rows == [record.as_row() for record in records]


def test_recording_tells_that_a_cancel_was_asked_for(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        jobs.request_cancel(s, job_id)
        assert claims.record_epochs(s, job_id, token, [samples.record(1)], samples.progress(1))


def test_an_epoch_trained_again_alike_is_told_to_nobody(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    first = samples.record(1, float("nan"))
    with database.write() as s:
        claims.record_epochs(s, job_id, token, [first], samples.progress(1))
        claims.release(s, job_id, token)
    _, token = samples.claim(database)
    assert samples.get(database, job_id).progress.epoch == 0
    slower = first.model_copy(update={"seconds": 9.0, "samples_per_second": 10.0})
    with database.write() as s:
        claims.record_epochs(s, job_id, token, [slower, samples.record(2)], samples.progress(2))
        assert epochs.epochs_run(s, job_id) == 2
        assert epochs.all_of(s, job_id)[0].seconds == first.seconds
        assert events.nondeterminism(s, job_id) == []
    assert told(database, job_id).count("epoch") == 2


def test_an_epoch_trained_again_with_other_metrics_is_an_event_and_the_first_stays(
    database: Database,
) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        claims.record_epochs(s, job_id, token, [samples.record(1, 0.5)], samples.progress(1))
        claims.release(s, job_id, token)
    _, token = samples.claim(database)
    with database.write() as s:
        # One unit in the last place is another number.
        other = samples.record(1, 0.5000000000000001)
        claims.record_epochs(s, job_id, token, [other], samples.progress(1))
        (event,) = events.nondeterminism(s, job_id)
        assert epochs.all_of(s, job_id) == [samples.record(1, 0.5)]
    assert event.data == {
        "trial": 1,
        "fold": 1,
        "epoch": 1,
        "first": {"loss": 0.5},
        "again": {"loss": 0.5000000000000001},
    }
    assert told(database, job_id) == ["queued", "running", "epoch", "queued", "running"]


def test_an_epoch_that_skips_one_is_refused_with_all_that_came_along(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    for records in ([samples.record(2)], [samples.record(1), samples.record(3)]):
        with pytest.raises(Conflict, match="Expected epoch"), database.write() as s:
            claims.record_epochs(s, job_id, token, records, samples.progress(3))
    with database.read() as s:
        assert epochs.epochs_run(s, job_id) == 0
    assert samples.get(database, job_id).progress.epoch == 0


def test_success_is_the_state_the_model_the_scores_and_one_end_at_once(
    database: Database,
) -> None:
    model = samples.train(database, name="m")
    job = samples.get(database, model.job_id)
    assert (job.state, job.model_id, job.device) == (JobState.SUCCEEDED, model.id, "cpu: 2 cores")
    assert job.evaluations == (samples.evaluation(id=job.evaluations[0].id),)
    assert told(database, job.id) == ["queued", "running", "succeeded", "done"]


def test_a_job_with_an_accepted_cancel_never_becomes_succeeded(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        jobs.request_cancel(s, job_id)
    with pytest.raises(CancelRequested, match=job_id), database.write() as s:
        samples.succeed(s, job_id, token)
    with database.write() as s:
        assert models.page(s).data == []
        assert claims.acknowledge_cancel(s, job_id, token) is JobState.CANCELLED
    with pytest.raises(LeaseLost), database.write() as s:
        samples.succeed(s, job_id, token)
    assert samples.get(database, job_id).state is JobState.CANCELLED
    assert told(database, job_id) == ["queued", "running", "cancelled", "done"]


def test_a_cancel_that_comes_after_the_success_is_a_conflict(database: Database) -> None:
    model = samples.train(database)
    with pytest.raises(Conflict, match="succeeded"), database.write() as s:
        jobs.request_cancel(s, model.job_id)


def end_by(s: WriteSession, how: str, job_id: str, token: int, clock: ManualClock) -> None:
    if how == "rescue":
        clock.pass_seconds(31)
        assert claims.rescue(s) == 1
    else:
        FENCED[how](s, job_id, token)


@pytest.mark.parametrize("how", ["fail", "release", "child_died", "retry_later", "park", "rescue"])
def test_whatever_ends_a_job_with_an_accepted_cancel_ends_it_cancelled(
    database: Database, clock: ManualClock, how: str
) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        jobs.request_cancel(s, job_id)
    with database.write() as s:
        end_by(s, how, job_id, token, clock)
    job = samples.get(database, job_id)
    assert (job.state, job.error) == (JobState.CANCELLED, None)
    assert told(database, job_id) == ["queued", "running", "cancelled", "done"]


def test_a_cancel_that_nobody_asked_for_cannot_be_acknowledged(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    with pytest.raises(Conflict, match="None was asked"), database.write() as s:
        claims.acknowledge_cancel(s, job_id, token)
    with database.write() as s:
        assert claims.heartbeat(s, job_id, token) is False


def test_a_failure_keeps_its_problem_whatever_its_text_holds(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    error = MissingValues(
        "row 3\x00 \udc80 " + "x" * 100_000,
        errors=[FieldError(loc=("recipe", 0), msg="\ud800", received=[float("inf")])],
    )
    with database.write() as s:
        assert claims.fail(s, job_id, token, error, samples.ENVIRONMENT) is JobState.FAILED
    job = samples.get(database, job_id)
    assert job.error is not None
    again = from_stored(job.error)
    assert type(again) is MissingValues
    assert again.detail.startswith("row 3\ufffd \ufffd xxx")
    assert len(again.detail) < 10_000
    assert again.errors[0].loc == ("recipe", 0)
    assert (job.device, job.versions) == ("cpu: 2 cores", {"keras": "3.15.1"})
    assert told(database, job_id) == ["queued", "running", "failed", "done"]


def test_a_released_job_is_at_once_free_and_nothing_is_counted(database: Database) -> None:
    first, token = samples.submit_and_claim(database)
    second = samples.submit(database).id
    with database.write() as s:
        assert claims.release(s, first, token) is JobState.QUEUED
    counters = "SELECT stalls + losses + errors FROM jobs WHERE attempt > 0"
    with database.read() as s:
        assert s.scalar(text(counters)) == 0
    # Its age is that of its submit.
    again, token = samples.claim(database)
    assert (again.id, again.attempt, token) == (first, 2, 2)
    assert samples.claim(database)[0].id == second


def test_log_lines_are_kept_in_order_with_their_attempt(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        claims.log(s, job_id, token, [f"line {number}" for number in range(5)])
        claims.log(s, job_id, token, [])
        claims.release(s, job_id, token)
    _, token = samples.claim(database)
    with database.write() as s:
        claims.log(s, job_id, token, ["again \x00\udcff", "y" * 10_000])
        first = logs.page(s, job_id, limit=5)
        second = logs.page(s, job_id, limit=5, after=first.next)
    assert [line.line for line in first.data] == [f"line {number}" for number in range(5)]
    assert {line.attempt for line in first.data} == {1}
    assert [(line.attempt, line.line) for line in second.data] == [
        (2, "again \ufffd\ufffd"),
        (2, "y" * logs.MAX_LINE),
    ]
    assert second.next is None


def test_a_job_that_prints_without_end_keeps_its_newest_lines(database: Database) -> None:
    other, other_token = samples.submit_and_claim(database)
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        claims.log(s, other, other_token, ["of another job"])
        for start in range(0, 25_000, 12_500):
            claims.log(s, job_id, token, [str(start + number) for number in range(12_500)])
        kept = logs.page(s, job_id, limit=20_000).data
        assert len(logs.page(s, other).data) == 1
    assert [line.line for line in kept] == [str(number) for number in range(15_000, 25_000)]


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "9" * 19, "²"])
def test_a_cursor_that_is_no_place_in_a_log_is_refused(database: Database, after: str) -> None:
    job_id = samples.submit(database).id
    with pytest.raises(InvalidSpec, match="`after`"), database.read() as s:
        logs.page(s, job_id, after=after)


def test_a_job_that_left_running_since_it_was_looked_at_does_not_leave_it_twice(
    database: Database,
) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        seen = fence.require_held(s, job_id, token)
        claims.release(s, job_id, token)
        with pytest.raises(LeaseLost):
            fence.leave_running(s, seen, JobState.FAILED, error=ChildDied("x"))
    assert told(database, job_id) == ["queued", "running", "queued"]
