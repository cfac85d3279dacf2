from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from service.domain.errors import InvalidData, InvalidSpec
from service.domain.fit import Mode
from service.domain.metric_names import metrics_of
from service.engine.metrics import METRICS, metric_names, score


@pytest.mark.parametrize("mode", ["classification", "regression"])
def test_every_name_that_the_domain_accepts_can_be_computed(mode: Mode) -> None:
    assert tuple(METRICS[mode]) == metrics_of(mode)


def test_defaults_are_those_of_tune() -> None:
    assert metric_names(None, "classification") == ("roc_auc", "accuracy", "brier_class")
    assert metric_names(None, "regression") == ("rmse", "rsq")


def test_names_are_kept_in_order_and_once() -> None:
    assert metric_names(["mcc", "kap", "mcc"], "classification") == ("mcc", "kap")


def test_an_unknown_name_is_refused_with_the_nearest_and_its_place() -> None:
    with pytest.raises(InvalidSpec, match="Did you mean 'accuracy'") as caught:
        metric_names(["kap", "acuracy", "xyz"], "classification", "evaluate", 0, "metrics")
    assert [error.loc for error in caught.value.errors] == [
        ("evaluate", 0, "metrics", 1),
        ("evaluate", 0, "metrics", 2),
    ]


def test_a_metric_of_the_other_mode_is_refused_as_such() -> None:
    with pytest.raises(InvalidSpec, match="Received 'rmse', a metric of regression"):
        metric_names(["rmse"], "classification")
    with pytest.raises(InvalidSpec, match="Received 'accuracy', a metric of classification"):
        score(["accuracy"], [1.0], [1.0], None, "regression")


@pytest.mark.parametrize(
    ("truth", "estimate", "weights"),
    [
        ([0, 1], [[0.5, 0.5]], None),
        ([0, 1], [[0.2, 0.3, 0.5]] * 2, None),
        ([0, 2], [[0.5, 0.5]] * 2, None),
        ([[0], [1]], [0.5, 0.5], None),
        ([0, 1], [[0.5, 0.5]] * 2, [1.0]),
        ([0, 1], [[0.5, 0.5]] * 2, [1.0, -1.0]),
        ([0, 1], [[0.5, 0.5]] * 2, [1.0, np.nan]),
    ],
)
def test_what_does_not_fit_together_is_refused(
    truth: ArrayLike, estimate: ArrayLike, weights: ArrayLike | None
) -> None:
    with pytest.raises(InvalidData, match="in what is scored"):
        score(["accuracy"], truth, estimate, ("a", "b"), "classification", weights)


def test_an_average_that_a_metric_does_not_have_is_refused() -> None:
    prob = [[0.5, 0.5]] * 2
    with pytest.raises(InvalidSpec, match="for roc_auc, which are areas") as caught:
        score(None, [0, 1], prob, ("a", "b"), "classification", estimator="micro")
    assert caught.value.errors[0].loc == ("estimator",)
    for asked in ({"estimator": "macro"}, {"event_level": "second"}):
        with pytest.raises(InvalidSpec, match="for regression"):
            score(["mae"], [1.0], [1.0], None, "regression", **asked)  # type: ignore[arg-type]
