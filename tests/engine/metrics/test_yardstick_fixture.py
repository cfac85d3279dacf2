"""The fixtures of golden.md: numbers that yardstick 1.1.0 printed in R, to the digits given."""

from __future__ import annotations

import numpy as np
import pytest

from service.engine.metrics import METRICS, Classified, confusion, score

LEVELS = ("a", "b", "c")
TRUTH = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]
PROB = [
    [0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.7, 0.2, 0.1],
    [0.1, 0.7, 0.2], [0.3, 0.4, 0.3], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8],
    [0.2, 0.2, 0.6], [0.3, 0.4, 0.3], [0.05, 0.05, 0.9], [0.4, 0.1, 0.5],
]  # fmt: skip
THREE_CLASSES = {
    "accuracy": 0.75,
    "kap": 0.625,
    "mcc": 0.6316139,
    "bal_accuracy": 0.8115741,
    "precision": 0.75,
    "recall": 0.7388889,
    "sens": 0.7388889,
    "f_meas": 0.7367725,
    "spec": 0.8842593,
    "ppv": 0.75,
    "npv": 0.875,
    "j_index": 0.6231481,
    "detection_prevalence": 0.3333333,
    "roc_auc": 0.8902778,
    "pr_auc": 0.8324074,
    "average_precision": 0.8235450,
    "gain_capture": 0.7884369,
    "mn_log_loss": 0.6594558,
    "brier_class": 0.1822917,
}
# yes yes no no no yes, the first level being the event.
EVENT = [0.9, 0.4, 0.6, 0.2, 0.1, 0.8]
TWO_CLASSES = {"roc_auc": 0.8888889, "mn_log_loss": 0.4149316, "sens": 0.6666667}
NUMBERS = {
    "rmse": 0.2828427,
    "mae": 0.24,
    "rsq": 0.9713001,
    "mape": 7.833333,
    "ccc": 0.9817724,
    "huber_loss": 0.04,
}
# Half of the last digit that R printed.
DIGITS = 6e-8


def test_three_classes() -> None:
    assert set(THREE_CLASSES) == set(METRICS["classification"])
    found = score(list(THREE_CLASSES), TRUTH, PROB, LEVELS, "classification")
    assert found == pytest.approx(THREE_CLASSES, abs=DIGITS)


def test_confusion_has_predictions_in_rows_and_truth_in_columns() -> None:
    data = Classified(truth=np.array(TRUTH), prob=np.array(PROB), levels=LEVELS)
    assert confusion(data).counts == ((3, 1, 0), (1, 2, 1), (0, 0, 4))


def test_two_classes_with_the_first_as_the_event() -> None:
    prob = [[p, 1 - p] for p in EVENT]
    found = score(list(TWO_CLASSES), [0, 0, 1, 1, 1, 0], prob, ("yes", "no"), "classification")
    assert found == pytest.approx(TWO_CLASSES, abs=DIGITS)


def test_numbers() -> None:
    estimate = [1.1, 1.9, 3.2, 3.7, 5.5]
    found = score(list(NUMBERS), [1, 2, 3, 4, 5], estimate, None, "regression")
    # mape is printed to 7 digits, of which one stands before the point.
    assert found == pytest.approx(NUMBERS, abs=DIGITS, rel=6e-8)
