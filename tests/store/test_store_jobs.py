from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from service.domain.errors import Conflict, Diverged, InvalidSpec, NotFound
from service.domain.jobs import JobState, Progress
from service.store import aliases, claims, datasets, epochs, events, jobs, logs, models
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock


def ended(database: Database, state: JobState, **fields: Any) -> str:
    """Return a job that was carried to `state`."""
    job_id, token = samples.submit_and_claim(database, **fields)
    with database.write() as s:
        claims.record_epochs(s, job_id, token, [samples.record(1)], samples.progress(1))
        claims.log(s, job_id, token, ["one line"])
        match state:
            case JobState.SUCCEEDED:
                samples.succeed(s, job_id, token)
            case JobState.FAILED:
                claims.fail(s, job_id, token, Diverged("loss is nan"), samples.ENVIRONMENT)
            case _:
                jobs.request_cancel(s, job_id)
                claims.acknowledge_cancel(s, job_id, token)
    assert samples.get(database, job_id).state == state
    return job_id


def test_a_submitted_job_is_queued_and_remembered_whole(
    database: Database, clock: ManualClock
) -> None:
    spec = {
        "kind": "fit",
        "recipe": [{"step": "divide", "by": 1 / 3}],
        "n": None,
        "text": "é\\u0000",
    }
    job = samples.submit(
        database, spec=spec, name="relu-30", priority=7, tags={"who": "me"}, epochs=12, trials=3
    )
    assert job.state is JobState.QUEUED
    assert (job.name, job.kind, job.priority, job.attempt) == ("relu-30", "fit", 7, 0)
    assert job.spec == spec
    assert list(job.spec) == list(spec)
    assert job.tags == {"who": "me"}
    assert job.progress == Progress(epoch=0, epochs=12, trials_done=0, trials=3)
    assert job.created_at == clock.utc()
    assert (job.started_at, job.finished_at, job.cancel_requested_at) == (None, None, None)
    assert (job.error, job.model_id, job.evaluations, job.device) == (None, None, (), None)
    assert samples.get(database, job.id) == job


@pytest.mark.parametrize(
    "fields",
    [
        {"spec": {"a": ["\x00"]}},
        {"spec": {"\ud800": 1}},
        {"tags": {"k": "\x00"}},
        {"name": "a\x00"},
        {"name": "job_" + "0" * 26},
        {"spec": {"loss": float("nan")}},
    ],
)
def test_a_job_with_text_that_cannot_be_kept_is_refused(
    database: Database, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidSpec, match="Expected"):
        samples.submit(database, **fields)
    with database.read() as s:
        assert samples.states(s) == {}


@pytest.mark.parametrize(
    "job_id", ["", "job_1", "\x00", "\ud800", "job_" + "0" * 26, "ds_" + "0" * 26]
)
def test_an_unknown_job_is_not_found_by_any_call(database: Database, job_id: str) -> None:
    with database.read() as s:
        for read in (jobs.get, jobs.datasets_of, events.after, epochs.page, logs.page):
            with pytest.raises(NotFound):
                read(s, job_id)
    for write in (jobs.request_cancel, jobs.retry, jobs.delete):
        with pytest.raises(NotFound), database.write() as s:
            write(s, job_id)


def test_pages_give_every_job_once_newest_first_while_new_ones_arrive(
    database: Database, clock: ManualClock
) -> None:
    made = [samples.submit(database).id for _ in range(10)]
    seen: list[str] = []
    after = None
    while True:
        with database.read() as read:
            page = jobs.page(read, limit=4, after=after)
        assert all(job.spec == {} for job in page.data)
        seen += [job.id for job in page.data]
        clock.wall -= timedelta(hours=1)
        samples.submit(database)
        # The job that the cursor names may be gone: the next page begins behind its place.
        if page.next is None:
            break
        after = page.next
        with database.write() as s:
            jobs.request_cancel(s, after)
            jobs.delete(s, after)
    assert seen == made[::-1]


def test_a_full_last_page_has_no_more(database: Database) -> None:
    for _ in range(4):
        samples.submit(database)
    with database.read() as s:
        page = jobs.page(s, limit=4)
    assert (len(page.data), page.has_more, page.next) == (4, False, None)


def test_jobs_are_filtered_by_state_kind_name_and_dataset(database: Database) -> None:
    failed = ended(database, JobState.FAILED)
    succeeded = ended(database, JobState.SUCCEEDED)
    cancelled = ended(database, JobState.CANCELLED)
    running, _ = samples.submit_and_claim(database, name="mine")
    with database.write() as s:
        dataset = samples.register(s, "digits")
        queued = jobs.submit(s, samples.new_job(dataset.id, kind="tune", name="mine")).id

    def found(**filters: Any) -> list[str]:
        with database.read() as s:
            return [job.id for job in jobs.page(s, **filters).data]

    assert found() == [queued, running, cancelled, succeeded, failed]
    by_state = {state: found(state=state) for state in JobState}
    assert by_state == {
        JobState.QUEUED: [queued],
        JobState.RUNNING: [running],
        JobState.SUCCEEDED: [succeeded],
        JobState.FAILED: [failed],
        JobState.CANCELLED: [cancelled],
    }
    assert found(kind="tune") == [queued]
    assert found(name="mine") == [queued, running]
    assert found(name="mine", state=JobState.RUNNING) == [running]
    assert found(dataset="digits") == found(dataset=dataset.id) == [queued]
    assert found(dataset="nothing") == []
    with database.read() as read:
        assert jobs.counts(read) == dict.fromkeys(by_state, 1)


def test_a_queued_job_is_cancelled_at_once_and_never_claimed(database: Database) -> None:
    job = samples.submit(database)
    with database.write() as s:
        cancelled = jobs.request_cancel(s, job.id)
    assert cancelled.state is JobState.CANCELLED
    assert cancelled.finished_at is not None
    with database.write() as s:
        assert claims.claim(s, "wrk_a") is None
        assert jobs.request_cancel(s, job.id) == cancelled
    with database.read() as s:
        told = [(event.what, event.data) for event in events.after(s, job.id)]
    assert told == [
        ("state", {"state": "queued"}),
        ("state", {"state": "cancelled"}),
        ("done", {"state": "cancelled"}),
    ]


def test_a_running_job_is_asked_to_stop_and_the_first_asking_counts(
    database: Database, clock: ManualClock
) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        asked = jobs.request_cancel(s, job_id)
    assert asked.state is JobState.RUNNING
    assert asked.cancel_requested_at == clock.utc()
    clock.pass_seconds(5)
    with database.write() as s:
        assert jobs.request_cancel(s, job_id) == asked
        assert claims.heartbeat(s, job_id, token) is True


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_an_ended_job_cannot_be_cancelled(database: Database, state: JobState) -> None:
    job_id = ended(database, state)
    before = samples.get(database, job_id)
    with pytest.raises(Conflict, match=state.value), database.write() as s:
        jobs.request_cancel(s, job_id)
    assert samples.get(database, job_id) == before


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_retried_job_is_as_new_and_its_stream_begins_anew(
    database: Database, state: JobState
) -> None:
    job_id = ended(database, state, name="again")
    with database.read() as read:
        before = events.after(read, job_id)
    with database.write() as s:
        job = jobs.retry(s, job_id)
        assert epochs.epochs_run(s, job_id) == 0
        assert logs.page(s, job_id).data[0].line == "one line"
    assert job.state is JobState.QUEUED
    assert (job.error, job.started_at, job.finished_at) == (None, None, None)
    assert (job.cancel_requested_at, job.device, job.progress.epoch) == (None, None, 0)
    with database.read() as read:
        (queued,) = events.after(read, job_id)
        assert queued.data == {"state": "queued"}
        assert queued.n > before[-1].n
        # Who followed the first run to its end goes on without a gap.
        assert events.after(read, job_id, before[-1].n) == [queued]
    again, token = samples.claim(database)
    assert (again.id, again.attempt) == (job_id, 2)
    with database.write() as s:
        claims.record_epochs(s, job_id, token, [samples.record(1, 0.9)], samples.progress(1))
        assert samples.succeed(s, job_id, token, "again").version == 1
    with database.read() as read:
        told = [event.what for event in events.after(read, job_id)]
        assert told == ["state", "state", "epoch", "state", "done"]
        assert events.nondeterminism(read, job_id) == []


def test_a_retried_job_can_be_cancelled_in_the_queue(database: Database) -> None:
    job_id = ended(database, JobState.FAILED)
    for _ in range(2):
        with database.write() as s:
            jobs.retry(s, job_id)
        with database.write() as s:
            assert jobs.request_cancel(s, job_id).state is JobState.CANCELLED


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
def test_only_a_failed_or_cancelled_job_can_be_retried(database: Database, state: JobState) -> None:
    if state is JobState.SUCCEEDED:
        job_id = ended(database, state)
    else:
        job_id = samples.submit(database).id
        if state is JobState.RUNNING:
            samples.claim(database)
    with pytest.raises(Conflict, match=state.value), database.write() as s:
        jobs.retry(s, job_id)


def test_a_job_whose_dataset_is_gone_cannot_be_retried(database: Database) -> None:
    with database.write() as s:
        dataset = samples.register(s)
        job = jobs.submit(s, samples.new_job(dataset.id))
        jobs.request_cancel(s, job.id)
        datasets.delete(s, dataset.id)
    with pytest.raises(Conflict, match="'digits'"), database.write() as s:
        jobs.retry(s, job.id)
    assert samples.get(database, job.id).state is JobState.CANCELLED


def test_deleting_a_job_takes_everything_of_it_along(database: Database) -> None:
    job_id = ended(database, JobState.SUCCEEDED)
    with database.write() as s:
        model_id = samples.get(database, job_id).model_id
        assert model_id is not None
        models.add_evaluation(s, model_id, samples.evaluation())
        jobs.delete(s, job_id)
        with pytest.raises(NotFound):
            models.get(s, model_id)
        assert (
            s.connection()
            .exec_driver_sql(
                "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM epochs)"
                " + (SELECT count(*) FROM job_logs) + (SELECT count(*) FROM evaluations)"
            )
            .scalar()
            == 0
        )


def test_an_unfinished_or_aliased_job_is_not_deleted(database: Database) -> None:
    queued = samples.submit(database).id
    with pytest.raises(Conflict, match="queued"), database.write() as s:
        jobs.delete(s, queued)
    samples.claim(database)
    with pytest.raises(Conflict, match="running"), database.write() as s:
        jobs.delete(s, queued)
    model = samples.train(database)
    with database.write() as s:
        aliases.put(s, "champion", model.id)
    with pytest.raises(Conflict, match="'champion'"), database.write() as s:
        jobs.delete(s, model.job_id)
    with database.write() as s:
        aliases.delete(s, "champion")
        jobs.delete(s, model.job_id)
        assert samples.states(s) == {"running": 1}
