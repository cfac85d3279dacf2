"""How the values of one numeric column are spread: quantiles, moments and a histogram's bins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.engine.tables.bins import LARGEST, bins_of, equal_bins

PROBABILITIES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Quantiles by R's type 7, and counts of values in bins.

    `bins` are (from, to, n): the last one holds its upper end too, the others do not. `skewness`
    is the third moment of the standardised values with n, None for a constant column.
    """

    quantiles: tuple[tuple[float, float], ...]
    bins: tuple[tuple[float, float, int], ...]
    skewness: float | None


def spread(values: NDArray[np.float64], bins: int | None = None) -> Spread:
    """Return how numbers are spread; missing ones (NaN) and those beyond 1e300 are left out.

    Args:
        values: (rows,) numbers.
        bins: how many bins of equal width; default: as `bins_of` finds good.
    """
    finite = values[np.abs(values) <= LARGEST]
    if not len(finite):
        return Spread(quantiles=(), bins=(), skewness=None)
    cuts = np.quantile(finite, PROBABILITIES).tolist()
    edges = bins_of(finite) if bins is None else equal_bins(finite, bins)
    counts, edges = np.histogram(finite, edges)
    return Spread(
        quantiles=tuple(zip(PROBABILITIES, cuts, strict=True)),
        bins=tuple(
            (low, high, n)
            for (low, high), n in zip(pairwise(edges.tolist()), counts.tolist(), strict=True)
        ),
        skewness=_skewness(finite),
    )


def _skewness(finite: NDArray[np.float64]) -> float | None:
    largest = float(np.abs(finite).max())
    if not largest:
        return None
    # Scaled first: the cube of a large number is no double.
    scaled = finite / largest
    off = scaled - scaled.mean()
    second = float((off**2).mean())
    # What rounding leaves of a constant is no spread.
    if second <= (4 * np.finfo(np.float64).eps) ** 2:
        return None
    found = float((off**3).mean()) / second**1.5
    return found if math.isfinite(found) else None
