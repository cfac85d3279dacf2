"""Against scikit-learn where it defines the same, and yardstick's rules where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from service.engine.metrics import METRICS, score, scores

CLASS_ONLY = [
    name
    for name in METRICS["classification"]
    if name
    not in (
        "roc_auc",
        "pr_auc",
        "average_precision",
        "gain_capture",
        "mn_log_loss",
        "brier_class",
    )
]


def one_hot(
    predicted: list[int], n_levels: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.eye(n_levels)[predicted]


def labels(n_levels: int) -> tuple[str, ...]:
    return tuple("abcdefghij"[:n_levels])


@given(
    st.integers(2, 5).flatmap(
        lambda k: st.tuples(
            st.just(k),
            st.lists(
                st.tuples(
                    st.integers(0, k - 1), st.integers(0, k - 1), st.sampled_from([0.5, 1.0, 2.0])
                ),
                min_size=1,
                max_size=40,
            ),
        )
    )
)
def test_scores_are_those_of_scikit_learn(case: tuple[int, list[tuple[int, int, float]]]) -> None:
    k, rows = case
    truth, predicted, weight = (list(column) for column in zip(*rows, strict=True))
    ours = score(CLASS_ONLY, truth, one_hot(predicted, k), labels(k), "classification", weight)
    every = list(range(k))
    # Undefined classes: yardstick leaves them out, scikit-learn does so on request. Of two classes
    # only the event counts, which is the first level.
    average = {
        "average": "macro",
        "labels": [0] if k == 2 else every,
        "zero_division": np.nan,
        "sample_weight": weight,
    }
    near = 1e-12
    assert ours["accuracy"] == pytest.approx(
        sk.accuracy_score(truth, predicted, sample_weight=weight), abs=near
    )
    for name, function in (("precision", sk.precision_score), ("recall", sk.recall_score)):
        expected = function(truth, predicted, **average)
        if np.isnan(expected):
            assert ours[name] is None
        else:
            assert ours[name] == pytest.approx(expected, abs=near)
    table = sk.confusion_matrix(truth, predicted, labels=every, sample_weight=weight)
    if np.count_nonzero(table.sum(axis=0)) > 1 and np.count_nonzero(table.sum(axis=1)) > 1:
        assert ours["mcc"] == pytest.approx(
            sk.matthews_corrcoef(truth, predicted, sample_weight=weight), abs=near
        )
        assert ours["kap"] == pytest.approx(
            sk.cohen_kappa_score(truth, predicted, labels=every, sample_weight=weight), abs=near
        )
    else:
        assert ours["mcc"] is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_f_meas_is_scikit_learns_where_every_class_is_defined(rows: list[tuple[int, int]]) -> None:
    # Each class once right, so that precision and recall are defined.
    truth = [*range(4), *(row[0] for row in rows)]
    predicted = [*range(4), *(row[1] for row in rows)]
    ours = score(["f_meas"], truth, one_hot(predicted, 4), labels(4), "classification")
    assert ours["f_meas"] == pytest.approx(
        sk.f1_score(truth, predicted, average="macro"), abs=1e-12
    )


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=40))
def test_of_two_classes_the_rest_follows_from_the_table(rows: list[tuple[int, int]]) -> None:
    truth = [0, 0, 1, 1, *(row[0] for row in rows)]
    predicted = [0, 1, 0, 1, *(row[1] for row in rows)]
    ours = score(CLASS_ONLY, truth, one_hot(predicted, 2), labels(2), "classification")
    (tp, fn), (fp, tn) = sk.confusion_matrix(truth, predicted, labels=[0, 1]).tolist()
    assert ours["spec"] == pytest.approx(tn / (tn + fp), abs=1e-12)
    assert ours["ppv"] == pytest.approx(tp / (tp + fp), abs=1e-12)
    assert ours["npv"] == pytest.approx(tn / (tn + fn), abs=1e-12)
    assert ours["j_index"] == pytest.approx(tp / (tp + fn) + tn / (tn + fp) - 1, abs=1e-12)
    assert ours["bal_accuracy"] == pytest.approx(
        sk.balanced_accuracy_score(truth, predicted), abs=1e-12
    )
    assert ours["detection_prevalence"] == pytest.approx((tp + fp) / len(truth), abs=1e-12)


def test_a_class_never_predicted_is_left_out_of_precision_with_a_warning() -> None:
    # c is never predicted, so its precision is 0/0.
    found = scores(
        ["precision", "recall", "f_meas", "ppv", "npv", "bal_accuracy"],
        [0, 0, 1, 2],
        one_hot([0, 0, 1, 1], 3),
        labels(3),
        "classification",
    )
    assert found.values["precision"] == pytest.approx((1 + 1 / 2) / 2)
    assert found.values["recall"] == pytest.approx((1 + 1 + 0) / 3)
    assert found.values["f_meas"] == pytest.approx((1 + 2 / 3) / 2)
    # yardstick averages ppv without leaving anything out: NA.
    assert found.values["ppv"] is None
    assert found.values["npv"] is not None
    assert found.values["bal_accuracy"] is not None
    assert [(warning.metric, warning.code, warning.levels) for warning in found.warnings] == [
        ("precision", "undefined_classes", ("c",)),
        ("f_meas", "undefined_classes", ("c",)),
        ("ppv", "undefined", ("c",)),
    ]


def test_a_class_without_rows_is_left_out_of_recall_and_voids_balanced_accuracy() -> None:
    found = scores(
        ["sens", "j_index", "spec", "bal_accuracy"],
        [0, 0, 1, 1],
        one_hot([0, 2, 1, 1], 3),
        labels(3),
        "classification",
    )
    assert found.values["sens"] == pytest.approx(0.75)
    assert found.values["spec"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found.values["j_index"] == pytest.approx((0.5 + 1 - 1 + 1 + 1 - 1) / 2)
    assert found.values["bal_accuracy"] is None
    assert [warning.metric for warning in found.warnings] == ["sens", "j_index", "bal_accuracy"]


def test_precision_and_recall_of_zero_make_an_f_meas_of_zero() -> None:
    truth, predicted = [0, 0, 1, 1], [1, 1, 0, 0]
    assert score(["f_meas"], truth, one_hot(predicted, 2), labels(2), "classification") == {
        "f_meas": 0
    }


def test_an_undefined_event_is_none_with_a_warning() -> None:
    found = scores(["precision"], [0, 1], one_hot([1, 1], 2), labels(2), "classification")
    assert found.values == {"precision": None}
    assert [(warning.code, warning.levels) for warning in found.warnings] == [("undefined", ("a",))]


def test_ties_are_predicted_as_the_first_class() -> None:
    prob = [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]
    assert score(["accuracy"], [0, 1], prob, labels(3), "classification") == {"accuracy": 1}


def test_weights_count_rows_as_often() -> None:
    truth, predicted, times = [0, 1, 2, 2, 1, 0], [0, 1, 1, 2, 0, 0], [3, 1, 2, 5, 2, 1]
    weighted = score(CLASS_ONLY, truth, one_hot(predicted, 3), labels(3), "classification", times)
    repeated = score(
        CLASS_ONLY,
        np.repeat(truth, times),
        np.repeat(one_hot(predicted, 3), times, axis=0),
        labels(3),
        "classification",
    )
    assert weighted == pytest.approx(repeated, abs=1e-12)
