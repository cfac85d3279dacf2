"""Metrics of class probabilities, as yardstick defines them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

from service.engine.metrics.averages import whole
from service.engine.metrics.outcome import (
    Classified,
    Floats,
    Remark,
    Score,
    mean,
    mean_of,
    ratio,
)
from service.engine.metrics.thresholds import (
    area,
    gain_points,
    mass_above,
    one_against_rest,
    pr_points,
    roc_points,
)

_EPSILON = sys.float_info.epsilon


def mn_log_loss(data: Classified) -> Score:
    """Mean of `-log(p)` of the true classes' probabilities, clipped to [2.2e-16, 1 - 2.2e-16]."""
    return Score(_mean(data, -np.log(np.clip(data.truth_prob, _EPSILON, 1 - _EPSILON))))


def brier_class(data: Classified) -> Score:
    """Half the mean of `sum_k (y_k - p_k)^2` over the classes (Kruppa et al. 2014).

    For two classes it is the mean of `(y - p)^2`. Case weights are weights of the mean; yardstick
    takes their exponential, which makes 1 and 2 weigh as e and e^2.
    """
    if len(data.levels) == 2:
        return Score(_mean(data, np.square(1 - data.truth_prob)))
    gaps = data.prob.copy()
    gaps[np.arange(len(data.truth)), data.truth] -= 1
    return Score(_mean(data, np.einsum("nk,nk->n", gaps, gaps) / 2))


def roc_auc(data: Classified) -> Score:
    """Area under the ROC curve.

    Two classes: the chance that a row of the event has a larger probability of it than a row of the
    other class, ties counting half (Mann-Whitney, the trapezoid rule under the curve). More: Hand
    and Till's M (2001), the mean over pairs of classes of `(A(i|j) + A(j|i)) / 2`; a class without
    rows is left out with a warning. With an estimator, and with case weights, for which yardstick
    knows no M ("macro" then): the average over the classes of the area of one against the rest;
    undefined when a class has no rows, unless it is weighted by them.
    """
    counts = np.bincount(data.truth, minlength=len(data.levels))
    absent = tuple(level for level, n in zip(data.levels, counts, strict=True) if n == 0)
    averaged = data.estimator is not None or data.weights is not None
    if data.is_binary or averaged:
        found = _one_against_rest(data, lambda caught: area(*roc_points(caught)), "area")
        if absent and not math.isfinite(float(np.ravel(found.value)[0])):
            what = "area" if data.is_binary else "average"
            return Score(found.value, (_absent(absent, f"the {what} is undefined"),))
        return found
    if np.count_nonzero(counts) < 2:
        return Score(_hand_till(data), (_absent(absent, "the area is undefined"),))
    remarks = (_absent(absent, "they are left out of the average"),) if absent else ()
    return Score(_hand_till(data), remarks)


def pr_auc(data: Classified) -> Score:
    """Area under the curve of precision over recall by the trapezoid rule (Davis, Goadrich 2006).

    The curve begins at recall 0 with precision 1. More than two classes: the average over the
    classes, each against the rest; undefined when a class has no rows.
    """
    return _one_against_rest(data, lambda caught: area(*pr_points(caught)), "precision-recall area")


def average_precision(data: Classified) -> Score:
    """Mean of the precisions at each threshold, weighted by the recall that it adds.

    `sum (r_i - r_(i-1)) p_i`: no precision is needed where nothing is caught. More classes as in
    `pr_auc`.
    """

    def precision(caught: Floats) -> Floats:
        recalls, precisions = pr_points(caught)
        mean: Floats = (np.diff(recalls, axis=-1) * precisions[..., 1:]).sum(axis=-1)
        return mean

    return _one_against_rest(data, precision, "average precision")


def gain_capture(data: Classified) -> Score:
    """Area between the gain curve and the diagonal, as a share of a perfect model's.

    The accuracy ratio or Gini coefficient (Engelmann, Hayden and Tasche 2003). More classes as in
    `pr_auc`. Undefined without rows of the event or without others, where yardstick says -1 or NA.
    """

    def share(caught: Floats) -> Floats:
        tested, found = gain_points(caught)
        totals = caught[..., -1] if caught.shape[-1] else np.zeros(caught.shape[:-1])
        # A perfect model has found all events after testing as many rows as there are events.
        perfect = 1 - ratio(totals[..., 0], totals.sum(axis=-1)) / 2
        return ratio(area(tested, found) - 0.5, perfect - 0.5)

    return _one_against_rest(data, share, "gain capture")


def _one_against_rest(data: Classified, of: Callable[[Floats], Floats], what: str) -> Score:
    """Return a value of the curve of the event, or the average over the curves of all classes."""
    shape = (*data.mass.shape[:-1], len(data.levels))
    values = np.full(shape, np.nan)
    for code in [data.event] if data.is_binary else range(len(data.levels)):
        is_event = data.truth == code
        values[..., code] = of(one_against_rest(data.prob[:, code], is_event, data.mass).caught)
    return whole(data, values, what)


def _absent(levels: tuple[str, ...], consequence: str) -> Remark:
    return Remark("absent_classes", f"Some classes have no rows: {consequence}.", levels)


def _hand_till(data: Classified) -> Floats:
    """Return the mean of A(i|j) over the ordered pairs of classes that have rows, (...)."""
    shape = data.mass.shape[:-1]
    total, pairs = np.zeros(shape), np.zeros(shape)
    one_hot = np.eye(len(data.levels))[data.truth]
    sizes = data.mass @ one_hot
    for code in range(len(data.levels)):
        # A(i|j): the share of i's rows above a row of j, in the mean over j's rows.
        above = mass_above(data.prob[:, code], data.mass * one_hot[:, code])
        wins = (data.mass * above) @ one_hot
        areas = ratio(wins, sizes * sizes[..., code, np.newaxis])
        areas[..., code] = np.nan
        total += np.nansum(areas, axis=-1)
        pairs += np.isfinite(areas).sum(axis=-1)
    return ratio(total, pairs)


def _mean(data: Classified, values: Floats) -> float | Floats:
    if data.counts is None:
        return mean(values, data.weights)
    return mean_of(values, data.mass)
