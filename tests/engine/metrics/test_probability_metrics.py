from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from service.engine.metrics import score, scores

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
PROBABILITY_METRICS = ["roc_auc", "mn_log_loss", "brier_class"]


def labels(n_levels: int) -> tuple[str, ...]:
    return tuple("abcdefghij"[:n_levels])


def drawn(seed: int, rows: int, n_levels: int) -> tuple[list[int], Matrix]:
    """Every class occurs; probabilities on a coarse grid, so that there are ties."""
    draw = np.random.default_rng(seed)
    truth = [*range(n_levels), *draw.integers(0, n_levels, rows).tolist()]
    parts = draw.integers(1, 6, (len(truth), n_levels)).astype(float)
    return truth, parts / parts.sum(axis=1, keepdims=True)


@given(st.integers(0, 2**32 - 1), st.integers(3, 6))
def test_several_classes_agree_with_scikit_learn(seed: int, k: int) -> None:
    truth, prob = drawn(seed, 30, k)
    ours = score(PROBABILITY_METRICS, truth, prob, labels(k), "classification")
    expected = {
        "roc_auc": sk.roc_auc_score(truth, prob, multi_class="ovo", average="macro"),
        "mn_log_loss": sk.log_loss(truth, prob),
        "brier_class": sk.brier_score_loss(truth, prob, scale_by_half=True),
    }
    assert ours == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_weighted_scores_agree_with_scikit_learn(seed: int) -> None:
    truth, prob = drawn(seed, 30, 4)
    weight = np.random.default_rng(seed).uniform(0.1, 3, len(truth))
    ours = score(PROBABILITY_METRICS, truth, prob, labels(4), "classification", weight)
    expected = {
        # With case weights yardstick has no Hand-Till: one class against the rest.
        "roc_auc": sk.roc_auc_score(
            truth, prob, multi_class="ovr", average="macro", sample_weight=weight
        ),
        "mn_log_loss": sk.log_loss(truth, prob, sample_weight=weight),
        "brier_class": sk.brier_score_loss(truth, prob, sample_weight=weight, scale_by_half=True),
    }
    assert ours == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_two_classes_agree_with_scikit_learn(seed: int, is_weighted: bool) -> None:
    truth, prob = drawn(seed, 30, 2)
    weight = np.random.default_rng(seed).uniform(0.1, 3, len(truth)) if is_weighted else None
    ours = score(PROBABILITY_METRICS, truth, prob, labels(2), "classification", weight)
    is_event = [code == 0 for code in truth]
    expected = {
        "roc_auc": sk.roc_auc_score(is_event, prob[:, 0], sample_weight=weight),
        "mn_log_loss": sk.log_loss(is_event, prob[:, 0], sample_weight=weight),
        "brier_class": sk.brier_score_loss(is_event, prob[:, 0], sample_weight=weight),
    }
    assert ours == pytest.approx(expected, abs=1e-12)


def test_hand_till_is_the_mean_over_pairs_by_its_definition() -> None:
    truth, prob = drawn(11, 20, 4)
    rows = np.array(truth)

    def a(i: int, j: int) -> float:
        pairs = [
            float(x > y) + 0.5 * float(x == y)
            for x in prob[rows == i, i]
            for y in prob[rows == j, i]
        ]
        return float(np.mean(pairs))

    expected = np.mean([(a(i, j) + a(j, i)) / 2 for i, j in combinations(range(4), 2)])
    ours = score(["roc_auc"], truth, prob, labels(4), "classification")["roc_auc"]
    assert ours == pytest.approx(expected, abs=1e-13)


def test_a_class_without_rows_is_left_out_of_hand_till_with_a_warning() -> None:
    truth, prob = drawn(3, 20, 3)
    wider = np.column_stack([prob[:, :2], np.full(len(prob), 0.01), prob[:, 2]])
    moved = [3 if code == 2 else code for code in truth]
    found = scores(["roc_auc"], moved, wider, labels(4), "classification")
    assert found.values == score(["roc_auc"], truth, prob, labels(3), "classification")
    assert [(warning.code, warning.levels) for warning in found.warnings] == [
        ("absent_classes", ("c",))
    ]


@pytest.mark.parametrize(("truth", "k"), [([0, 0], 2), ([1, 1], 2), ([1, 1], 3)])
def test_one_class_alone_has_no_area(truth: list[int], k: int) -> None:
    prob = np.full((2, k), 1 / k)
    found = scores(["roc_auc"], truth, prob, labels(k), "classification")
    assert found.values == {"roc_auc": None}
    assert found.warnings[0].code == "absent_classes"
    assert str(found.undefined).startswith("roc_auc is undefined: Some classes have no rows: the ")


def test_what_is_undefined_is_told_with_its_reasons() -> None:
    alone = scores(["roc_auc", "accuracy"], [0, 0], [[1, 0], [1, 0]], labels(2), "classification")
    assert alone.undefined == (
        "roc_auc is undefined: Some classes have no rows: the area is undefined. Classes: 'b'."
    )
    lost = scores(
        ["accuracy", "kap"], [0, 1], [[1.0, 0.0], [math.nan, 0.0]], labels(2), "classification"
    )
    assert lost.undefined == (
        "accuracy, kap are undefined: Some estimates are missing or infinite: no score is defined."
    )
    flat = scores(["rsq", "rmse"], [1.0, 2.0], [3.0, 3.0], None, "regression")
    assert flat.undefined == (
        "rsq is undefined: The correlation is undefined: the estimate is constant."
    )
    missing = scores(["rmse"], [1.0, math.nan], [1.0, 1.0], None, "regression")
    assert (missing.undefined, len(missing.warnings)) == (None, 1)


def test_weights_that_leave_a_class_nothing_make_no_area() -> None:
    prob = [[0.9, 0.1], [0.2, 0.8]]
    found = scores(["roc_auc"], [0, 1], prob, labels(2), "classification", [0.0, 1.0])
    assert found.values == {"roc_auc": None}
    three = [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]
    assert score(["roc_auc"], [0, 1], three, labels(3), "classification", [1, 1]) == {
        "roc_auc": None
    }


def test_log_loss_clips_where_yardstick_does() -> None:
    found = score(["mn_log_loss"], [0, 1], [[0, 1.0], [0, 1.0]], labels(2), "classification")
    epsilon = np.finfo(np.float64).eps
    expected = (-np.log(epsilon) - np.log(1 - epsilon)) / 2
    assert found == {"mn_log_loss": pytest.approx(expected, rel=1e-14)}


def test_float32_probabilities_are_clipped_as_doubles() -> None:
    prob = np.array([[1e-12, 1.0], [0.5, 0.5]], dtype=np.float32)
    found = score(["mn_log_loss"], [0, 0], prob, labels(2), "classification")["mn_log_loss"]
    # 1e-12 in float32 differs by 4e-8 relative; clipped at float32's epsilon it would be 8.3.
    assert found == pytest.approx((-np.log(1e-12) - np.log(0.5)) / 2, rel=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_estimate_that_is_not_finite_leaves_no_score(value: float) -> None:
    prob = [[0.5, 0.5], [value, 0.5]]
    found = scores(None, [0, 1], prob, labels(2), "classification")
    assert found.values == {"roc_auc": None, "accuracy": None, "brier_class": None}
    assert [(warning.metric, warning.code) for warning in found.warnings] == [
        (None, "estimate_not_finite")
    ]


def test_rows_without_a_truth_are_left_out_with_a_warning() -> None:
    truth, prob = drawn(5, 20, 3)
    holed = [*truth, -1, -1]
    more = np.vstack([prob, [[1, 0, 0], [0, 1, 0]]])
    found = scores(PROBABILITY_METRICS, holed, more, labels(3), "classification")
    assert found.values == score(PROBABILITY_METRICS, truth, prob, labels(3), "classification")
    assert [warning.code for warning in found.warnings] == ["missing_truth"]
