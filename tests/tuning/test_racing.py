"""A race carried by a real process: who stops at which rung, and what interrupts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.domain.jobs import Job, JobState, Progress
from service.domain.tune.results import TrialResult
from service.engine.task import CohortTask, FitOutcome
from service.executors.port import OnEnded, OnEpoch, OnKept, ShouldStop
from service.sources import Sources
from service.tuning.tune_fits import TuneFits
from tests.tuning.tuned_jobs import OPEN, Key, NotingExecutor, TunedJobs

# Programs are compiled in a child, beside other tests on two cores.
pytestmark = pytest.mark.timeout(240)

RATES = [1e-4, 0.03, 0.001, 0.01, 0.1, 0.003]
FOLDS = 2
EPOCHS = 10
# The columns of the table that decide the class.
KNOWN = ["x1", "x2", "x3", "x4"]
# Judged after epochs 2 and 6.
RACE: dict[str, Any] = {"kind": "halving", "factor": 3, "min_epochs": 2}
TUNE: dict[str, Any] = {
    "model": {
        "hidden_units": 4,
        "learn_rate": OPEN,
        "activation": "relu",
        "epochs": EPOCHS,
        "seeds": [1, 2, 3],
    },
    "grid": {"kind": "expand", "values": {"learn_rate": RATES}},
    "metrics": ["mn_log_loss", "accuracy"],
}


class Killed(BaseException):
    """As if the worker's process had ended here: nothing catches it, and nothing is written."""


class MortalExecutor(NotingExecutor):
    """A process that trains; the worker dies when so many cohorts have come to their pause."""

    dies_after: int | None = None

    def run(
        self,
        task: CohortTask,
        on_epoch: OnEpoch,
        should_stop: ShouldStop,
        on_kept: OnKept = lambda _: None,
        on_ended: OnEnded = lambda _place, _outcome: None,
    ) -> tuple[FitOutcome, ...]:
        outcomes = super().run(task, on_epoch, should_stop, on_kept, on_ended)
        if self.dies_after is not None and len(self.asked) == self.dies_after:
            self.dies_after = None
            raise Killed
        return outcomes


@pytest.fixture(scope="module")
def executor() -> Iterator[MortalExecutor]:
    with closing(MortalExecutor()) as made:
        made.start()
        yield made


@pytest.fixture
def place(executor: MortalExecutor, tmp_path: Path) -> Iterator[TunedJobs]:
    executor.forget()
    made = TunedJobs(tmp_path, executor)
    with closing(made.database):
        yield made


@dataclass(frozen=True)
class Untouched:
    """What the race leaves that nobody interrupts."""

    results: dict[Key, TrialResult]
    histories: dict[Key, list[float]]
    progress: Progress


@pytest.fixture(scope="module")
def untouched(executor: MortalExecutor, tmp_path_factory: pytest.TempPathFactory) -> Untouched:
    place = TunedJobs(tmp_path_factory.mktemp("untouched"), executor)
    with closing(place.database):
        job, results = tuned(place, race=RACE)
        return Untouched(results, place.histories(job.id), job.progress)


def tuned(place: TunedJobs, **changes: Any) -> tuple[Job, dict[Key, TrialResult]]:
    job_id = place.submit(**{**TUNE, **changes})
    job = place.carry()
    assert job.state is JobState.SUCCEEDED, job.error
    return job, {(each.trial, each.fold): each for each in place.results(job_id)}


def after(place: TunedJobs, epochs: int) -> dict[Key, TrialResult]:
    """Return the results of the same candidates, each trained so many epochs without a race."""
    return tuned(place, model={**TUNE["model"], "epochs": epochs})[1]


def best_third(results: dict[Key, TrialResult], among: set[int]) -> set[int]:
    """Return the trials with the least loss, a third of some, rounded up."""

    def mean(trial: int) -> float:
        own = [results[trial, fold].scores["mn_log_loss"] for fold in range(1, FOLDS + 1)]
        return sum(each for each in own if each is not None) / len(own)

    return set(sorted(among, key=mean)[: -(-len(among) // 3)])


def test_at_each_rung_the_worst_stop_and_the_last_have_the_bits_they_have_without_a_race(
    place: TunedJobs, executor: MortalExecutor
) -> None:
    trials = set(range(1, len(RATES) + 1))
    at_2, at_6, whole = (after(place, epochs) for epochs in (2, 6, EPOCHS))
    second = best_third(at_2, trials)
    last = best_third(at_6, second)
    assert (len(second), len(last)) == (2, 1)
    executor.forget()
    job, found = tuned(place, race=RACE)
    for (trial, fold), each in found.items():
        if trial in last:
            assert each == whole[trial, fold]
            continue
        rung, there = (6, at_6) if trial in second else (2, at_2)
        assert (each.ending, each.pruned_at, each.epochs_run) == ("pruned", rung, rung)
        assert each.scores == there[trial, fold].scores
        assert each.weights_sha256 == there[trial, fold].weights_sha256
        assert f"after epoch {rung}: its mean mn_log_loss, " in str(each.note)
    spent = FOLDS * (4 * 2 + 1 * 6 + 1 * 10)
    assert sum(len(own) for own in place.histories(job.id).values()) == spent
    assert (job.progress.epoch, job.progress.epochs) == (spent, spent)
    assert (job.progress.trials_done, job.progress.trials) == (6, 6)
    assert job.bit_exact is True
    (leader,) = last
    log = place.log(job.id)
    assert log[:2] == [
        "trains 12 fits in 2 cohorts to epoch 2; 0 had ended",
        next(
            line
            for line in log
            if line.startswith("rung of epoch 2: 6 judged by mn_log_loss, 4 stopped; ")
        ),
    ]
    assert [line for line in log if line.startswith("trains ")] == [
        "trains 12 fits in 2 cohorts to epoch 2; 0 had ended",
        "trains 4 fits in 2 cohorts to epoch 6; 8 had ended",
        "trains 2 fits in 2 cohorts; 10 had ended",
    ]
    assert f"rung of epoch 6: 2 judged by mn_log_loss, 1 stopped; trial {leader} " in (log[3])


def test_what_finalize_chooses_by_is_what_the_race_compares(place: TunedJobs) -> None:
    at_2 = after(place, 2)
    job, found = tuned(
        place,
        race={**RACE, "factor": 2, "min_epochs": 2},
        model={**TUNE["model"], "epochs": 3},
        finalize={"select": "best", "metric": "accuracy"},
    )
    means = {
        trial: sum(at_2[trial, fold].scores["accuracy"] or 0 for fold in (1, 2))
        for trial in range(1, 7)
    }
    better = sorted(means, key=lambda trial: (-means[trial], trial))[:3]
    assert {trial for (trial, _), each in found.items() if each.pruned_at is None} == set(better)
    model = place.model(job)
    assert model.spec is not None
    rate = model.spec["model"]["learn_rate"]
    assert rate in [RATES[trial - 1] for trial in better]


def test_fits_that_end_before_a_rung_are_compared_with_and_are_not_stopped(
    place: TunedJobs,
) -> None:
    # Half of them end before the second rung, the worst with them.
    values = {"learn_rate": [1e-4, 0.03, 0.025], "epochs": [3, 10]}
    job, found = tuned(
        place,
        model={**TUNE["model"], "epochs": OPEN},
        grid={"kind": "expand", "values": values},
        race={**RACE, "min_epochs": 6},
    )
    short = {trial for trial in range(1, 7) if trial % 2}
    for (trial, _), each in found.items():
        if trial in short:
            assert (each.ending, each.epochs_run, each.pruned_at) == ("completed", 3, None)
    # The two best of six are those of 10 epochs with a rate that learns.
    assert {trial: found[trial, 1].ending for trial in (2, 4, 6)} == {
        2: "pruned",
        4: "completed",
        6: "completed",
    }
    assert "the best 2 of 6" in str(found[2, 1].note)
    assert "rung of epoch 6: 6 judged" in place.log(job.id)[1]


def test_a_race_of_recipes_alone_stops_those_that_lack_a_predictor(place: TunedJobs) -> None:
    _, found = tuned(
        place,
        recipe=[{"step": "remove", "columns": {"tune": "dropped"}}],
        model={**TUNE["model"], "learn_rate": 0.05},
        grid={"kind": "expand", "values": {"dropped": [KNOWN[:3], ["x5"], KNOWN[1:]]}},
        race=RACE,
    )
    assert {trial for (trial, _), each in found.items() if each.pruned_at is None} == {2}


@pytest.mark.parametrize("dies_after", range(1, 7))
def test_killed_before_or_after_a_rung_is_decided_it_ends_with_the_same_table(
    place: TunedJobs, executor: MortalExecutor, untouched: Untouched, dies_after: int
) -> None:
    # Two cohorts to each rung and to the end: dead with one there, and with both.
    executor.forget()
    executor.dies_after = dies_after
    job_id = place.submit(**TUNE, race=RACE)
    with pytest.raises(Killed):
        place.carry()
    before = {(each.trial, each.fold) for each in place.results(job_id)}
    assert len(before) == {1: 0, 2: 0, 3: 8, 4: 8, 5: 11, 6: 12}[dies_after]
    place.release()
    executor.forget()
    again = place.carry()
    assert again.state is JobState.SUCCEEDED
    assert not before & {key for asked in executor.asked for key in asked}
    assert {(each.trial, each.fold): each for each in place.results(job_id)} == untouched.results
    assert place.histories(job_id) == untouched.histories
    assert again.progress == untouched.progress
    assert again.bit_exact is True


# Stretches that last, so that a stop finds the fits within one: judged after epochs 20 and 60.
LONG: dict[str, Any] = {
    **TUNE,
    "model": {**TUNE["model"], "epochs": 150},
    "race": {**RACE, "min_epochs": 20},
}


@pytest.mark.parametrize("epoch", [5, 30, 70])
def test_stopped_within_a_stretch_it_goes_on_from_there_to_the_same_table(
    place: TunedJobs, executor: MortalExecutor, epoch: int
) -> None:
    whole, expected = tuned(place, **LONG)
    job_id = place.submit(**LONG)
    executor.forget()
    first = place.carry(is_draining=lambda: any(at >= epoch for _, _, at in executor.told))
    assert first.state is JobState.QUEUED
    begun = {key: len(own) for key, own in place.histories(job_id).items()}
    executor.forget()
    assert place.carry().state is JobState.SUCCEEDED
    assert {(each.trial, each.fold): each for each in place.results(job_id)} == expected
    # No epoch was trained again: what went on told first what its checkpoint held.
    new = [told for told in set(executor.told) if told[2] > begun.get(told[:2], 0)]
    assert len(new) == whole.progress.epoch - sum(begun.values())


def test_a_rung_at_which_nobody_stopped_is_not_decided_again_by_later_weights(
    place: TunedJobs, executor: MortalExecutor
) -> None:
    # One is left after epoch 2; of it alone the rung of epoch 40 stops nobody, and keeps nothing.
    asked = {
        **TUNE,
        "model": {**TUNE["model"], "epochs": 120},
        "grid": {"kind": "expand", "values": {"learn_rate": [0.01, 1e-4]}},
        "race": {**RACE, "factor": 20},
    }
    _, expected = tuned(place, **asked)
    job_id = place.submit(**asked)
    executor.forget()
    place.carry(is_draining=lambda: any(at >= 50 for _, _, at in executor.told))
    assert [each.pruned_at for each in place.results(job_id)] == [2, 2]
    assert place.carry().state is JobState.SUCCEEDED
    assert {(each.trial, each.fold): each for each in place.results(job_id)} == expected
    said = [line for line in place.log(job_id) if line.startswith("rung of epoch 40")]
    assert said == [said[0]]
    assert "1 judged by mn_log_loss, 0 stopped" in said[0]


def test_progress_counts_what_a_race_spared_and_foresees_what_it_will_spare(
    place: TunedJobs,
) -> None:
    job = place.job(place.submit(**TUNE, race=RACE))
    fits = TuneFits.of(job.spec, Sources(place.database, place.settings, job.id))
    assert (fits.rungs, fits.factor, fits.resolved.judging) == ((2, 6), 3, "mn_log_loss")
    begun = fits.progress({}, {(1, 1): 1}, 2.0)
    assert (begun.epoch, begun.epochs, begun.trials_done) == (1, 120, 0)
    # A fit is expected to train 2 epochs, a third of them 4 more, a ninth the last 4.
    fit = 2 + 4 / 3 + 4 / 9
    assert begun.eta_seconds == pytest.approx(2.0 * (12 * fit - 1), abs=0.06)
    stopped = {
        (trial, fold): TrialResult(
            trial=trial, fold=fold, ending="pruned", epochs_run=2, pruned_at=2
        )
        for trial in (1, 2, 3, 4)
        for fold in (1, 2)
    }
    later = fits.progress(stopped, dict.fromkeys(((5, 1), (5, 2), (6, 1), (6, 2)), 2), 2.0)
    assert (later.epoch, later.epochs, later.trials_done) == (12 * 2, 8 * 2 + 4 * 10, 4)
    assert later.eta_seconds == pytest.approx(2.0 * 4 * (4 + 4 / 3), abs=0.06)


def test_a_race_whose_last_candidates_all_fail_says_so(place: TunedJobs) -> None:
    # Twice the largest number: the loss is finite for two epochs with a rate of none.
    job_id = place.submit(
        model={**TUNE["model"], "epochs": 4},
        engine={"optimizer": "sgd"},
        grid={"kind": "expand", "values": {"learn_rate": [1e38, 1e37]}},
        metrics=["accuracy"],
        race=RACE,
    )
    job = place.carry()
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "all-failed"
    assert {each.ending for each in place.results(job_id)} == {"diverged"}
