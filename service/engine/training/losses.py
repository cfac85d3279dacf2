"""Losses and epoch metrics on one member's outputs, units along the first axis: (outputs, batch).

Each returns one value a row, (batch,), the mean over outputs where Keras takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from keras import ops

Tensor = Any
RowValues = Callable[[Tensor, Tensor], Tensor]

_TINY: Final = 1e-7  # keras.config.epsilon(), which bounds MAPE's denominator


def binary_crossentropy(z: Tensor, y: Tensor) -> Tensor:
    """Sigmoid cross-entropy on the logits: `mean_k(max(z, 0) - z*y + log(1 + exp(-|z|)))`.

    This is what Keras on TensorFlow computes for `binary_crossentropy` after a layer with
    `activation="softmax"`: the softmax leaves its logits on the tensor and
    `keras.backend.binary_crossentropy` follows them. `softplus(z) = max(z, 0) + log1p(exp(-|z|))`.
    """
    return ops.mean(ops.softplus(z) - z * y, axis=0)


def categorical_crossentropy(z: Tensor, y: Tensor) -> Tensor:
    """Softmax cross-entropy on the logits: `logsumexp(z) - sum_k(y*z)`."""
    return ops.logsumexp(z, axis=0) - ops.sum(y * z, axis=0)


def _squared_error(p: Tensor, y: Tensor) -> Tensor:
    return ops.mean(ops.square(p - y), axis=0)


def _softmax_squared_error(z: Tensor, y: Tensor) -> Tensor:
    return _squared_error(ops.softmax(z, axis=0), y)


def _absolute_error(p: Tensor, y: Tensor) -> Tensor:
    return ops.mean(ops.abs(p - y), axis=0)


def _percentage_error(p: Tensor, y: Tensor) -> Tensor:
    return 100.0 * ops.mean(ops.abs((y - p) / ops.maximum(ops.abs(y), _TINY)), axis=0)


def _huber(p: Tensor, y: Tensor) -> Tensor:
    """keras.losses.huber with delta = 1."""
    error = ops.abs(p - y)
    return ops.mean(ops.where(error <= 1.0, 0.5 * ops.square(error), error - 0.5), axis=0)


def _log_cosh(p: Tensor, y: Tensor) -> Tensor:
    """keras.losses.log_cosh: `mean(d + softplus(-2d) - log 2)`."""
    error = p - y
    return ops.mean(error + ops.softplus(-2.0 * error) - float(np.log(2.0)), axis=0)


def _accuracy(z: Tensor, y: Tensor) -> Tensor:
    return ops.cast(ops.equal(ops.argmax(z, axis=0), ops.argmax(y, axis=0)), "float32")


CLASSIFICATION_LOSSES: Final[dict[str, RowValues]] = {
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "mean_squared_error": _softmax_squared_error,
}
REGRESSION_LOSSES: Final[dict[str, RowValues]] = {
    "mean_squared_error": _squared_error,
    "mean_absolute_error": _absolute_error,
    "mean_absolute_percentage_error": _percentage_error,
    "huber": _huber,
    "log_cosh": _log_cosh,
}
CLASSIFICATION_METRICS: Final[dict[str, RowValues]] = {
    "accuracy": _accuracy,
    "categorical_crossentropy": categorical_crossentropy,
    "mean_squared_error": _softmax_squared_error,
    "mse": _softmax_squared_error,
}
REGRESSION_METRICS: Final[dict[str, RowValues]] = {
    "mean_squared_error": _squared_error,
    "mse": _squared_error,
    "mean_absolute_error": _absolute_error,
    "mae": _absolute_error,
    "root_mean_squared_error": _squared_error,
    "mean_absolute_percentage_error": _percentage_error,
    "mape": _percentage_error,
}


def finish_metric(name: str, mean: float) -> float:
    """Return an epoch metric from its mean over rows: the root for `root_mean_squared_error`."""
    return float(np.sqrt(mean)) if name == "root_mean_squared_error" else mean
