"""A claimed search carried by a real process: its rounds, and what interrupts them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.domain.jobs import JobState
from service.domain.plan import Plan
from service.domain.tune.proposals import Proposal
from service.store import claims, proposals
from tests.tuning.tuned_jobs import OPEN, Key, NotingExecutor, TunedJobs

# Programs are compiled in a child, beside other tests on two cores.
pytestmark = pytest.mark.timeout(120)

FOLDS = (1, 2)
RANGES = {"hidden_units": {"min": 2, "max": 9}, "learn_rate": {"min": -3, "max": -1}}
SEARCH: dict[str, Any] = {
    "model": {
        "hidden_units": OPEN,
        "learn_rate": OPEN,
        "activation": "relu",
        "epochs": 3,
        "seeds": [1, 2, 3],
    },
    "grid": {"kind": "bayes", "ranges": RANGES, "initial": 3, "size": 8, "seed": 11},
}
ROUNDS = [{1, 2, 3}, {4, 5, 6}, {7, 8}]
Row = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def executor() -> Iterator[NotingExecutor]:
    with closing(NotingExecutor()) as made:
        made.start()
        yield made


@pytest.fixture
def place(executor: NotingExecutor, tmp_path: Path) -> Iterator[TunedJobs]:
    executor.forget()
    made = TunedJobs(tmp_path, executor)
    with closing(made.database):
        yield made


def proposed(place: TunedJobs, job_id: str) -> list[Proposal]:
    with place.database.read() as s:
        return proposals.of_job(s, job_id)


def keys(rounds: list[set[int]]) -> set[Key]:
    return {(trial, fold) for own in rounds for trial in own for fold in FOLDS}


def rounds_asked(executor: NotingExecutor) -> list[set[int]]:
    """Return the trials of each round that was trained, in their order."""
    found: list[set[int]] = []
    for fits in executor.asked:
        trials = {trial for trial, _ in fits}
        number = next(at for at, own in enumerate(ROUNDS) if trials <= own)
        while len(found) <= number:
            found.append(set())
        assert number == len(found) - 1, "rounds follow one another"
        found[number] |= trials
    return found


def test_a_search_trains_its_rounds_one_after_another_and_each_together(
    place: TunedJobs, executor: NotingExecutor
) -> None:
    job_id = place.submit(**SEARCH)
    assert place.job(job_id).progress.trials == 8
    assert place.job(job_id).progress.epochs == 8 * 2 * 3
    job = place.carry()
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert rounds_asked(executor) == ROUNDS
    assert len(executor.asked) < len(keys(ROUNDS))
    found = place.results(job_id)
    assert {(each.trial, each.fold) for each in found} == keys(ROUNDS)
    assert {each.ending for each in found} == {"completed"}
    told = proposed(place, job_id)
    assert [each.trial for each in told] == [4, 5, 6, 7, 8]
    assert all(2 <= each.values["hidden_units"] <= 9 for each in told)  # type: ignore[operator]
    assert all(0.001 <= each.values["learn_rate"] <= 0.1 for each in told)  # type: ignore[operator]
    assert (job.progress.epoch, job.progress.epochs) == (48, 48)
    assert (job.progress.trials_done, job.progress.trials) == (8, 8)
    plan = Plan.model_validate(job.plan)
    assert sorted(n for cohort in plan.cohorts for n in cohort.fits) == list(range(16))
    assert job.bit_exact is True
    said = [line for line in place.log(job_id) if "proposes" in line]
    assert [line.rpartition("proposes ")[2] for line in said] == ["trials 4 to 6", "trials 7 to 8"]
    assert all(line.startswith("TPE of Optuna ") for line in said)


def test_a_search_finds_what_a_grid_of_its_candidates_finds(place: TunedJobs) -> None:
    job_id = place.submit(**SEARCH)
    place.carry()
    again = place.submit(**SEARCH)
    place.carry()
    told = proposed(place, job_id)
    assert proposed(place, again) == told
    assert place.results(again) == place.results(job_id)
    rows = [each.values for each in told]
    grid = place.submit(**{**SEARCH, "grid": {"kind": "rows", "rows": rows}})
    place.carry()
    later = [each for each in place.results(job_id) if each.trial > 3]
    assert [each.model_copy(update={"trial": each.trial + 3}) for each in place.results(grid)] == (
        later
    )


@pytest.mark.parametrize("ended", [1, 6, 7, 12])
def test_a_search_that_was_stopped_goes_on_with_the_same_candidates_and_trains_none_again(
    place: TunedJobs, executor: NotingExecutor, ended: int
) -> None:
    untouched = place.submit(**SEARCH)
    place.carry()
    expected, told, histories = (
        place.results(untouched), proposed(place, untouched), place.histories(untouched)
    )  # fmt: skip
    job_id = place.submit(**SEARCH)
    first = place.carry(is_draining=lambda: len(place.results(job_id)) >= ended)
    assert (first.state, first.attempt) == (JobState.QUEUED, 1)
    known = {(each.trial, each.fold) for each in place.results(job_id)}
    assert ended <= len(known) < 16
    executor.forget()
    job = place.carry()
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    again = [key for fits in executor.asked for key in fits]
    assert sorted(again) == sorted(keys(ROUNDS) - known)
    assert proposed(place, job_id) == told
    assert place.results(job_id) == expected
    assert place.histories(job_id) == histories
    assert job.bit_exact is True
    assert job.plan == place.job(untouched).plan


def test_what_was_proposed_before_a_crash_is_trained_and_not_proposed_anew(
    place: TunedJobs, executor: NotingExecutor
) -> None:
    job_id = place.submit(**SEARCH)
    place.carry(is_draining=lambda: len(place.results(job_id)) >= 6)
    assert proposed(place, job_id) == []
    # Others than the sampler would propose, so that it shows whose they are; the process died
    # before it had planned them.
    given = [
        Proposal(trial=4 + at, values={"hidden_units": 2 + at, "learn_rate": 0.05})
        for at in range(3)
    ]
    with place.database.write() as s:
        claim = claims.claim(s, "wrk_other")
        assert claim is not None
        proposals.keep(s, job_id, claim.token, given)
        claims.release(s, job_id, claim.token)
    executor.forget()
    job = place.carry()
    assert job.state is JobState.SUCCEEDED
    assert rounds_asked(executor) == [set(), *ROUNDS[1:]]
    assert proposed(place, job_id)[:3] == given
    by_trial = {each.trial: each.n_parameters for each in place.results(job_id)}
    assert [by_trial[trial] for trial in (4, 5, 6)] == [h * 6 + h + 4 * h + 4 for h in (2, 3, 4)]


def test_a_cancelled_search_keeps_what_had_ended(place: TunedJobs) -> None:
    job_id = place.submit(**SEARCH)

    def cancel_once() -> bool:
        found = place.results(job_id)
        if len(found) >= 7 and place.job(job_id).cancel_requested_at is None:
            place.cancel(job_id)
        return False

    job = place.carry(is_draining=cancel_once)
    assert job.state is JobState.CANCELLED
    assert len(place.results(job_id)) >= 7
    assert len(proposed(place, job_id)) >= 3


def test_finalize_publishes_the_best_whoever_proposed_it(
    place: TunedJobs, executor: NotingExecutor
) -> None:
    job_id = place.submit(**SEARCH, name="found", finalize={"metric": "accuracy"})
    job = place.carry()
    assert job.state is JobState.SUCCEEDED
    means: dict[int, float] = {}
    for each in place.results(job_id):
        means[each.trial] = means.get(each.trial, 0) + (each.scores["accuracy"] or 0)
    best = max(means, key=lambda trial: (means[trial], -trial))
    parameters = {each.trial: each.n_parameters for each in place.results(job_id)}
    assert place.model(job).n_parameters == parameters[best]
    # The epochs of the last fit are those of one trial more.
    assert set(place.histories(job_id)) == keys(ROUNDS) | {(9, 1)}
    assert executor.asked[-1] == [(9, 1)]


# A number of the last row is too large for the network, wherever a candidate keeps its column.
HOLED: dict[str, Any] = {
    "model": {"hidden_units": 3, "epochs": 2, "seeds": [1, 2, 3]},
    "recipe": [{"step": "remove", "columns": {"tune": "dropped"}}],
    "resamples": {"kind": "validation_split", "seed": 3},
}


def of_columns(*columns: str) -> dict[str, Any]:
    ranges = {"dropped": {"values": list(columns)}}
    return {"kind": "bayes", "ranges": ranges, "initial": 2, "size": 30, "seed": 1}


def test_a_space_of_qualities_is_searched_to_its_end_and_failures_have_notes(
    executor: NotingExecutor, tmp_path: Path
) -> None:
    place = TunedJobs(tmp_path, executor, hole=True)
    with closing(place.database):
        job_id = place.submit(**HOLED, grid=of_columns("x2", "x1", "x9", "x3", "x4"))
        job = place.carry()
        found = place.results(job_id)
    assert job.state is JobState.SUCCEEDED
    assert [each.trial for each in found] == [1, 2, 3, 4, 5]
    assert sum(each.note is None for each in found) == 1
    assert any("'x9'" in str(each.note) for each in found)
    assert (job.progress.trials_done, job.progress.trials) == (5, 5)


def test_a_search_whose_candidates_all_failed_says_why(
    executor: NotingExecutor, tmp_path: Path
) -> None:
    place = TunedJobs(tmp_path, executor, hole=True)
    with closing(place.database):
        place.submit(**HOLED, grid=of_columns("x2", "x3", "x4", "x5"))
        job = place.carry()
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "all-failed"
    assert " of 4: " in job.error["detail"]


def test_a_worker_without_optuna_fails_the_job_with_the_cure_and_keeps_the_first_round(
    place: TunedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = place.submit(**SEARCH)
    monkeypatch.setitem(sys.modules, "optuna", None)
    job = place.carry()
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "invalid-spec"
    assert "the extra `search`" in job.error["detail"]
    assert {each.trial for each in place.results(job_id)} == ROUNDS[0]
