"""What a metric is given and what it gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.domain.metric_names import Estimator, EventLevel

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Classified:
    """True classes and class probabilities of the same rows.

    `truth` are codes of `levels`, int64 (rows,); `prob` is float64 (rows, levels), finite;
    `weights` are case weights, float64 (rows,), or None. Of two levels the first is the event, as
    in yardstick, or the second as `event_level` says; with an `estimator` none is.

    `counts` say how often each row is there in each of several resamples, float64
    (resamples, rows): every metric then has one value a resample.
    """

    truth: Codes
    prob: Floats
    levels: tuple[str, ...]
    weights: Floats | None = None
    estimator: Estimator | None = None
    event_level: EventLevel = "first"
    counts: Floats | None = None

    @property
    def is_binary(self) -> bool:
        """Whether a metric is that of the event alone, not an average over the levels."""
        return len(self.levels) == 2 and self.estimator is None

    @property
    def event(self) -> int:
        """The code of the event, where there is one."""
        return 0 if self.event_level == "first" else 1

    @cached_property
    def mass(self) -> Floats:
        """What each row weighs, float64 (rows,) or (resamples, rows)."""
        return _mass(self.weights, self.counts, len(self.truth))

    @cached_property
    def predicted(self) -> Codes:
        """The most probable class of each row, the first of several, int64 (rows,)."""
        predicted: Codes = np.argmax(self.prob, axis=1)
        return predicted

    @cached_property
    def table(self) -> Floats:
        """Mass of rows by prediction (rows) and truth (columns), float64 (..., levels, levels)."""
        n = len(self.levels)
        if self.counts is None:
            return tabulate(self.truth, self.predicted, n, self.weights)
        return np.stack([tabulate(self.truth, self.predicted, n, mass) for mass in self.mass])

    @cached_property
    def truth_prob(self) -> Floats:
        """The probability of each row's true class, float64 (rows,).

        With two levels that of the other is 1 minus the event's, as yardstick is given one.
        """
        if len(self.levels) == 2:
            event = self.prob[:, self.event]
            return np.where(self.truth == self.event, event, 1 - event)
        return self.prob[np.arange(len(self.truth)), self.truth]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """True and predicted numbers of the same rows, float64 (rows,), finite, and case weights.

    `counts` are as in `Classified`.
    """

    truth: Floats
    estimate: Floats
    weights: Floats | None = None
    counts: Floats | None = None

    @cached_property
    def mass(self) -> Floats:
        """What each row weighs, float64 (rows,) or (resamples, rows)."""
        return _mass(self.weights, self.counts, len(self.truth))

    def mean(self, values: Floats) -> Floats:
        """Return the mean of one value a row, float64 () or (resamples,)."""
        if self.weights is None and self.counts is None:
            return np.array(mean(values, None))
        return mean_of(values, self.mass)


class Remark(NamedTuple):
    """Something a reader of the score must know."""

    code: str
    message: str
    levels: tuple[str, ...] = ()


class Score(NamedTuple):
    """A metric's value, NaN or infinite where it is undefined, and remarks.

    Of resamples it is float64 (resamples,), and the remarks are of any of them.
    """

    value: float | Floats
    remarks: tuple[Remark, ...] = ()


ClassMetric = Callable[[Classified], Score]
NumberMetric = Callable[[Measured], Score]


def tabulate(truth: Codes, predicted: Codes, n_levels: int, weights: Floats | None) -> Floats:
    """Return the weights of rows by prediction (rows) and truth (columns), (levels, levels)."""
    cells = predicted * n_levels + truth
    counts = np.bincount(cells, weights=weights, minlength=n_levels * n_levels)
    return counts.reshape(n_levels, n_levels).astype(np.float64)


def mean(values: Floats, weights: Floats | None) -> float:
    """Return the mean, or the weighted mean; NaN of no rows or no weight."""
    if weights is None:
        return float(values.mean()) if len(values) else math.nan
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total > 0 else math.nan


def mean_of(values: Floats, mass: Floats) -> Floats:
    """Return the mean of values (rows,) by a mass (..., rows): float64 (...), NaN of no mass."""
    return ratio(np.asarray(mass @ values), np.asarray(mass.sum(axis=-1)))


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Return `top / bottom`, NaN where the bottom is not above 0."""
    top, bottom = np.broadcast_arrays(top, bottom)
    found: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return found


def _mass(weights: Floats | None, counts: Floats | None, n: int) -> Floats:
    if counts is None:
        return np.ones(n) if weights is None else weights
    return counts if weights is None else counts * weights
