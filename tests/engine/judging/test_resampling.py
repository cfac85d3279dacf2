"""The bootstrap: seeded, paired, and as wide as theory says."""

from __future__ import annotations

import numpy as np
import pytest

from service.domain.evaluations import Bootstrap
from service.engine.judging.comparison import agreement, differences
from service.engine.metrics import METRICS, resampling
from service.engine.metrics.resampling import interval, intervals, replicates, resamples
from service.engine.metrics.scoring import judged
from tests.engine.judging.judged_models import LEVELS, classified, measured

BOOTSTRAP = Bootstrap(times=400, seed=7)


def test_a_seed_is_the_same_resamples_in_whatever_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = np.concatenate(list(resamples(37, 50, 3)))
    monkeypatch.setattr(resampling, "_HELD", 37 * 7)
    portions = list(resamples(37, 50, 3))
    assert len(portions) == 8
    np.testing.assert_array_equal(np.concatenate(portions), whole)
    assert (whole.sum(axis=1) == 37).all()
    # A confusion table of each is held too.
    assert len(list(resamples(37, 50, 3, cells=37 * 7))) == 50
    assert not np.array_equal(np.concatenate(list(resamples(37, 50, 4))), whole)


def test_the_interval_of_a_mean_is_about_what_theory_says() -> None:
    rows = measured(n=400)
    found = intervals(["mae"], rows, None, "regression", Bootstrap(times=4000, seed=1))["mae"]
    assert found is not None
    error = np.abs(rows.truth - rows.estimate)
    spread = error.std(ddof=1) / np.sqrt(len(error))
    # 4,000 resamples tell a standard error to about 1 %, its quantiles to a few.
    assert found.std_err == pytest.approx(spread, rel=0.05)
    assert found.low == pytest.approx(error.mean() - 1.96 * spread, abs=0.2 * spread)
    assert found.high == pytest.approx(error.mean() + 1.96 * spread, abs=0.2 * spread)
    assert found.times == 4000


def test_every_score_but_that_of_ordered_rows_has_an_interval() -> None:
    found = intervals(
        list(METRICS["classification"]), classified(), LEVELS, "classification", BOOTSTRAP
    )
    assert [name for name, each in found.items() if each is None] == []
    assert all(each.low <= each.high for each in found.values() if each)
    numbers = intervals(list(METRICS["regression"]), measured(), None, "regression", BOOTSTRAP)
    assert [name for name, each in numbers.items() if each is None] == ["mase"]


def test_a_score_that_few_resamples_have_says_how_many() -> None:
    # Resamples without the only row of c have no balanced accuracy.
    prob = np.eye(3)[[0, 0, 1, 1, 2]]
    rows = judged([0, 0, 1, 1, 2], prob, LEVELS, "classification")
    found = intervals(["bal_accuracy"], rows, LEVELS, "classification", BOOTSTRAP)["bal_accuracy"]
    assert found is not None
    assert 0 < found.times < BOOTSTRAP.times
    assert interval(np.full(3, np.nan), 0.9) is None
    assert interval(np.array([1.0, np.nan]), 0.9) is not None


def test_a_diverged_model_has_no_intervals() -> None:
    rows = judged([0, 1], [[np.nan] * 3, [0.2, 0.3, 0.5]], LEVELS, "classification")
    assert intervals(["accuracy"], rows, LEVELS, "classification", BOOTSTRAP) == {"accuracy": None}


def test_a_model_is_not_better_than_itself() -> None:
    rows = classified()
    names = ["accuracy", "mn_log_loss"]
    for found in differences(names, rows, rows, LEVELS, "classification", BOOTSTRAP):
        assert (found["difference"], found["low"], found["high"]) == (0, 0, 0)
        assert found["better"] is None


def test_pairs_tell_apart_what_intervals_of_each_cannot() -> None:
    good = measured(error=1.0)
    # The same errors, a little larger: much smaller a difference than either score's own spread.
    bad = judged(good.truth, good.truth + 1.1 * (good.estimate - good.truth), None, "regression")
    (found,) = differences(["rmse"], good, bad, None, "regression", BOOTSTRAP)
    assert found["better"] == "model"
    assert found["difference"] == pytest.approx(found["model"] - found["with"])
    assert found["low"] <= found["difference"] <= found["high"] < 0
    each = replicates(["rmse"], [good, bad], None, "regression", BOOTSTRAP)
    assert found["std_err"] < each[0]["rmse"].std() / 5
    (turned,) = differences(["rmse"], bad, good, None, "regression", BOOTSTRAP)
    assert turned["better"] == "with"


def test_a_larger_score_is_better_where_it_is_to_be_maximised_and_a_smaller_bias_always() -> None:
    good, bad = classified(skill=4.0), classified(skill=0.5)
    (found,) = differences(["accuracy"], good, bad, LEVELS, "classification", BOOTSTRAP)
    assert found["low"] > 0
    assert found["better"] == "model"
    truth = np.linspace(0, 1, 100)
    low, near = (judged(truth, truth + shift, None, "regression") for shift in (0.5, -0.1))
    # msd is truth - estimate, -0.5 and 0.1: the second is nearer to 0.
    (bias,) = differences(["msd"], low, near, None, "regression", BOOTSTRAP)
    assert bias["better"] == "with"


def test_agreement_counts_the_rows_that_either_predicts() -> None:
    truth = [0, 0, 1, 2]
    first = judged(truth, np.eye(3)[[0, 0, 1, 0]], LEVELS, "classification")
    second = judged(truth, np.eye(3)[[0, 1, 0, 0]], LEVELS, "classification")
    assert agreement(first, second, "classification") == {
        "both_right": 1,
        "only_model_right": 2,
        "only_with_right": 0,
        "both_wrong": 1,
    }
    assert agreement(measured(), measured(), "regression") is None
