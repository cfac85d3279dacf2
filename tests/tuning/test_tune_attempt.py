"""A claimed tune carried by a real process: every candidate, the best, and what interrupts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.fit import FitSpec
from service.domain.jobs import JobState
from service.sources import Sources
from service.tuning.tune_fits import TuneFits
from tests.executors.fits import alone
from tests.tuning.tuned_jobs import OPEN, NotingExecutor, TunedJobs

# Programs are compiled in a child, beside other tests on two cores.
pytestmark = pytest.mark.timeout(120)

BOTH = {(trial, fold) for trial in (1, 2) for fold in (1, 2)}
# One candidate ends long before the other, in one cohort with it.
UNEQUAL: dict[str, Any] = {
    "model": {"epochs": OPEN, "hidden_units": 4, "activation": "relu", "seeds": [1, 2, 3]},
    "grid": {"kind": "expand", "values": {"epochs": [4, 150]}},
}


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


def alone_on_its_fold(place: TunedJobs, executor: NotingExecutor, job_id: str) -> set[str]:
    """Return the weights of every fit of a tune, each trained in no company."""
    fits = TuneFits.of(place.job(job_id).spec, Sources(place.database, place.settings, job_id))
    found = set()
    for each in fits.trained:
        (outcome,) = executor.run(alone(each.task), lambda _: None, lambda: False)
        assert outcome.assessed is not None
        found.add(outcome.assessed.weights_sha256)
    return found


def test_every_candidate_is_judged_on_every_fold_with_the_bits_it_has_alone(
    place: TunedJobs, executor: NotingExecutor
) -> None:
    job_id = place.submit()
    job = place.carry()
    assert (job.state, job.model_id, job.error) == (JobState.SUCCEEDED, None, None)
    found = place.results(job_id)
    assert {(each.trial, each.fold) for each in found} == BOTH
    for each in found:
        assert (each.ending, each.epochs_run, each.note) == ("completed", 3, None)
        assert set(each.scores) == {"accuracy", "roc_auc"}
        assert each.n_predictors == 6
        assert each.n_parameters == {1: 6 * 3 + 3 + 4 * 3 + 4, 2: 6 * 4 + 4 + 4 * 4 + 4}[each.trial]
    assert {key: len(own) for key, own in place.histories(job_id).items()} == dict.fromkeys(BOTH, 3)
    assert (job.progress.epoch, job.progress.epochs, job.progress.trials_done) == (12, 12, 2)
    assert job.plan is not None
    assert sorted(n for cohort in job.plan["cohorts"] for n in cohort["fits"]) == [0, 1, 2, 3]
    # Candidates of a fold train together.
    assert len(executor.asked) < len(BOTH)
    assert not (place.settings.storage_root / "checkpoints" / job_id).exists()
    weights = {str(each.weights_sha256) for each in found}
    assert job.bit_exact is True
    assert alone_on_its_fold(place, executor, job_id) == weights
    assert len(weights) == 4


def test_finalize_fits_the_best_again_on_all_rows(
    place: TunedJobs, executor: NotingExecutor, tmp_path: Path
) -> None:
    job_id = place.submit(
        name="grid",
        finalize={"select": "best", "metric": "roc_auc"},
        evaluate=[{"dataset": "table", "metrics": ["accuracy"]}],
    )
    job = place.carry()
    assert job.state is JobState.SUCCEEDED
    means = {
        trial: sum(
            each.scores["roc_auc"] or 0 for each in place.results(job_id) if each.trial == trial
        )
        for trial in (1, 2)
    }
    best = max(means, key=lambda trial: means[trial])
    model = place.model(job)
    fits = TuneFits.of(job.spec, Sources(place.database, place.settings, job_id))
    chosen = next(each.task for each in fits.trained if each.trial == best)
    (tmp_path / "staged").mkdir()
    whole = replace(chosen, fold=None, staging=tmp_path / "staged")
    (outcome,) = executor.run(alone(whole), lambda _: None, lambda: False)
    assert outcome.fitted is not None
    assert model.weights_sha256 == outcome.fitted.weights_sha256
    assert (model.name, model.job_id) == ("grid", job_id)
    assert model.n_parameters == {1: 37, 2: 48}[best]
    # It is the fit that made the model, not the tune that asked for it.
    asked = FitSpec.model_validate(model.spec)
    assert asked.model == chosen.spec.model
    assert (asked.name, asked.evaluate) == ("grid", fits.spec.evaluate)
    (evaluation,) = job.evaluations
    assert (evaluation.dataset, evaluation.n) == ("table", 400)
    # The epochs of the last fit are those of one trial more.
    assert set(place.histories(job_id)) == BOTH | {(3, 1)}
    assert {each.trial for each in place.results(job_id)} == {1, 2}


def test_the_testing_rows_of_a_validation_set_train_nothing_and_judge_the_last_fit(
    place: TunedJobs, executor: NotingExecutor, tmp_path: Path
) -> None:
    three = {"kind": "validation_set", "prop": [0.6, 0.2], "seed": 3}
    job_id = place.submit(name="grid", resamples=three, finalize={"metric": "accuracy"})
    job = place.carry()
    assert job.state is JobState.SUCCEEDED
    fits = TuneFits.of(job.spec, Sources(place.database, place.settings, job_id))
    (drawn,) = fits.folds
    assert drawn.testing is not None
    assert len(drawn.testing) == 80
    (evaluation,) = job.evaluations
    assert (evaluation.dataset, evaluation.n, evaluation.rows) == ("table", 80, "testing")
    assert set(evaluation.metrics) == {"accuracy", "roc_auc"}
    model = place.model(job)
    spec = FitSpec.model_validate(model.spec)
    # What a fit of these rows alone gives, which sees nothing of the others.
    chosen = next(
        each.task
        for each in fits.trained
        if each.task.spec.model.hidden_units == spec.model.hidden_units
    )
    assert chosen.fold is not None
    rows = np.union1d(drawn.analysis, drawn.assessment)
    (tmp_path / "staged").mkdir()
    fold = replace(chosen.fold, analysis=rows, assessment=drawn.testing)
    alike = replace(chosen, fold=fold, staging=tmp_path / "staged")
    (outcome,) = executor.run(alone(alike), lambda _: None, lambda: False)
    assert outcome.fitted is not None
    assert outcome.assessed is not None
    assert model.weights_sha256 == outcome.fitted.weights_sha256
    for metric, score in outcome.assessed.scores.items():
        assert evaluation.metrics[metric] == pytest.approx(score, abs=1e-9)
    # The model's spec says all of it: as a fit of its own it is the same model.
    again = place.fitted(spec)
    assert place.model(again).weights_sha256 == model.weights_sha256
    assert again.evaluations[0].metrics == evaluation.metrics
    assert again.evaluations[0].rows == "testing"


def test_without_refit_the_one_resample_s_own_network_is_published(place: TunedJobs) -> None:
    job_id = place.submit(
        resamples={"kind": "validation_split", "seed": 3}, finalize={"refit": False}
    )
    job = place.carry()
    weights = {str(each.weights_sha256) for each in place.results(job_id)}
    assert place.model(job).weights_sha256 in weights
    assert set(place.histories(job_id)) == {(1, 1), (2, 1)}


def test_without_refit_no_network_of_several_resamples_is_published(place: TunedJobs) -> None:
    place.submit(finalize={"refit": False})
    job = place.carry()
    assert (job.state, job.model_id) == (JobState.SUCCEEDED, None)


def test_a_rule_that_cannot_be_applied_fails_the_job_and_keeps_the_results(
    place: TunedJobs,
) -> None:
    job_id = place.submit(
        resamples={"kind": "validation_split", "seed": 3},
        finalize={"select": "one_std_err", "sort": "hidden_units"},
    )
    job = place.carry()
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "standard error" in job.error["detail"]
    assert len(place.results(job_id)) == 2


# A number of the last row is too large for the network, wherever a candidate keeps its column.
HOLED: dict[str, Any] = {
    "model": {"hidden_units": 3, "epochs": 2, "seeds": [1, 2, 3]},
    "recipe": [{"step": "remove", "columns": {"tune": "dropped"}}],
}


def test_a_candidate_whose_recipe_fails_has_a_note_and_the_others_are_judged(
    executor: NotingExecutor, tmp_path: Path
) -> None:
    place = TunedJobs(tmp_path, executor, hole=True)
    with closing(place.database):
        job_id = place.submit(
            **HOLED,
            grid={"kind": "expand", "values": {"dropped": ["x2", "x1", "x9"]}},
            resamples={"kind": "validation_split", "seed": 3},
            finalize={"metric": "accuracy"},
        )
        job = place.carry()
        broken, judged, unknown = place.results(job_id)
    assert job.state is JobState.SUCCEEDED
    assert job.model_id is not None
    assert (broken.ending, broken.scores, broken.epochs_run) == ("failed", {}, 0)
    assert "x1" in str(broken.note)
    assert judged.note is None
    assert judged.scores["accuracy"] is not None
    assert (unknown.ending, unknown.fold) == ("failed", 1)
    assert "'x9'" in str(unknown.note)
    assert (job.progress.trials_done, job.progress.trials) == (3, 3)


def test_a_tune_whose_candidates_all_failed_says_why(
    executor: NotingExecutor, tmp_path: Path
) -> None:
    place = TunedJobs(tmp_path, executor, hole=True)
    with closing(place.database):
        job_id = place.submit(
            **HOLED,
            grid={"kind": "expand", "values": {"dropped": ["x2", "x3"]}},
            finalize={"metric": "accuracy"},
        )
        job = place.carry()
        assert len(place.results(job_id)) == 4
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "all-failed"
    assert "No candidate could be judged. " in job.error["detail"]
    assert " of 4: " in job.error["detail"]
    assert "x1" in job.error["detail"]


def test_a_tune_that_was_stopped_goes_on_and_trains_nothing_again_that_had_ended(
    place: TunedJobs, executor: NotingExecutor
) -> None:
    untouched = place.submit(**UNEQUAL)
    assert place.carry().state is JobState.SUCCEEDED
    expected, histories = place.results(untouched), place.histories(untouched)
    executor.forget()
    job_id = place.submit(**UNEQUAL)
    first = place.carry(is_draining=lambda: bool(place.results(job_id)))
    assert (first.state, first.attempt) == (JobState.QUEUED, 1)
    ended = {(each.trial, each.fold) for each in place.results(job_id)}
    assert 0 < len(ended) < 4
    begun = {key: len(own) for key, own in place.histories(job_id).items()}
    executor.forget()
    job = place.carry()
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    again = {key for fits in executor.asked for key in fits}
    assert again == BOTH - ended
    assert {key for key, own in place.attempts(job_id).items() if own == {1}} >= ended
    # What was under way went on from its checkpoint, not from its first epoch.
    new = {
        (trial, fold, epoch) for trial, fold, epoch in executor.told if epoch > begun[trial, fold]
    }
    assert len(new) == 308 - sum(begun.values())
    assert place.results(job_id) == expected
    assert place.histories(job_id) == histories
    assert job.bit_exact is True
    assert place.log(job_id) == [
        "trains 4 fits in 2 cohorts; 0 had ended",
        f"trains {4 - len(ended)} fits in {len(executor.asked)} cohorts; {len(ended)} had ended",
    ]


def test_what_is_told_of_checkpoints_never_falls_over_interruptions(place: TunedJobs) -> None:
    long = {"kind": "expand", "values": {"epochs": [4, 600]}}
    job_id = place.submit(**{**UNEQUAL, "grid": long})
    told: list[int] = []

    def drains_when_further() -> bool:
        """Stop as soon as two more checkpoints were told."""
        found = place.durable_epochs(job_id)
        told.extend([] if found is None else [found])
        return len(set(told[begun:])) > 2

    for _ in range(3):
        begun = len(told)
        if place.carry(is_draining=drains_when_further).state is JobState.SUCCEEDED:
            break
    assert told == sorted(told)
    assert len(set(told)) > 2
    # In the unit of the progress: epochs of all fits.
    assert told[-1] > 604


def test_an_undefined_metric_has_a_note_with_the_reason(place: TunedJobs) -> None:
    # Rows whose classes are only one: the area has nothing to compare.
    rows = place.rows_of_class("ash")
    others = sorted(set(range(1, 401)) - set(rows[:20]))
    job_id = place.submit(
        resamples={"kind": "rows", "splits": [{"analysis": others, "assessment": rows[:20]}]}
    )
    assert place.carry().state is JobState.SUCCEEDED
    for each in place.results(job_id):
        assert each.scores["accuracy"] is not None
        assert each.scores["roc_auc"] is None
        assert each.note == (
            "roc_auc is undefined: Some classes have no rows: the area is undefined. "
            "Classes: 'birch', 'cedar', 'fir'."
        )


def test_a_tune_of_which_no_metric_is_defined_fails_with_the_reason(place: TunedJobs) -> None:
    rows = place.rows_of_class("ash")
    others = sorted(set(range(1, 401)) - set(rows[:20]))
    place.submit(
        resamples={"kind": "rows", "splits": [{"analysis": others, "assessment": rows[:20]}]},
        metrics=["roc_auc"],
    )
    job = place.carry()
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error["code"], "2 of 2: roc_auc is undefined: " in job.error["detail"]) == (
        "all-failed", True,
    )  # fmt: skip


def test_the_log_has_each_warning_of_a_recipe_once_with_who_said_it(place: TunedJobs) -> None:
    warns = {"step": "log", "signed": True, "offset": {"tune": "offset"}}
    asked: dict[str, Any] = {
        "model": {"hidden_units": 3, "epochs": 2, "seeds": [1, 2, 3]},
        "recipe": [{"step": "normalize"}, warns],
        "grid": {"kind": "expand", "values": {"offset": [0, 1, 2]}},
        "finalize": {"metric": "accuracy"},
    }
    job_id = place.submit(**asked)
    job = place.carry()
    ignored = "recipe: log: Expected no offset with `signed`. Received {}: it is ignored."
    lines = place.log(job_id)
    assert lines[1:3] == [
        f"{ignored.format(1)} (trial 2, folds 1-2)",
        f"{ignored.format(2)} (trial 3, folds 1-2)",
    ]
    assert sum("Expected no offset" in line for line in lines[3:]) <= 1
    assert lines[-1].startswith("the last fit: completed after 2 epochs on 400 rows")
    assert job.state is JobState.SUCCEEDED


def test_a_cancelled_tune_tells_the_warnings_of_what_had_ended(place: TunedJobs) -> None:
    warns = {"step": "log", "signed": True, "offset": 1}
    long = {"kind": "expand", "values": {"epochs": [3, 100_000]}}
    job_id = place.submit(**{**UNEQUAL, "grid": long}, recipe=[{"step": "normalize"}, warns])

    def cancel_once() -> bool:
        if place.results(job_id) and place.job(job_id).cancel_requested_at is None:
            place.cancel(job_id)
        return False

    assert place.carry(is_draining=cancel_once).state is JobState.CANCELLED
    (line,) = [each for each in place.log(job_id) if "Expected no offset" in each]
    assert "it is ignored. (trial 1, fold" in line


def test_each_event_of_a_trial_names_the_candidate_and_the_leader_by_then(
    place: TunedJobs,
) -> None:
    job_id = place.submit()
    place.carry()
    told = place.trial_events(job_id)
    assert {(each["trial"], each["fold"]) for each in told} == BOTH
    for each in told:
        assert each["values"] == {"hidden_units": {1: 3, 2: 4}[each["trial"]]}
        assert each["config"] == f"Preprocessor1_Model{each['trial']}"
        assert each["leader"]["metric"] == "accuracy"
    found = place.results(job_id)
    means = {
        trial: sum(each.scores["accuracy"] or 0 for each in found if each.trial == trial) / 2
        for trial in (1, 2)
    }
    best = max(means, key=lambda trial: means[trial])
    last = told[-1]["leader"]
    assert (last["trial"], last["n"]) == (best, 2)
    assert last["mean"] == pytest.approx(means[best], rel=1e-12)
    assert last["hidden_units"] == {1: 3, 2: 4}[best]
    # The first to end leads: there is nobody else.
    assert told[0]["leader"]["trial"] == told[0]["trial"]


def test_a_tune_that_was_stopped_before_its_last_fit_does_only_that(
    place: TunedJobs, executor: NotingExecutor
) -> None:
    asked = {**UNEQUAL, "finalize": {"metric": "accuracy"}, "name": "grid"}
    asked["grid"] = {"kind": "expand", "values": {"epochs": [50, 100]}}
    place.submit(**asked)
    expected = place.model(place.carry())
    job_id = place.submit(**asked)
    first = place.carry(is_draining=lambda: len(place.results(job_id)) == 4)
    assert first.state is JobState.QUEUED
    executor.forget()
    job = place.carry()
    assert executor.asked == [[(3, 1)]]
    assert place.model(job).weights_sha256 == expected.weights_sha256


def test_a_cancelled_tune_keeps_what_had_ended(place: TunedJobs) -> None:
    long = {"kind": "expand", "values": {"epochs": [3, 100_000]}}
    job_id = place.submit(**{**UNEQUAL, "grid": long}, finalize={"metric": "accuracy"})

    def cancel_once() -> bool:
        if place.results(job_id) and place.job(job_id).cancel_requested_at is None:
            place.cancel(job_id)
        return False

    job = place.carry(is_draining=cancel_once)
    assert (job.state, job.model_id) == (JobState.CANCELLED, None)
    kept = place.results(job_id)
    assert {each.trial for each in kept} == {1}
    assert all(each.scores["accuracy"] is not None for each in kept)
    assert not (place.settings.storage_root / "checkpoints" / job_id).exists()


def test_a_borrowed_executor_trains_the_same_bits(
    place: TunedJobs, executor: NotingExecutor
) -> None:
    single = place.submit()
    place.carry()
    shared = place.submit()
    with closing(NotingExecutor()) as other:
        other.start()
        executor.forget()
        job = place.carry(others=[other])
        assert job.plan is not None
        assert job.plan["slots"] == 2
        parts = [[key for fits in each.asked for key in fits] for each in (executor, other)]
    assert sorted(parts[0] + parts[1]) == sorted(BOTH)
    assert all(parts)
    assert place.results(shared) == place.results(single)
