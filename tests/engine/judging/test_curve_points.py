"""Curves: scikit-learn's points, yardstick's columns, no more points than asked for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from service.engine.judging.curve_points import CLASS_CURVES, class_curves, residuals
from service.engine.metrics import score
from service.engine.metrics.scoring import judged
from tests.engine.judging.judged_models import LEVELS, classified, measured

ALL = 10_000


@pytest.mark.parametrize("is_weighted", [False, True])
def test_roc_points_are_those_of_scikit_learn(is_weighted: bool) -> None:
    rows = classified(weights=is_weighted)
    for code, curve in enumerate(class_curves(rows, LEVELS, "roc", points=ALL)):
        is_event = rows.truth[:, 0] == code
        others, sensitivity, threshold = sk.roc_curve(
            is_event, rows.estimate[:, code], sample_weight=rows.weights, drop_intermediate=False
        )
        assert curve.name == LEVELS[code]
        assert curve.n == is_event.sum()
        np.testing.assert_allclose(1 - curve.columns["specificity"], others, atol=1e-12)
        np.testing.assert_allclose(curve.columns["sensitivity"], sensitivity, atol=1e-12)
        np.testing.assert_array_equal(curve.columns["threshold"], threshold)
        assert curve.summary["roc_auc"] == pytest.approx(sk.auc(others, sensitivity), abs=1e-12)


def test_precision_recall_points_are_those_of_scikit_learn_but_for_where_they_end() -> None:
    rows = classified()
    curve = class_curves(rows, LEVELS, "pr", shown=["b"], points=ALL)[0]
    precision, recall, threshold = sk.precision_recall_curve(
        rows.truth[:, 0] == 1, rows.estimate[:, 1]
    )
    # scikit-learn's go from the smallest threshold up and end above all of them.
    np.testing.assert_allclose(curve.columns["precision"][::-1], precision, atol=1e-12)
    np.testing.assert_allclose(curve.columns["recall"][::-1], recall, atol=1e-12)
    np.testing.assert_array_equal(curve.columns["threshold"][1:][::-1], threshold)
    ours = score(["pr_auc"], rows.truth[:, 0], rows.estimate, LEVELS, "classification")
    areas = [each.summary["pr_auc"] for each in class_curves(rows, LEVELS, "pr")]
    assert ours["pr_auc"] == pytest.approx(np.mean(areas), abs=1e-12)


def test_gain_and_lift_count_what_is_found_in_how_much_is_tested() -> None:
    # The fixture of golden.md: yes yes no no no yes with these probabilities of yes.
    p = np.array([0.9, 0.4, 0.6, 0.2, 0.1, 0.8])
    rows = judged([0, 0, 1, 1, 1, 0], np.column_stack([p, 1 - p]), ("yes", "no"), "classification")
    (gain,) = class_curves(rows, ("yes", "no"), "gain")
    assert gain.columns["n"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert gain.columns["n_events"].tolist() == [0, 1, 2, 2, 3, 3, 3]
    assert gain.columns["percent_tested"] == pytest.approx(np.arange(7) / 6 * 100)
    assert gain.columns["percent_found"] == pytest.approx(np.array([0, 1, 2, 2, 3, 3, 3]) / 3 * 100)
    (lift,) = class_curves(rows, ("yes", "no"), "lift")
    assert lift.columns["lift"] == pytest.approx([2, 2, 4 / 3, 1.5, 1.2, 1])
    (second,) = class_curves(
        judged(
            [0, 0, 1, 1, 1, 0],
            np.column_stack([p, 1 - p]),
            ("yes", "no"),
            "classification",
            event_level="second",
        ),
        ("yes", "no"),
        "gain",
    )
    assert (second.name, second.n) == ("no", 3)


def test_calibration_is_scikit_learns_with_the_bins_edges_told() -> None:
    rows = classified(n=500)
    (curve,) = class_curves(rows, LEVELS, "calibration", shown=["c"], bins=8)
    observed, expected = calibration_curve(rows.truth[:, 0] == 2, rows.estimate[:, 2], n_bins=8)
    np.testing.assert_allclose(curve.columns["observed"], observed, atol=1e-12)
    np.testing.assert_allclose(curve.columns["mean_probability"], expected, atol=1e-12)
    assert curve.columns["n"].sum() == 500
    gaps = np.abs(observed - expected)
    assert curve.summary["calibration_error"] == pytest.approx(
        np.average(gaps, weights=curve.columns["n"])
    )


@pytest.mark.parametrize("kind", ["roc", "pr", "gain", "lift"])
def test_a_long_curve_is_thinned_and_stays_where_it_was(kind: str) -> None:
    draw = np.random.default_rng(3)
    p = draw.uniform(size=20_000)
    truth = (draw.uniform(size=len(p)) > p).astype(int)
    rows = judged(truth, np.column_stack([p, 1 - p]), ("yes", "no"), "classification")
    whole = class_curves(rows, ("yes", "no"), kind, points=ALL * 10)[0]  # type: ignore[arg-type]
    thin = class_curves(rows, ("yes", "no"), kind, points=100)[0]  # type: ignore[arg-type]
    assert 50 <= len(thin.columns["threshold"]) <= 100
    assert thin.summary == whole.summary
    for name, column in thin.columns.items():
        assert column[0] == whole.columns[name][0]
        assert column[-1] == whole.columns[name][-1]
    if kind == "roc":
        # Straight lines leave the curve by a step at most: 1/99 of its length, which is 2 (right
        # and up), and a row or two.
        drawn = np.interp(
            1 - whole.columns["specificity"],
            1 - thin.columns["specificity"],
            thin.columns["sensitivity"],
        )
        assert np.abs(drawn - whole.columns["sensitivity"]).max() < 2 / 99 + 1e-3


def test_very_many_levels_share_the_points() -> None:
    k = 30
    draw = np.random.default_rng(1)
    prob = draw.dirichlet(np.ones(k), 5000)
    levels = [f"l{code}" for code in range(k)]
    rows = judged(draw.integers(0, k, 5000), prob, levels, "classification")
    curves = class_curves(rows, levels, "roc", points=5000)
    assert sum(len(curve.columns["threshold"]) for curve in curves) <= 50_000


@pytest.mark.parametrize("kind", CLASS_CURVES)
def test_no_rows_and_no_events_are_curves_too(kind: str) -> None:
    nothing = judged(np.empty(0), np.empty((0, 3)), LEVELS, "classification")
    assert len(class_curves(nothing, LEVELS, kind)) == 3  # type: ignore[arg-type]
    one_class = judged([0, 0], np.full((2, 3), 1 / 3), LEVELS, "classification")
    without = class_curves(one_class, LEVELS, kind, shown=["b"])[0]  # type: ignore[arg-type]
    assert without.n == 0


def test_residuals_are_truth_less_estimate_of_evenly_spread_rows() -> None:
    rows = measured(n=1000)
    (curve,) = residuals(rows, ["y"], 50)
    error = rows.truth[:, 0] - rows.estimate[:, 0]
    assert curve.summary == pytest.approx({"mean": error.mean(), "sd": error.std(ddof=1)})
    places = curve.columns["row"] - 1
    assert (len(places), places[0], places[-1]) == (50, 0, 999)
    np.testing.assert_array_equal(curve.columns["residual"], error[places])
    (short,) = residuals(measured(n=3), ["y"], 50)
    assert short.columns["row"].tolist() == [1, 2, 3]
