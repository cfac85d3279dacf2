"""Metrics of predicted numbers, as yardstick 1.1.0 defines them. Errors are truth - estimate."""

from __future__ import annotations

import math

import numpy as np

from service.engine.metrics.outcome import Floats, Measured, Remark, Score, mean, mean_of, ratio


def rmse(data: Measured) -> Score:
    """Root of the mean squared error."""
    return Score(np.sqrt(data.mean(np.square(data.truth - data.estimate))))


def mae(data: Measured) -> Score:
    """Mean absolute error."""
    return Score(data.mean(np.abs(data.truth - data.estimate)))


def msd(data: Measured) -> Score:
    """Mean of `truth - estimate`."""
    return Score(data.mean(data.truth - data.estimate))


def mape(data: Measured) -> Score:
    """Mean of `|truth - estimate| / |truth|`, in percent; undefined when a true value is 0."""
    return Score(100 * data.mean(np.abs((data.truth - data.estimate) / data.truth)))


def smape(data: Measured) -> Score:
    """Mean of `|truth - estimate| / ((|truth| + |estimate|) / 2)`, in percent, 0 to 200.

    Undefined when a true value and its estimate are both 0.
    """
    size = (np.abs(data.truth) + np.abs(data.estimate)) / 2
    return Score(100 * data.mean(np.abs(data.truth - data.estimate) / size))


def huber_loss(data: Measured) -> Score:
    """Mean of `e^2/2` where `|e| <= 1`, else `|e| - 1/2` (Huber 1964, delta 1)."""
    error = np.abs(data.truth - data.estimate)
    return Score(data.mean(np.where(error <= 1, 0.5 * np.square(error), error - 0.5)))


def mase(data: Measured) -> Score:
    """Mean absolute error, scaled by that of saying the value before (Hyndman and Koehler 2006).

    `mean |truth - estimate| / mean |truth_i - truth_(i-1)|`, the rows in their order, lag 1, as
    yardstick without `mae_train`; the scale is not weighted. Undefined of a constant truth or of
    one row, and of resamples, which have no order.
    """
    if data.counts is not None:
        return Score(np.full(len(data.counts), np.nan))
    steps = np.abs(np.diff(data.truth))
    scale = mean(steps, None)
    if not scale > 0:
        message = "The truth never changes from one row to the next: there is no scale."
        return Score(math.nan, (Remark("undefined", message),))
    return Score(data.mean(np.abs(data.truth - data.estimate)) / scale)


def rsq(data: Measured) -> Score:
    """Squared correlation of truth and estimate, not `1 - SSE/SST`; undefined of a constant."""
    for what, values in (("truth", data.truth), ("estimate", data.estimate)):
        if len(values) == 0 or values.min() == values.max():
            message = f"The correlation is undefined: the {what} is constant."
            return Score(np.full(data.mass.shape[:-1], np.nan), (Remark("undefined", message),))
    truth, estimate, both = _covariances(data)
    return Score(ratio(both * both, truth * estimate))


def rsq_trad(data: Measured) -> Score:
    """Coefficient of determination: `1 - SSE/SST`; undefined of a constant truth."""
    if len(data.truth) == 0 or data.truth.min() == data.truth.max():
        message = "There is nothing to explain: the truth is constant."
        return Score(np.full(data.mass.shape[:-1], np.nan), (Remark("undefined", message),))
    centre = data.mean(data.truth)[..., np.newaxis]
    total = (data.mass * np.square(data.truth - centre)).sum(axis=-1)
    left = data.mass @ np.square(data.truth - data.estimate)
    return Score(1 - ratio(np.asarray(left), np.asarray(total)))


def ccc(data: Measured) -> Score:
    """Lin's concordance (1989): `2 cov / (var t + var e + (mean t - mean e)^2)`, n-1 variances."""
    if len(data.truth) < 2:
        return Score(np.full(data.mass.shape[:-1], np.nan))
    truth, estimate, both = _covariances(data)
    shift = data.mean(data.truth) - data.mean(data.estimate)
    return Score(ratio(2 * both, truth + estimate + shift * shift))


def _covariances(data: Measured) -> tuple[Floats, Floats, Floats]:
    """Return var(truth), var(estimate), cov, each (...): R's `cov.wt(method = "unbiased")`.

    With weights scaled to sum to 1 the divisor is `1 - sum(w^2)`, which is n-1 for equal ones. A
    row that is there twice in a resample counts as two rows of its weight.
    """
    mass = data.mass
    weights = np.ones(len(data.truth)) if data.weights is None else data.weights
    total = mass.sum(axis=-1)
    spread = 1 - ratio(np.asarray(mass @ weights), np.asarray(np.square(total)))
    truth = data.truth - mean_of(data.truth, mass)[..., np.newaxis]
    estimate = data.estimate - mean_of(data.estimate, mass)[..., np.newaxis]

    def product(left: Floats, right: Floats) -> Floats:
        return ratio((mass * left * right).sum(axis=-1), spread * total)

    return product(truth, truth), product(estimate, estimate), product(truth, estimate)
