"""Results of a tune's fits: kept once, told once, only by who holds the job, gone with it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from service.domain.errors import AllFailed, CancelRequested, LeaseLost, NotFound
from service.domain.jobs import JobState, Progress
from service.domain.tune.results import TrialResult
from service.store import claims, events, jobs, logs, rescue, trials
from service.store.database import Database
from service.store.tables import TrialRow
from tests.store import samples
from tests.store.manual_clock import ManualClock


def result(
    trial: int, fold: int = 1, accuracy: float | None = 0.5, **fields: object
) -> TrialResult:
    given = {"ending": "completed", "scores": {"accuracy": accuracy}, "epochs_run": 5, **fields}
    return TrialResult.model_validate({"trial": trial, "fold": fold, **given})


def progress(done: int) -> Progress:
    return Progress(epoch=5 * done, epochs=30, trials_done=done, trials=3, eta_seconds=1.5)


def begun(database: Database) -> tuple[str, int]:
    """Return a claimed tune."""
    spec = {"kind": "tune", "fit": {"dataset": "digits"}}
    return samples.submit_and_claim(database, kind="tune", spec=spec, epochs=30, trials=3)


def record(database: Database, job_id: str, token: int, *results: TrialResult) -> None:
    with database.write() as s:
        trials.record(s, job_id, token, results, progress(len(results)))


def kept(database: Database, job_id: str) -> list[TrialResult]:
    with database.read() as s:
        return trials.of_job(s, job_id)


def told(database: Database, job_id: str) -> list[tuple[int, int]]:
    with database.read() as s:
        found = [each for each in events.after(s, job_id) if each.what == "trial"]
    return [(each.data["trial"], each.data["fold"]) for each in found]


def test_results_come_back_by_trial_and_fold_with_every_digit(database: Database) -> None:
    job_id, token = begun(database)
    first = result(2, 1, 0.1 + 0.2, weights_sha256=samples.sha("w"), stopped_epoch=4, best_epoch=2)
    others = [
        result(1, 2, None, note="one class"),
        result(1, 1, 1 / 3),
        TrialResult(trial=3, fold=1, ending="failed", note="why"),
    ]
    record(database, job_id, token, first)
    record(database, job_id, token, *others)
    assert kept(database, job_id) == [others[1], others[0], first, others[2]]
    assert told(database, job_id) == [(2, 1), (1, 2), (1, 1), (3, 1)]


def test_an_event_names_the_candidate_and_the_leader_and_leaves_the_warnings_to_the_log(
    database: Database,
) -> None:
    job_id, token = begun(database)
    leader = {"trial": 2, "metric": "accuracy", "mean": 0.5}
    named = {2: {"config": "Model2", "values": {"hidden_units": 4}}}
    warned = result(2, warnings=("recipe: zv: flat",))
    with database.write() as s:
        trials.record(s, job_id, token, [warned], progress(1), leader, named)
    assert kept(database, job_id) == [warned]
    with database.read() as s:
        (event,) = [each.data for each in events.after(s, job_id) if each.what == "trial"]
    assert event == {
        **warned.model_dump(mode="json", exclude={"warnings"}),
        **named[2],
        "leader": leader,
    }


def test_a_line_that_is_to_be_said_once_is_not_said_again(database: Database) -> None:
    job_id, token = begun(database)
    long = "x" * (logs.MAX_LINE + 10)
    with database.write() as s:
        claims.log(s, job_id, token, ["a", long, "a"], once=True)
        claims.log(s, job_id, token, ["b", "a", long], once=True)
        claims.log(s, job_id, token, ["a"])
        claims.log(s, job_id, token, [], once=True)
    with database.read() as s:
        lines = [each.line for each in logs.page(s, job_id).data]
    assert [line[:3] for line in lines] == ["a", "xxx", "b", "a"]


def test_the_progress_is_kept_with_the_results(database: Database) -> None:
    job_id, token = begun(database)
    record(database, job_id, token, result(1), result(2))
    assert samples.get(database, job_id).progress == progress(2)
    with database.write() as s:
        trials.record(s, job_id, token, [], progress(3))
    assert samples.get(database, job_id).progress == progress(3)


def test_a_result_is_kept_and_told_once(database: Database, clock: ManualClock) -> None:
    job_id, token = begun(database)
    record(database, job_id, token, result(1, 1, 0.5))
    with database.read() as s:
        at = s.scalar(select(TrialRow.ended_at))
    clock.pass_seconds(5)
    record(database, job_id, token, result(1, 1, 0.9), result(1, 2, 0.7))
    assert [each.scores["accuracy"] for each in kept(database, job_id)] == [0.5, 0.7]
    assert told(database, job_id) == [(1, 1), (1, 2)]
    with database.read() as s:
        assert s.scalar(select(TrialRow.ended_at).where(TrialRow.fold == 1)) == at


def test_who_lost_the_job_adds_nothing_and_changes_no_progress(
    database: Database, clock: ManualClock
) -> None:
    job_id, old = begun(database)
    record(database, job_id, old, result(1))
    clock.pass_seconds(1000)
    with database.write() as s:
        assert rescue.rescue(s) == 1
    clock.pass_seconds(1000)
    job, token = samples.claim(database, "wrk_b")
    assert (job.id, job.attempt) == (job_id, 2)
    before = samples.get(database, job_id)
    with pytest.raises(LeaseLost):
        record(database, job_id, old, result(2), result(3))
    with database.write() as s, pytest.raises(LeaseLost):
        trials.finish(s, job_id, old, samples.ENVIRONMENT)
    assert samples.get(database, job_id) == before
    assert [each.trial for each in kept(database, job_id)] == [1]
    # What was kept by the attempt before is what the next one goes on from.
    record(database, job_id, token, result(2))
    with database.read() as s:
        rows = s.execute(select(TrialRow.trial, TrialRow.attempt).order_by(TrialRow.trial))
        assert [tuple(row) for row in rows] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_job_that_goes_back_to_the_queue_keeps_its_results(
    database: Database, attempts: int
) -> None:
    job_id, token = begun(database)
    for attempt in range(attempts):
        record(database, job_id, token, result(attempt + 1))
        with database.write() as s:
            assert claims.release(s, job_id, token) is JobState.QUEUED
        assert len(kept(database, job_id)) == attempt + 1
        _, token = samples.claim(database)


def test_a_finished_tune_has_succeeded_without_a_model(database: Database) -> None:
    job_id, token = begun(database)
    record(database, job_id, token, result(1))
    with database.write() as s:
        trials.finish(s, job_id, token, samples.ENVIRONMENT)
    job = samples.get(database, job_id)
    assert (job.state, job.model_id, job.error) == (JobState.SUCCEEDED, None, None)
    assert (job.device, job.versions) == (
        samples.ENVIRONMENT.device,
        samples.ENVIRONMENT.versions,
    )
    with database.read() as s:
        *_, state, done = events.after(s, job_id)
    assert (state.what, done.what, done.data) == ("state", "done", {"state": "succeeded"})
    with database.write() as s, pytest.raises(LeaseLost):
        trials.finish(s, job_id, token, samples.ENVIRONMENT)


def test_a_tune_whose_cancel_was_accepted_does_not_succeed_and_keeps_its_results(
    database: Database,
) -> None:
    job_id, token = begun(database)
    record(database, job_id, token, result(1))
    with database.write() as s:
        jobs.request_cancel(s, job_id)
    # What ended before it stops is still worth keeping.
    record(database, job_id, token, result(2))
    with database.write() as s, pytest.raises(CancelRequested):
        trials.finish(s, job_id, token, samples.ENVIRONMENT)
    with database.write() as s:
        claims.acknowledge_cancel(s, job_id, token)
    assert samples.get(database, job_id).state is JobState.CANCELLED
    assert [each.trial for each in kept(database, job_id)] == [1, 2]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_retry_forgets_the_results(database: Database, end: str) -> None:
    job_id, token = begun(database)
    record(database, job_id, token, result(1), result(2))
    with database.write() as s:
        if end == "failed":
            claims.fail(s, job_id, token, AllFailed("No candidate could be judged."))
        else:
            jobs.request_cancel(s, job_id)
            claims.acknowledge_cancel(s, job_id, token)
    assert len(kept(database, job_id)) == 2
    with database.write() as s:
        assert jobs.retry(s, job_id).progress.trials_done == 0
    assert kept(database, job_id) == []
    _, token = samples.claim(database)
    record(database, job_id, token, result(1))
    assert told(database, job_id) == [(1, 1)]


def test_results_are_deleted_with_their_job_and_no_other_s(database: Database) -> None:
    ended = []
    for _ in range(2):
        job_id, token = begun(database)
        record(database, job_id, token, result(1), result(1, 2))
        with database.write() as s:
            trials.finish(s, job_id, token, samples.ENVIRONMENT)
        ended.append(job_id)
    with database.write() as s:
        jobs.delete(s, ended[0])
    with database.read() as s:
        assert s.scalar(select(func.count()).select_from(TrialRow)) == 2
    assert len(kept(database, ended[1])) == 2
    with pytest.raises(NotFound):
        kept(database, ended[0])
