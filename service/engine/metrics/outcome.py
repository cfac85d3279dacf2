"""What a metric is given and what it gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Classified:
    """True classes and class probabilities of the same rows.

    `truth` are codes of `levels`, int64 (rows,); `prob` is float64 (rows, levels), finite;
    `weights` are case weights, float64 (rows,), or None. The first of two levels is the event, as
    in yardstick.
    """

    truth: Codes
    prob: Floats
    levels: tuple[str, ...]
    weights: Floats | None = None

    @property
    def is_binary(self) -> bool:
        """Whether there are two levels, so that one of them is the event."""
        return len(self.levels) == 2

    @cached_property
    def predicted(self) -> Codes:
        """The most probable class of each row, the first of several, int64 (rows,)."""
        predicted: Codes = np.argmax(self.prob, axis=1)
        return predicted

    @cached_property
    def table(self) -> Floats:
        """Weights of rows by prediction (rows) and truth (columns), float64 (levels, levels)."""
        return tabulate(self.truth, self.predicted, len(self.levels), self.weights)

    @cached_property
    def truth_prob(self) -> Floats:
        """The probability of each row's true class, float64 (rows,).

        With two levels that of the second is 1 minus that of the first, as yardstick is given one.
        """
        if self.is_binary:
            return np.where(self.truth == 0, self.prob[:, 0], 1 - self.prob[:, 0])
        return self.prob[np.arange(len(self.truth)), self.truth]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """True and predicted numbers of the same rows, float64 (rows,), finite, and case weights."""

    truth: Floats
    estimate: Floats
    weights: Floats | None = None


class Remark(NamedTuple):
    """Something a reader of the score must know."""

    code: str
    message: str
    levels: tuple[str, ...] = ()


class Score(NamedTuple):
    """A metric's value, NaN or infinite where it is undefined, and remarks."""

    value: float
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
