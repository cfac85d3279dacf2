"""The same fit as a Keras user writes it: `compile`, `fit`, one batch after another.

The simple version, kept as the oracle that tests compare the cohort program with: same initial
weights, same order of rows, same dropout masks. Nothing in the service calls it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from service.engine.training import seeding
from service.engine.training.members import Member
from service.engine.training.network import Weights, initial_weights
from service.engine.training.objective import Objective
from service.engine.training.rows import Rows


@keras.saving.register_keras_serializable(package="fitpoint_reference")
class RecordedDropout(keras.layers.Layer):  # type: ignore[misc]
    """A Dropout that takes its masks from a list instead of drawing them."""

    def __init__(self, rate: float, steps: int, batch: int, units: int) -> None:
        super().__init__()
        self._scale = 1.0 / (1.0 - rate)
        self._masks = self.add_weight(
            shape=(steps, batch, units), dtype="float32", trainable=False, name="masks"
        )
        self._step = self.add_weight(
            shape=(), dtype="int32", trainable=False, initializer="zeros", name="step"
        )

    def record(self, masks: Any) -> None:
        """Set the masks of the coming epoch, (steps, batch, units), and start at the first."""
        self._masks.assign(masks)
        self._step.assign(0)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop what the recorded mask of this step drops; pass everything when not training."""
        if not training:
            return inputs
        mask = ops.take(self._masks, self._step, axis=0)[: ops.shape(inputs)[0]]
        self._step.assign_add(1)
        return inputs * mask * self._scale


def reference_fit(
    member: Member,
    objective: Objective,
    shuffle_seed: int,
    rows: Rows,
    *,
    epochs: int,
    max_rows: int | None = None,
) -> tuple[Weights, list[dict[str, float]]]:
    """Fit one network by plain `keras.Model.fit` and return its weights and its logs by epoch.

    `rows.x` is unpadded here. `max_rows` cuts each epoch to its first rows (some hundred steps).
    On JAX, Keras's own `binary_crossentropy` would take the probabilities; there the output is
    linear and the loss has `from_logits=True`, which is what TensorFlow computes.
    """
    network = member.network
    n_rows, batch = rows.x.shape[0], objective.batch_size
    seen = min(max_rows or n_rows, n_rows)
    steps = -(-seen // batch)
    layers: list[Any] = [keras.Input((network.predictors,))]
    dropouts: list[tuple[int, RecordedDropout]] = []
    for layer, (units, rate) in enumerate(zip(network.hidden, network.dropouts, strict=True)):
        penalty = member.penalties[layer]
        regularizer = (
            keras.regularizers.L1L2(l1=penalty * member.mixture, l2=penalty * (1 - member.mixture))
            if penalty
            else None
        )
        layers.append(
            keras.layers.Dense(units, activation=network.activation, kernel_regularizer=regularizer)
        )
        if rate > 0:
            dropout = RecordedDropout(rate, steps, batch, units)
            dropouts.append((layer, dropout))
            layers.append(dropout)
    loss, last = _loss(objective, network.output_activation)
    layers.append(keras.layers.Dense(network.outputs, activation=last))
    model = keras.Sequential(layers)
    _set_trainable(model, initial_weights(network, member.seeds))
    arguments = {
        name: value for name, value in objective.optimizer.model_dump().items() if name != "name"
    }
    optimizer = keras.optimizers.get(
        {
            "class_name": objective.optimizer.name,
            "config": {"learning_rate": member.learn_rate, **arguments},
        }
    )
    metrics = _metrics(objective, of_logits=last != network.output_activation)
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
    class_weight = (
        dict(enumerate(member.class_weights)) if member.class_weights is not None else None
    )
    logs = []
    for epoch in range(1, epochs + 1):
        order = seeding.order(shuffle_seed, epoch, n_rows)[:seen]
        for layer, dropout in dropouts:
            units, rate = network.hidden[layer], network.dropouts[layer]
            mask = np.zeros((steps * batch, units), np.float32)
            drawn = seeding.dropout_mask(member.seeds[1], epoch, layer, n_rows, units, rate)
            mask[:seen] = drawn[:seen]
            dropout.record(mask.reshape(steps, batch, units))
        history = model.fit(
            rows.x[order],
            rows.y[order],
            sample_weight=None if rows.weights is None else rows.weights[order],
            class_weight=class_weight,
            batch_size=batch,
            epochs=1,
            shuffle=False,
            verbose=0,
        )
        logs.append({name: float(values[0]) for name, values in history.history.items()})
    weights = tuple(np.asarray(ops.convert_to_numpy(v)) for v in model.trainable_variables)
    return weights, logs


def _loss(objective: Objective, output_activation: str) -> tuple[Any, str]:
    logits = keras.config.backend() == "jax" and output_activation == "softmax"
    if logits and objective.loss == "binary_crossentropy":
        return keras.losses.BinaryCrossentropy(from_logits=True), "linear"
    if logits and objective.loss == "categorical_crossentropy":
        return keras.losses.CategoricalCrossentropy(from_logits=True), "linear"
    return objective.loss, output_activation


def _metrics(objective: Objective, *, of_logits: bool) -> list[Any]:
    """Return the metrics, those that need probabilities given them where the output is logits."""
    if not of_logits:
        return list(objective.metrics)

    def of_probabilities(name: str) -> Any:
        function = keras.losses.get(name)
        return keras.metrics.MeanMetricWrapper(
            lambda y, logits: function(y, ops.softmax(logits)), name=name
        )

    return [name if name == "accuracy" else of_probabilities(name) for name in objective.metrics]


def _set_trainable(model: Any, weights: Weights) -> None:
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)
