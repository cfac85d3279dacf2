"""Metrics of class probabilities, as yardstick defines them."""

from __future__ import annotations

import math
import sys

import numpy as np

from service.engine.metrics.outcome import Classified, Codes, Floats, Remark, Score, mean

_EPSILON = sys.float_info.epsilon


def mn_log_loss(data: Classified) -> Score:
    """Mean of `-log(p)` of the true classes' probabilities, clipped to [2.2e-16, 1 - 2.2e-16]."""
    p = np.clip(data.truth_prob, _EPSILON, 1 - _EPSILON)
    return Score(mean(-np.log(p), data.weights))


def brier_class(data: Classified) -> Score:
    """Half the mean of `sum_k (y_k - p_k)^2` over the classes (Kruppa et al. 2014).

    For two classes it is the mean of `(y - p)^2`. Case weights are weights of the mean; yardstick
    takes their exponential, which makes 1 and 2 weigh as e and e^2.
    """
    if data.is_binary:
        return Score(mean(np.square(1 - data.truth_prob), data.weights))
    gaps = data.prob.copy()
    gaps[np.arange(len(data.truth)), data.truth] -= 1
    return Score(mean(np.einsum("nk,nk->n", gaps, gaps) / 2, data.weights))


def roc_auc(data: Classified) -> Score:
    """Area under the ROC curve.

    Two classes: the chance that a row of the event has a larger probability of it than a row of the
    other class, ties counting half (Mann-Whitney, the trapezoid rule under the curve). More: Hand
    and Till's M (2001), the mean over pairs of classes of `(A(i|j) + A(j|i)) / 2`; a class without
    rows is left out with a warning. More classes and case weights: the mean over the classes of the
    area of one against the rest, as yardstick, which knows no weighted M; undefined when a class
    has no rows.
    """
    counts = np.bincount(data.truth, minlength=len(data.levels))
    absent = tuple(level for level, n in zip(data.levels, counts, strict=True) if n == 0)
    if np.count_nonzero(counts) < 2:
        return Score(math.nan, (_absent(absent, "the area is undefined"),))
    if data.is_binary:
        return Score(_one_against_rest(data, 0))
    if data.weights is not None:
        if absent:
            return Score(math.nan, (_absent(absent, "the average is undefined"),))
        areas = [_one_against_rest(data, code) for code in range(len(data.levels))]
        return Score(float(np.mean(areas)))
    remarks = (_absent(absent, "they are left out of the average"),) if absent else ()
    return Score(_hand_till(data, np.flatnonzero(counts)), remarks)


def _absent(levels: tuple[str, ...], consequence: str) -> Remark:
    return Remark("absent_classes", f"Some classes have no rows: {consequence}.", levels)


def _hand_till(data: Classified, present: Codes) -> float:
    n_levels = len(data.levels)
    counts = np.bincount(data.truth, minlength=n_levels)
    areas = []
    for code in present.tolist():
        above = _share_above(data.prob[:, code], data.truth == code, None)
        # For each class j, the mean over its rows of the share of i's that rank above: A(i|j).
        sums = np.bincount(data.truth, weights=above, minlength=n_levels)
        areas += [sums[other] / counts[other] for other in present.tolist() if other != code]
    return float(np.mean(areas)) if areas else math.nan


def _one_against_rest(data: Classified, code: int) -> float:
    is_event = data.truth == code
    weights = data.weights
    above = _share_above(data.prob[:, code], is_event, weights)
    return mean(above[~is_event], None if weights is None else weights[~is_event])


def _share_above(
    p: Floats, is_event: np.ndarray[tuple[int], np.dtype[np.bool_]], weights: Floats | None
) -> Floats:
    """Return, for each row, the share of the events' weight whose p is larger, ties by half."""
    p = np.ascontiguousarray(p)
    order = np.argsort(p[is_event], kind="stable")
    events = p[is_event][order]
    first, last = np.searchsorted(events, p, "left"), np.searchsorted(events, p, "right")
    share: Floats
    if weights is None:
        share = (len(events) - (first + last) / 2) / len(events)
        return share
    running = np.concatenate([[0.0], np.cumsum(weights[is_event][order])])
    total = running[-1]
    if total <= 0:
        return np.full(len(p), np.nan)
    share = (total - (running[first] + running[last]) / 2) / total
    return share
