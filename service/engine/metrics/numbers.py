"""Metrics of predicted numbers, as yardstick 1.1.0 defines them. Errors are truth - estimate."""

from __future__ import annotations

import math

import numpy as np

from service.engine.metrics.outcome import Floats, Measured, Remark, Score, mean


def rmse(data: Measured) -> Score:
    """Root of the mean squared error."""
    return Score(math.sqrt(mean(np.square(data.truth - data.estimate), data.weights)))


def mae(data: Measured) -> Score:
    """Mean absolute error."""
    return Score(mean(np.abs(data.truth - data.estimate), data.weights))


def msd(data: Measured) -> Score:
    """Mean of `truth - estimate`."""
    return Score(mean(data.truth - data.estimate, data.weights))


def mape(data: Measured) -> Score:
    """Mean of `|truth - estimate| / |truth|`, in percent; undefined when a true value is 0."""
    share = np.abs((data.truth - data.estimate) / data.truth)
    return Score(100 * mean(share, data.weights))


def smape(data: Measured) -> Score:
    """Mean of `|truth - estimate| / ((|truth| + |estimate|) / 2)`, in percent, 0 to 200.

    Undefined when a true value and its estimate are both 0.
    """
    size = (np.abs(data.truth) + np.abs(data.estimate)) / 2
    return Score(100 * mean(np.abs(data.truth - data.estimate) / size, data.weights))


def huber_loss(data: Measured) -> Score:
    """Mean of `e^2/2` where `|e| <= 1`, else `|e| - 1/2` (Huber 1964, delta 1)."""
    error = np.abs(data.truth - data.estimate)
    loss = np.where(error <= 1, 0.5 * np.square(error), error - 0.5)
    return Score(mean(loss, data.weights))


def rsq(data: Measured) -> Score:
    """Squared correlation of truth and estimate, not `1 - SSE/SST`; undefined of a constant."""
    for what, values in (("truth", data.truth), ("estimate", data.estimate)):
        if len(values) == 0 or values.min() == values.max():
            message = f"The correlation is undefined: the {what} is constant."
            return Score(math.nan, (Remark("undefined", message),))
    truth, estimate, both = _covariances(data)
    return Score(both * both / (truth * estimate) if truth * estimate > 0 else math.nan)


def ccc(data: Measured) -> Score:
    """Lin's concordance (1989): `2 cov / (var t + var e + (mean t - mean e)^2)`, n-1 variances."""
    if len(data.truth) < 2:
        return Score(math.nan)
    truth, estimate, both = _covariances(data)
    shift = mean(data.truth, data.weights) - mean(data.estimate, data.weights)
    below = truth + estimate + shift * shift
    return Score(2 * both / below if below > 0 else math.nan)


def _covariances(data: Measured) -> tuple[float, float, float]:
    """Return var(truth), var(estimate), cov: R's `cov.wt(method = "unbiased")`.

    With weights scaled to sum to 1 the divisor is `1 - sum(w^2)`, which is n-1 for equal ones.
    """
    n = len(data.truth)
    weights = np.full(n, 1 / n) if data.weights is None else data.weights / data.weights.sum()
    spread = 1 - float(np.square(weights).sum())
    if spread <= 0:
        return math.nan, math.nan, math.nan
    truth = data.truth - mean(data.truth, data.weights)
    estimate = data.estimate - mean(data.estimate, data.weights)

    def product(left: Floats, right: Floats) -> float:
        return float((weights * left * right).sum()) / spread

    return product(truth, truth), product(estimate, estimate), product(truth, estimate)
