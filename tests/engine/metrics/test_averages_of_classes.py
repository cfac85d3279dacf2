"""Macro, weighted and micro averages, and the event: scikit-learn's where it says the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from service.domain.metric_names import WITHOUT_MICRO, Estimator
from service.engine.metrics import METRICS, score, scores
from service.engine.metrics.scoring import computed, judged

LEVELS = tuple("abcdef")
TABLE_METRICS = ("precision", "recall", "f_meas")
AVERAGES: dict[Estimator, str] = {
    "macro": "macro",
    "macro_weighted": "weighted",
    "micro": "micro",
}
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def drawn(seed: int, rows: int, k: int) -> tuple[list[int], Floats, Floats]:
    """Every class occurs and is predicted; coarse probabilities, so that there are ties."""
    draw = np.random.default_rng(seed)
    truth = [*range(k), *draw.integers(0, k, rows).tolist()]
    parts = draw.integers(1, 6, (len(truth), k)).astype(float)
    parts[np.arange(k), np.arange(k)] = 9
    return truth, parts / parts.sum(axis=1, keepdims=True), draw.uniform(0.1, 3, len(truth))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 6),
    st.sampled_from(sorted(AVERAGES)),
    st.booleans(),
)
def test_averages_are_those_of_scikit_learn(
    seed: int, k: int, estimator: Estimator, is_weighted: bool
) -> None:
    truth, prob, weight = drawn(seed, 30, k)
    weights = weight if is_weighted else None
    ours = score(
        TABLE_METRICS, truth, prob, LEVELS[:k], "classification", weights, estimator=estimator
    )
    theirs = sk.precision_recall_fscore_support(
        truth, prob.argmax(axis=1), average=AVERAGES[estimator], sample_weight=weights
    )
    assert list(ours.values()) == pytest.approx(theirs[:3], abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(3, 6),
    st.sampled_from(["macro", "macro_weighted"]),
    st.booleans(),
)
def test_areas_of_one_class_against_the_rest_are_those_of_scikit_learn(
    seed: int, k: int, estimator: Estimator, is_weighted: bool
) -> None:
    truth, prob, weight = drawn(seed, 30, k)
    weights = weight if is_weighted else None
    ours = score(
        ["roc_auc", "average_precision"],
        truth,
        prob,
        LEVELS[:k],
        "classification",
        weights,
        estimator=estimator,
    )
    average, one_hot = AVERAGES[estimator], np.eye(k)[truth]
    expected = {
        "roc_auc": sk.roc_auc_score(
            truth, prob, multi_class="ovr", average=average, sample_weight=weights
        ),
        "average_precision": sk.average_precision_score(
            one_hot, prob, average=None, sample_weight=weights
        ),
    }
    shares = (one_hot * (1 if weights is None else weights[:, None])).sum(axis=0)
    expected["average_precision"] = np.average(
        expected["average_precision"], weights=shares if estimator == "macro_weighted" else None
    )
    assert ours == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_precision_recall_area_of_two_classes_is_the_trapezoids_of_scikit_learns_curve(
    seed: int, is_weighted: bool
) -> None:
    truth, prob, weight = drawn(seed, 30, 2)
    weights = weight if is_weighted else None
    names = ["pr_auc", "average_precision", "gain_capture", "roc_auc"]
    ours = score(names, truth, prob, LEVELS[:2], "classification", weights)
    is_event = np.array(truth) == 0
    precision, recall, _ = sk.precision_recall_curve(is_event, prob[:, 0], sample_weight=weights)
    assert ours["pr_auc"] == pytest.approx(sk.auc(recall, precision), abs=1e-12)
    assert ours["average_precision"] == pytest.approx(
        sk.average_precision_score(is_event, prob[:, 0], sample_weight=weights), abs=1e-12
    )
    # The accuracy ratio is twice the area above chance (Engelmann, Hayden and Tasche 2003).
    assert ours["roc_auc"] is not None
    assert ours["gain_capture"] == pytest.approx(2 * ours["roc_auc"] - 1, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_the_second_level_as_event_is_the_first_of_the_levels_turned_round(seed: int) -> None:
    truth, prob, weight = drawn(seed, 30, 2)
    names = list(METRICS["classification"])
    # No ties: of equal probabilities the first level is predicted, whichever is the event.
    prob[:, 0] += 1e-6
    prob[:, 1] = 1 - prob[:, 0]
    second = score(
        names, truth, prob, ("no", "yes"), "classification", weight, event_level="second"
    )
    turned = score(
        names,
        [1 - code for code in truth],
        prob[:, ::-1],
        ("yes", "no"),
        "classification",
        weight,
    )
    assert second == pytest.approx(turned, abs=1e-12)


def test_of_three_classes_the_event_level_changes_nothing() -> None:
    truth, prob, _ = drawn(4, 30, 3)
    names = list(METRICS["classification"])
    assert score(names, truth, prob, LEVELS[:3], "classification", event_level="second") == score(
        names, truth, prob, LEVELS[:3], "classification"
    )


def test_micro_is_one_rate_of_all_counts() -> None:
    # Predicted a a b c of truth a b b b: 2 of 4 right, each class against the other two.
    names = ["precision", "spec", "bal_accuracy", "ppv", "npv", "detection_prevalence", "j_index"]
    prob = np.eye(3)[[0, 0, 1, 2]]
    found = scores(names, [0, 1, 1, 1], prob, LEVELS[:3], "classification", estimator="micro")
    # tp 2, fp 2, fn 2, tn 12 - 6 = 6.
    assert found.values == pytest.approx(
        {
            "precision": 1 / 2,
            "spec": 6 / 8,
            "bal_accuracy": (1 / 2 + 6 / 8) / 2,
            "ppv": 1 / 2,
            "npv": 6 / 8,
            "detection_prevalence": 1 / 3,
            "j_index": 1 / 2 + 6 / 8 - 1,
        }
    )
    assert found.warnings == ()


def test_a_class_without_rows_weighs_nothing_in_the_weighted_average() -> None:
    # R's weighted.mean skips a NA whose weight is 0; c has no rows, d is never predicted.
    prob = np.array([[0.6, 0.4, 0, 0], [0.4, 0.6, 0, 0], [0.1, 0.6, 0.3, 0], [0.6, 0.3, 0.1, 0]])
    names = ["bal_accuracy", "recall", "roc_auc", "pr_auc"]
    truth = [0, 1, 1, 3]
    macro = scores(names, truth, prob, LEVELS[:4], "classification", estimator="macro")
    assert macro.values["bal_accuracy"] is None
    assert macro.values["roc_auc"] is None
    assert macro.values["pr_auc"] is None
    weighted = scores(names, truth, prob, LEVELS[:4], "classification", estimator="macro_weighted")
    assert weighted.values["bal_accuracy"] == pytest.approx(
        np.average([(1 + 2 / 3) / 2, (1 + 1) / 2, (0 + 1) / 2], weights=[1, 2, 1])
    )
    assert weighted.values["recall"] == pytest.approx(3 / 4)
    assert weighted.values["roc_auc"] == pytest.approx(
        np.average([(1 / 3) * (1 + 1 + 0.5), 1, 0.5], weights=[1, 2, 1])
    )
    assert weighted.values["pr_auc"] is not None


def test_two_classes_can_be_averaged_too() -> None:
    truth, prob, _ = drawn(9, 30, 2)
    macro = score(["recall"], truth, prob, LEVELS[:2], "classification", estimator="macro")
    each = [
        score(["recall"], truth, prob, LEVELS[:2], "classification", event_level=level)["recall"]
        for level in ("first", "second")
    ]
    assert macro["recall"] == pytest.approx(np.mean(np.array(each, dtype=float)))


def test_curves_without_rows_of_the_event_have_no_area() -> None:
    prob = [[0.9, 0.1], [0.2, 0.8]]
    names = ["roc_auc", "pr_auc", "average_precision", "gain_capture"]
    found = scores(names, [1, 1], prob, ("yes", "no"), "classification")
    assert set(found.values.values()) == {None}
    assert {warning.metric for warning in found.warnings} == set(names)
    found = scores(names, [0, 0], prob, ("yes", "no"), "classification")
    assert found.values == {
        "roc_auc": None,
        "pr_auc": 1,
        "average_precision": 1,
        "gain_capture": None,
    }


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.sampled_from([None, *AVERAGES]))
def test_counts_of_rows_are_rows_that_often(seed: int, k: int, estimator: Estimator | None) -> None:
    truth, prob, _ = drawn(seed, 12, k)
    counts = np.random.default_rng(seed).integers(0, 3, (3, len(truth))).astype(float)

    names = [
        name
        for name in METRICS["classification"]
        if estimator != "micro" or name not in WITHOUT_MICRO
    ]
    levels = LEVELS[:k]
    rows = judged(truth, prob, levels, "classification", None, estimator)
    found = computed(names, rows, levels, "classification", counts)
    for at, times in enumerate(counts.astype(int)):
        repeated = score(
            names,
            np.repeat(truth, times),
            np.repeat(prob, times, axis=0),
            levels,
            "classification",
            estimator=estimator,
        )
        ours = {name: _shown(np.asarray(each.value)[at]) for name, each in found.items()}
        assert ours == pytest.approx(repeated, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_counts_of_numbers_are_rows_that_often(seed: int, is_weighted: bool) -> None:
    draw = np.random.default_rng(seed)
    truth, estimate = draw.normal(5, 2, 9), draw.normal(5, 2, 9)
    weights = draw.uniform(0.5, 2, 9) if is_weighted else None
    counts = draw.integers(0, 3, (4, 9)).astype(float)

    # Resamples have no order, which mase is about.
    names = [name for name in METRICS["regression"] if name != "mase"]
    rows = judged(truth, estimate, None, "regression", weights)
    found = computed(names, rows, None, "regression", counts)
    for at, times in enumerate(counts.astype(int)):
        repeated = score(
            names,
            np.repeat(truth, times),
            np.repeat(estimate, times),
            None,
            "regression",
            None if weights is None else np.repeat(weights, times),
        )
        ours = {name: _shown(np.asarray(each.value)[at]) for name, each in found.items()}
        for name, value in repeated.items():
            if value is None:
                # A resample of one row has a truth that never changes.
                assert ours[name] is None
            else:
                assert ours[name] == pytest.approx(value, rel=1e-9, abs=1e-9)


def _shown(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
