from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from service.domain.errors import CancelRequested, ChildDied, Conflict, LeaseLost, NotFound
from service.domain.jobs import Environment, JobState, Progress, Replay
from service.domain.replay import report
from service.store import claims, datasets, events, jobs, models, replays
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock

NOW = Environment(device="cpu: 2 cores", versions={"keras": "3.15.2"})


def submit(database: Database, job_id: str) -> str:
    with database.write() as s:
        return replays.submit_replay(s, job_id).id


def found(database: Database, replay_id: str, weights: str = "weights") -> Replay:
    asked = samples.get(database, replay_id).replay
    assert asked is not None
    with database.read() as s:
        then = replays.original(s, replay_id)
    return report(asked, then, samples.sha(weights), NOW)


def test_a_replay_is_the_fits_spec_and_data_again_under_no_name(
    database: Database, clock: ManualClock
) -> None:
    fit = samples.trained(database, priority=3, tags={"who": "me"})
    clock.pass_seconds(60)
    with database.write() as s:
        replay = replays.submit_replay(s, fit.id)
        assert jobs.datasets_of(s, replay.id) == jobs.datasets_of(s, fit.id)
        assert list(jobs.datasets_of(s, replay.id)) == ["digits"]
    assert (replay.kind, replay.name, replay.state) == ("replay", None, JobState.QUEUED)
    assert (replay.spec, replay.spec_sha256) == (fit.spec, fit.spec_sha256)
    assert (replay.priority, replay.tags) == (3, {"who": "me"})
    assert replay.progress == Progress(epoch=0, epochs=fit.progress.epochs)
    assert replay.created_at == clock.utc()
    assert replay.replay == Replay(of=fit.id, expected_sha256=samples.sha("weights"))
    assert samples.get(database, replay.id) == replay
    assert samples.get(database, fit.id) == fit


def test_a_replay_needs_what_was_trained_on_and_not_what_was_only_evaluated(
    database: Database,
) -> None:
    with database.write() as s:
        used = {name: samples.register(s, name).id for name in ("digits", "val", "test")}
    spec = {
        "dataset": "digits",
        "engine": {"validation_dataset": "val"},
        "evaluate": [{"dataset": "test"}],
    }
    fit = samples.train(database, spec=spec, datasets=used).job_id
    with database.write() as s:
        datasets.delete(s, "test")
        replay = replays.submit_replay(s, fit)
        assert jobs.datasets_of(s, replay.id).keys() == {"digits", "val"}
        with pytest.raises(Conflict, match=replay.id):
            datasets.delete(s, "val")
        jobs.request_cancel(s, replay.id)
        datasets.delete(s, "val")
    with pytest.raises(Conflict, match=f"'val' to exist.*'{fit}'"):
        submit(database, fit)


def carry_to(database: Database, state: JobState) -> str:
    job_id = samples.submit(database).id
    if state is JobState.QUEUED:
        return job_id
    _, token = samples.claim(database)
    with database.write() as s:
        if state is JobState.FAILED:
            claims.fail(s, job_id, token, ChildDied("x"))
        if state is JobState.CANCELLED:
            jobs.request_cancel(s, job_id)
            claims.acknowledge_cancel(s, job_id, token)
    return job_id


@pytest.mark.parametrize("state", [state for state in JobState if state != JobState.SUCCEEDED])
def test_a_job_that_has_not_succeeded_cannot_be_replayed(
    database: Database, state: JobState
) -> None:
    job_id = carry_to(database, state)
    with pytest.raises(Conflict, match=f"has succeeded.*{state.value}"):
        submit(database, job_id)
    with database.read() as s:
        assert samples.states(s) == {state.value: 1}


def test_a_replay_is_not_replayed_and_its_refusal_names_the_first_job(database: Database) -> None:
    fit = samples.trained(database)
    replay, token = samples.replay_and_claim(database, fit.id)
    with database.write() as s:
        claims.finish_replay(s, replay, token, found(database, replay), NOW)
    with pytest.raises(Conflict, match=f"itself a replay.*'{fit.id}'"):
        submit(database, replay)


def test_a_job_that_is_no_fit_or_whose_model_is_gone_cannot_be_replayed(
    database: Database,
) -> None:
    tune = samples.submit(database, kind="tune").id
    with pytest.raises(Conflict, match="tune"):
        submit(database, tune)
    with database.write() as s:
        jobs.request_cancel(s, tune)
    fit = samples.trained(database)
    with database.write() as s:
        models.delete(s, "m")
    with pytest.raises(Conflict, match="model"):
        submit(database, fit.id)


@pytest.mark.parametrize("job_id", ["", "\x00", "job_" + "0" * 26])
def test_an_unknown_job_cannot_be_replayed(database: Database, job_id: str) -> None:
    with pytest.raises(NotFound):
        submit(database, job_id)


@pytest.mark.parametrize(("weights", "same"), [("weights", True), ("others", False)])
def test_a_replay_succeeds_without_a_model_and_says_what_it_found(
    database: Database, weights: str, same: bool
) -> None:
    fit = samples.trained(database)
    replay, token = samples.replay_and_claim(database, fit.id)
    told = found(database, replay, weights)
    with database.write() as s:
        claims.finish_replay(s, replay, token, told, NOW)
    job = samples.get(database, replay)
    assert (job.state, job.model_id, job.evaluations) == (JobState.SUCCEEDED, None, ())
    assert (job.device, job.versions) == (NOW.device, NOW.versions)
    assert job.replay == told
    assert job.replay is not None
    assert (job.replay.same, job.replay.of) == (same, fit.id)
    assert [part.name for part in job.replay.differences] == ["keras"]
    with database.read() as s:
        assert [each.job_id for each in models.page(s).data] == [fit.id]
        ends = [event.data for event in events.after(s, replay) if event.what == "done"]
    assert ends == [{"state": "succeeded"}]


def test_a_replay_that_was_cancelled_or_taken_away_reports_nothing(
    database: Database, clock: ManualClock
) -> None:
    fit = samples.trained(database)
    replay, token = samples.replay_and_claim(database, fit.id)
    told = found(database, replay)
    clock.pass_seconds(31)
    with database.write() as s:
        assert claims.rescue(s) == 1
    with pytest.raises(LeaseLost), database.write() as s:
        claims.finish_replay(s, replay, token, told, NOW)
    _, token = samples.claim(database)
    with database.write() as s:
        jobs.request_cancel(s, replay)
    with pytest.raises(CancelRequested, match=replay), database.write() as s:
        claims.finish_replay(s, replay, token, told, NOW)
    with database.write() as s:
        claims.acknowledge_cancel(s, replay, token)
    job = samples.get(database, replay)
    assert job.state is JobState.CANCELLED
    assert job.replay == Replay(of=fit.id, expected_sha256=samples.sha("weights"))


def test_the_database_itself_keeps_fits_and_replays_apart(database: Database) -> None:
    fit = samples.trained(database)
    replay, token = samples.replay_and_claim(database, fit.id)
    with pytest.raises(IntegrityError, match="replay_leaves_no_model"), database.write() as s:
        samples.succeed(s, replay, token)
    with pytest.raises(IntegrityError, match="replay_from_the_start"), database.write() as s:
        claims.checkpointed(s, replay, token, 1, "here")
    told = found(database, replay)
    other, token = samples.submit_and_claim(database)
    with pytest.raises(IntegrityError, match="ck_jobs"), database.write() as s:
        claims.finish_replay(s, other, token, told, NOW)
    assert samples.get(database, other).state is JobState.RUNNING


def test_the_first_job_stays_until_its_replays_have_ended_and_their_reports_outlive_it(
    database: Database,
) -> None:
    fit = samples.trained(database)
    ended, token = samples.replay_and_claim(database, fit.id)
    with database.write() as s:
        claims.finish_replay(s, ended, token, found(database, ended), NOW)
    before = samples.get(database, ended)
    queued = submit(database, fit.id)
    with pytest.raises(Conflict, match=queued), database.write() as s:
        jobs.delete(s, fit.id)
    with database.write() as s:
        # The hash to compare with was noted when the replay was asked for.
        models.delete(s, "m")
        jobs.request_cancel(s, queued)
        jobs.delete(s, fit.id)
    assert samples.get(database, ended) == before
    with pytest.raises(Conflict, match=queued), database.write() as s:
        jobs.retry(s, queued)
    assert samples.get(database, queued).state is JobState.CANCELLED
    with database.write() as s:
        jobs.delete(s, ended)
        jobs.delete(s, queued)
        assert samples.states(s) == {}


def test_a_failed_replay_can_be_tried_again_and_be_found_by_its_kind(database: Database) -> None:
    fit = samples.trained(database)
    replay, token = samples.replay_and_claim(database, fit.id)
    with database.write() as s:
        claims.fail(s, replay, token, ChildDied("x"), NOW)
        assert jobs.retry(s, replay).replay == samples.get(database, replay).replay
    job, token = samples.claim(database)
    assert (job.id, job.kind, job.attempt) == (replay, "replay", 2)
    with database.write() as s:
        claims.finish_replay(s, replay, token, found(database, replay), NOW)
        (listed,) = jobs.page(s, kind="replay").data
    assert listed == samples.get(database, replay).model_copy(update={"spec": {}})


@pytest.mark.parametrize("which", ["a fit", "nothing"])
def test_only_a_replay_has_an_original(database: Database, which: str) -> None:
    fit = samples.trained(database).id
    with pytest.raises(Conflict, match="is no replay"), database.read() as s:
        replays.original(s, fit if which == "a fit" else "job_x")


def test_the_environment_to_compare_with_is_the_first_jobs(database: Database) -> None:
    fit = samples.trained(database)
    replay = submit(database, fit.id)
    with database.read() as s:
        assert replays.original(s, replay) == samples.ENVIRONMENT
