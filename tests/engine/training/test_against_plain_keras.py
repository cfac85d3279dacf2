"""The cohort program against `keras.Model.fit`, weight by weight."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from service.domain.fit import KERAS3_ACTIVATIONS
from service.engine.training.reference import reference_fit
from service.engine.training.rows import Rows
from service.engine.training.train import train

if TYPE_CHECKING:
    from service.engine.training.members import Member
    from service.engine.training.network import Weights
    from service.engine.training.objective import Objective
    from tests.engine.training.conftest import Small

SHUFFLE = 11
# 11 steps an epoch, 5 epochs. Both sides round to float32 after every operation, in another order;
# 2e-5 of the largest weight is some hundred roundings (2**-24) of a value near it.
TOLERANCE = 2e-5


def difference(ours: Weights, theirs: Weights) -> float:
    """The largest difference relative to the largest weight."""
    largest = max(float(np.abs(array).max()) for array in theirs)
    pairs = zip(ours, theirs, strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs) / largest


def both(
    small: Small, member: Member, objective: Objective, rows: Rows, *, epochs: int = 5
) -> tuple[Any, Weights, list[dict[str, float]]]:
    member = replace(member, epochs=epochs)
    ours = train([member], objective, SHUFFLE, rows)[0]
    weights, logs = reference_fit(member, objective, SHUFFLE, small.unpadded(rows), epochs=epochs)
    return ours, weights, logs


@pytest.mark.parametrize("activation", KERAS3_ACTIVATIONS)
def test_every_activation_trains_as_keras_does(small: Small, activation: str) -> None:
    member = small.member(
        hidden_units=7, activation=activation, learn_rate=0.01, engine={"name": "keras3"}
    )
    ours, weights, logs = both(small, member, small.objective(), small.rows())
    assert difference(ours.weights, weights) < TOLERANCE
    assert ours.history[-1].values["loss"] == pytest.approx(logs[-1]["loss"], rel=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        {"hidden_units": 7, "penalty": 0.01},
        {"hidden_units": 7, "penalty": 0.01, "mixture": 0.4},
        {"hidden_units": [7, 4], "penalty": 0.01, "mixture": 0.4},
        {"hidden_units": 7, "dropout": 0.3},
        {"hidden_units": [7, 4, 3], "dropout": 0.3},
    ],
    ids=["penalty", "mixture", "penalty of two layers", "dropout", "dropout of three layers"],
)
@pytest.mark.parametrize("engine", ["keras", "keras3"])
def test_penalty_and_dropout_train_as_keras_does(
    small: Small, engine: str, model: dict[str, Any]
) -> None:
    member = small.member(activation="relu", learn_rate=0.01, engine={"name": engine}, **model)
    ours, weights, _ = both(small, member, small.objective(), small.rows())
    assert difference(ours.weights, weights) < TOLERANCE


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "adam", "amsgrad": True},
        {"name": "adamw", "weight_decay": 0.1},
        {"name": "sgd"},
        {"name": "sgd", "momentum": 0.9},
        {"name": "sgd", "momentum": 0.9, "nesterov": True},
        {"name": "rmsprop"},
        {"name": "rmsprop", "momentum": 0.9, "centered": True},
        {"name": "adagrad"},
        {"name": "adamax"},
        {"name": "nadam"},
    ],
    ids=lambda optimizer: " ".join(str(value) for value in optimizer.values()),
)
def test_every_optimizer_steps_as_keras_does(small: Small, optimizer: dict[str, Any]) -> None:
    member = small.member(hidden_units=7, activation="elu", learn_rate=0.01)
    objective = small.objective(optimizer=optimizer)
    ours, weights, _ = both(small, member, objective, small.rows())
    assert difference(ours.weights, weights) < TOLERANCE


@pytest.mark.parametrize(
    "loss", ["binary_crossentropy", "categorical_crossentropy", "mean_squared_error"]
)
def test_losses_and_metrics_of_classification_are_keras_s(small: Small, loss: str) -> None:
    member = small.member(hidden_units=7, activation="relu", learn_rate=0.01)
    metrics = ("accuracy", "categorical_crossentropy", "mean_squared_error")
    objective = small.objective(loss=loss, metrics=metrics)
    ours, weights, logs = both(small, member, objective, small.rows())
    assert difference(ours.weights, weights) < TOLERANCE
    for record, log in zip(ours.history, logs, strict=True):
        for name in ("loss", "accuracy", "mean_squared_error"):
            assert record.values[name] == pytest.approx(log[name], rel=2e-5), name


@pytest.mark.parametrize(
    "loss",
    [
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "huber",
        "log_cosh",
    ],
)
def test_losses_and_metrics_of_regression_are_keras_s(small: Small, loss: str) -> None:
    member = small.member(mode="regression", hidden_units=7, activation="relu", learn_rate=0.001)
    metrics = ("mean_squared_error", "mean_absolute_error", "root_mean_squared_error")
    objective = small.objective("regression", loss=loss, metrics=metrics)
    ours, weights, logs = both(small, member, objective, small.rows(mode="regression"))
    assert difference(ours.weights, weights) < TOLERANCE
    for record, log in zip(ours.history, logs, strict=True):
        for name in ("loss", *metrics):
            assert record.values[name] == pytest.approx(log[name], rel=2e-5), name


def test_class_weights_weigh_the_training_loss_as_keras_does(small: Small) -> None:
    member = small.member(
        hidden_units=7, activation="relu", engine={"class_weight": {"a": 3.0, "c": 0.5}}
    )
    ours, weights, logs = both(small, member, small.objective(), small.rows())
    assert difference(ours.weights, weights) < TOLERANCE
    assert ours.history[-1].values["loss"] == pytest.approx(logs[-1]["loss"], rel=1e-5)


def test_case_weights_weigh_the_training_loss_as_keras_does(small: Small) -> None:
    weights = np.random.default_rng(4).uniform(0, 2, 333).astype(np.float32)
    rows = replace(small.rows(), weights=weights)
    member = small.member(hidden_units=7, activation="relu")
    ours, theirs, logs = both(small, member, small.objective(), rows)
    assert difference(ours.weights, theirs) < TOLERANCE
    assert ours.history[-1].values["loss"] == pytest.approx(logs[-1]["loss"], rel=1e-5)


def test_fewer_rows_than_a_batch_are_one_step_an_epoch(small: Small) -> None:
    member = small.member(hidden_units=7, activation="relu")
    ours, weights, _ = both(small, member, small.objective(), small.rows(0, 20))
    assert difference(ours.weights, weights) < TOLERANCE


def test_an_untrained_network_loses_the_logarithm_of_two(small: Small) -> None:
    """Sigmoid cross-entropy of logits near 0 (golden.md G33), not .56 of the probabilities."""
    member = replace(small.member(hidden_units=7, activation="softmax", learn_rate=1e-9), epochs=1)
    ours = train([member], small.objective(), SHUFFLE, small.rows())[0]
    # The softmax of seven units leaves logits within about .3 of 0.
    assert ours.history[0].values["loss"] == pytest.approx(np.log(2), abs=0.02)
