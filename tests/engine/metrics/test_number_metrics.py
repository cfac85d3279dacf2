from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from service.engine.metrics import METRICS, score, scores

EVERY = list(METRICS["regression"])


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_scores_are_those_of_scikit_learn_and_numpy(seed: int, is_weighted: bool) -> None:
    draw = np.random.default_rng(seed)
    truth = draw.normal(10, 3, 25)
    estimate = truth + draw.normal(0, 2, 25)
    weight = draw.uniform(0.1, 3, 25) if is_weighted else None
    ours = score(EVERY, truth, estimate, None, "regression", weight)
    error = truth - estimate
    cov = np.cov(truth, estimate, aweights=weight)
    shift = np.average(error, weights=weight)
    size = (np.abs(truth) + np.abs(estimate)) / 2
    small = np.abs(error) <= 1
    expected = {
        "rmse": sk.root_mean_squared_error(truth, estimate, sample_weight=weight),
        "mae": sk.mean_absolute_error(truth, estimate, sample_weight=weight),
        # The squared correlation, where r2_score is 1 - SSE/SST.
        "rsq": cov[0, 1] ** 2 / (cov[0, 0] * cov[1, 1]),
        "mape": 100 * sk.mean_absolute_percentage_error(truth, estimate, sample_weight=weight),
        "smape": 100 * np.average(np.abs(error) / size, weights=weight),
        "ccc": 2 * cov[0, 1] / (cov[0, 0] + cov[1, 1] + shift**2),
        "huber_loss": np.average(
            np.where(small, error**2 / 2, np.abs(error) - 0.5), weights=weight
        ),
        "msd": shift,
        "rsq_trad": sk.r2_score(truth, estimate, sample_weight=weight),
        "mase": np.average(np.abs(error), weights=weight) / np.abs(np.diff(truth)).mean(),
    }
    assert ours == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_a_constant_has_no_correlation() -> None:
    found = scores(["rsq", "ccc"], [1.0, 2.0, 3.0], [2.0, 2.0, 2.0], None, "regression")
    assert found.values == {"rsq": None, "ccc": 0}
    assert "the estimate is constant" in found.warnings[0].message
    assert score(["rsq"], [2.0, 2.0], [1.0, 2.0], None, "regression") == {"rsq": None}


def test_one_row_has_no_variance() -> None:
    assert score(["rsq", "ccc", "rmse"], [1.0], [2.0], None, "regression") == {
        "rsq": None,
        "ccc": None,
        "rmse": 1,
    }


def test_weight_on_one_row_alone_has_no_variance() -> None:
    weights = [0.0, 2.0, 0.0]
    found = score(["rsq", "mae"], [1.0, 2.0, 4.0], [1.0, 3.0, 4.0], None, "regression", weights)
    assert found == {"rsq": None, "mae": 1}


def test_percent_of_zero_is_undefined_and_said_so() -> None:
    found = scores(["mape", "smape", "mae"], [0.0, 1.0], [0.0, 1.5], None, "regression")
    assert found.values == {"mape": None, "smape": None, "mae": 0.25}
    assert [(warning.metric, warning.code) for warning in found.warnings] == [
        ("mape", "undefined"),
        ("smape", "undefined"),
    ]


def test_an_overflow_is_undefined() -> None:
    assert score(["rmse"], [1e200], [-1e200], None, "regression") == {"rmse": None}


def test_several_outcomes_are_averaged() -> None:
    truth = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 40.0]])
    estimate = np.array([[1.5, 11.0], [2.5, 19.0], [2.0, 45.0]])
    both = score(EVERY, truth, estimate, None, "regression")
    each = [score(EVERY, truth[:, i], estimate[:, i], None, "regression") for i in range(2)]
    for name in EVERY:
        first, second = each[0][name], each[1][name]
        assert first is not None
        assert second is not None
        assert both[name] == pytest.approx((first + second) / 2, rel=1e-14)


def test_a_row_without_a_truth_is_left_out() -> None:
    found = scores(["mae"], [1.0, np.nan, 3.0], [2.0, 9.0, 3.0], None, "regression")
    assert found.values == {"mae": 0.5}
    assert [warning.code for warning in found.warnings] == ["missing_truth"]


def test_no_rows_leave_no_score() -> None:
    found = score(EVERY, np.empty(0), np.empty(0), None, "regression")
    assert set(found.values()) == {None}


def test_a_constant_truth_has_nothing_to_explain_and_no_scale() -> None:
    found = scores(["rsq_trad", "mase"], [2.0, 2.0, 2.0], [1.0, 2.0, 3.0], None, "regression")
    assert found.values == {"rsq_trad": None, "mase": None}
    assert "the truth is constant" in found.warnings[0].message
    assert "never changes" in found.warnings[1].message


def test_mase_is_of_the_rows_in_their_order() -> None:
    # Steps of 1, 1 and 2; the last two rows swapped, of 1, 3 and 2.
    ordered = score(["mase"], [1.0, 2.0, 3.0, 5.0], [1.5, 2.0, 3.0, 5.5], None, "regression")
    assert ordered == pytest.approx({"mase": 0.25 / (4 / 3)})
    swapped = score(["mase"], [1.0, 2.0, 5.0, 3.0], [1.5, 2.0, 5.5, 3.0], None, "regression")
    assert swapped == pytest.approx({"mase": 0.25 / 2})
    assert score(["mase"], [1.0], [2.0], None, "regression") == {"mase": None}
