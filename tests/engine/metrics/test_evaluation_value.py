from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from service.domain.evaluations import Evaluation
from service.domain.fit import Mode
from service.engine.metrics import ConstantPrediction, evaluate, majority_or_mean
from service.engine.metrics.evaluation import MAX_CONFUSED

LEVELS = ("a", "b", "c")


def evaluated(
    truth: ArrayLike,
    estimate: ArrayLike,
    mode: Mode,
    constant: ConstantPrediction,
    names: list[str] | None = None,
) -> Evaluation:
    return evaluate(
        id="ev_1",
        dataset="test",
        dataset_sha256="0" * 64,
        names=names,
        truth=truth,
        estimate=estimate,
        levels=LEVELS if mode == "classification" else None,
        mode=mode,
        constant=constant,
    )


def test_the_baseline_is_the_training_rows_majority_class_on_the_test_rows() -> None:
    constant = majority_or_mean([1, 1, 1, 0, 2, -1], "classification")
    assert constant == ConstantPrediction(kind="majority", values=(1,))
    prob = np.eye(3)[[0, 1, 1, 2]]
    found = evaluated([0, 1, 2, 2], prob, "classification", constant, ["accuracy"])
    assert found.metrics == {"accuracy": 0.75}
    assert (found.baseline.kind, found.baseline.metric) == ("majority", "accuracy")
    assert found.baseline.value == 0.25


def test_confusion_and_classes_are_shown_for_classification() -> None:
    constant = ConstantPrediction(kind="majority", values=(0,))
    found = evaluated([0, 1, 2, 2, -1], np.eye(3)[[0, 1, 1, 1, 0]], "classification", constant)
    assert found.n == 4
    assert found.confusion is not None
    assert found.confusion.levels == LEVELS
    assert found.confusion.counts == ((1, 0, 0), (0, 1, 2), (0, 0, 0))
    assert found.by_class is not None
    a, b, c = found.by_class
    assert (a.level, a.n, a.precision, a.recall, a.f_meas) == ("a", 1, 1, 1, 1)
    assert [b.precision, b.recall, b.f_meas] == pytest.approx([1 / 3, 1, 0.5])
    assert (c.n, c.precision, c.recall, c.f_meas) == (2, None, 0, None)
    assert [warning.code for warning in found.warnings] == ["missing_truth"]


def test_the_most_common_class_of_several_is_the_first_and_weights_decide() -> None:
    assert majority_or_mean([2, 1, 1, 2], "classification").values == (1,)
    assert majority_or_mean([2, 1, 1, 2], "classification", [1, 1, 1, 5]).values == (2,)


def test_a_regression_has_its_mean_as_baseline_and_no_confusion() -> None:
    constant = majority_or_mean([1.0, 3.0, np.nan], "regression")
    assert constant == ConstantPrediction(kind="mean", values=(2,))
    found = evaluated([1.0, 2.0, 5.0], [1.0, 2.0, 4.0], "regression", constant)
    assert found.metrics["rmse"] == pytest.approx(np.sqrt(1 / 3))
    assert (found.baseline.kind, found.baseline.metric) == ("mean", "rmse")
    assert found.baseline.value == pytest.approx(np.sqrt((1 + 0 + 9) / 3))
    assert found.confusion is None
    assert found.by_class is None


def test_several_outcomes_have_a_mean_each() -> None:
    constant = majority_or_mean([[1.0, 10.0], [3.0, 30.0]], "regression", [1.0, 3.0])
    assert constant.values == (2.5, 25)
    found = evaluated([[2.5, 24.0]], [[2.5, 24.0]], "regression", constant, ["mae"])
    assert found.baseline.value == 0.5
    assert found.metrics == {"mae": 0}


def test_the_confusion_of_very_many_classes_is_left_out_and_said_so() -> None:
    k = MAX_CONFUSED + 1
    found = evaluate(
        id="ev_1",
        dataset="test",
        dataset_sha256="0" * 64,
        names=["accuracy"],
        truth=[0, k - 1],
        estimate=np.eye(k)[[0, k - 1]],
        levels=[f"l{code}" for code in range(k)],
        mode="classification",
        constant=ConstantPrediction(kind="majority", values=(0,)),
    )
    assert found.metrics == {"accuracy": 1}
    assert found.confusion is None
    assert found.by_class is not None
    assert [warning.code for warning in found.warnings] == ["no_confusion"]


def test_a_model_whose_baseline_nobody_kept_is_judged_without() -> None:
    prob = np.eye(3)[[0, 1]]
    found = evaluate(
        id="ev_1",
        dataset="test",
        dataset_sha256="0" * 64,
        names=["accuracy"],
        truth=[0, 1],
        estimate=prob,
        levels=LEVELS,
        mode="classification",
        constant=None,
    )
    assert (found.baseline.kind, found.baseline.value) == ("majority", None)
    assert [warning.code for warning in found.warnings] == ["no_baseline"]


def test_a_diverged_network_is_judged_without_a_score() -> None:
    constant = ConstantPrediction(kind="majority", values=(0,))
    found = evaluated([0, 1], [[np.nan] * 3, [0.2, 0.3, 0.5]], "classification", constant)
    assert set(found.metrics.values()) == {None}
    assert found.baseline.value == 0.5
    assert found.confusion is None
    assert Evaluation.model_validate_json(found.model_dump_json()) == found
