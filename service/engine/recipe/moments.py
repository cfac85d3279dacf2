"""Mean and standard deviation of a column as R computes them."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.domain.errors import InvalidData
from service.engine.recipe.coded import Coded
from service.engine.recipe.source import Floats

Counts: TypeAlias = NDArray[np.int64]

# Outside this a square could leave the range of a double.
_SAFE = (1e-150, 1e150)


class Moments(NamedTuple):
    """Of the finite values of one column; what is undefined is NaN (no values, or sd of one)."""

    n: int
    mean: float
    sd: float
    min: float
    max: float


def moments(values: Floats | Coded) -> Moments:
    """Return count, mean, standard deviation (n-1) and range of a column's finite values.

    Two passes with a correction, as R's `mean` and `sd`: `m = sum(x)/n; m += sum(x-m)/n;
    sd = sqrt(sum((x-m)^2) / (n-1))`. R adds in 80 bits; here numpy adds pairwise in 64, which
    differs in the last digit at most. A constant column's sd is exactly 0. Missing (NaN) values are
    skipped, as with `na.rm = TRUE`, and so are infinite ones, which have no place in a mean.

    Args:
        values: float64 (rows,), or coded: then each product of a value and how often it occurs is
            rounded, instead of the sums of its equals.

    Raises:
        InvalidData: the standard deviation is larger than a double can be.
    """
    if isinstance(values, Coded):
        found, counts = values.counted()
        kept = np.isfinite(found)
        return _moments(found[kept], counts[kept])
    return _moments(finite(values), None)


def _moments(x: Floats, counts: Counts | None) -> Moments:
    n = len(x) if counts is None else int(counts.sum())
    if n == 0:
        return Moments(0, math.nan, math.nan, math.nan, math.nan)
    low, high = float(x.min()), float(x.max())
    if low == high:
        return Moments(n, low, 0.0 if n > 1 else math.nan, low, high)
    unit = max(-low, high)
    if _SAFE[0] < unit < _SAFE[1]:
        mean, sd = _two_passes(x, counts, n)
    else:
        mean, sd = (unit * moment for moment in _two_passes(x / unit, counts, n))
    if not (math.isfinite(mean) and math.isfinite(sd)):
        raise InvalidData(
            "Expected values whose standard deviation is a finite number. "
            f"Received values from {low} to {high}. Divide them first."
        )
    return Moments(n, mean, sd, low, high)


def finite(values: Floats) -> Floats:
    """Return the values that are neither missing nor infinite; the same array if all are."""
    with np.errstate(over="ignore", invalid="ignore"):
        # One sum is the cheapest proof that all are finite; an overflow only costs the proof.
        if math.isfinite(values.sum()):
            return values
    return values[np.isfinite(values)]


def present(values: Floats) -> Floats:
    """Return the values that are not missing; the same array if all are."""
    missing = np.isnan(values)
    return values[~missing] if missing.any() else values


def _two_passes(x: Floats, counts: Counts | None, n: int) -> tuple[float, float]:
    def total(values: Floats) -> float:
        return float(values.sum() if counts is None else (values * counts).sum())

    first = total(x) / n
    deviations = x - first
    mean = first + total(deviations) / n
    if mean != first:
        np.subtract(x, mean, out=deviations)
    np.square(deviations, out=deviations)
    return mean, math.sqrt(total(deviations) / (n - 1))
