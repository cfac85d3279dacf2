"""The bins of a histogram: whole numbers evenly, others by their spread and number."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MOST_BINS = 60
# Beyond this the width of the range, or the sum for the mean, may not be a double any more.
LARGEST = 1e300


def equal_bins(finite: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return the edges of `bins` bins of equal width, from the lowest to the highest value.

    Args:
        finite: (rows,) at least one value, none beyond `LARGEST`.
        bins: 1 or more.
    """
    low, high = float(finite.min()), float(finite.max())
    if _is_flat(low, high):
        pad = 0.5 * max(abs(low), 1.0)
        low, high = low - pad, high + pad
    return np.linspace(low, high, bins + 1)


def bins_of(finite: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of a histogram's bins, at most `MOST_BINS` bins.

    Whole numbers: bins of one equal whole width, centred on the numbers, so that no bar holds
    more of them than its neighbour. Other numbers: the narrower of the widths of Freedman and
    Diaconis (1981), `2 IQR / n^(1/3)`, and of Sturges (1926), `range / (log2(n) + 1)`.

    Args:
        finite: (rows,) at least one value, none beyond `LARGEST`.
    """
    low, high = float(finite.min()), float(finite.max())
    if _is_flat(low, high):
        return equal_bins(finite, 1)
    if high - low < 1e6 and bool(np.all(finite == np.floor(finite))):
        width = -(-int(high - low + 1) // MOST_BINS)
        bins = -(-int(high - low + 1) // width)
        return low - 0.5 + width * np.arange(bins + 1, dtype=np.float64)
    quarter, three_quarters = np.quantile(finite, (0.25, 0.75))
    narrow = 2 * float(three_quarters - quarter) / finite.size ** (1 / 3)
    sturges = math.ceil(math.log2(finite.size)) + 1
    # Compared by multiplying: a narrow middle below a far outlier would overflow a quotient.
    many = MOST_BINS if narrow * MOST_BINS <= high - low else math.ceil((high - low) / narrow)
    return np.linspace(low, high, min(max(many, sturges), MOST_BINS) + 1)


def _is_flat(low: float, high: float) -> bool:
    # Below this a float has no steps left for the edges of many bins.
    return high - low <= max(1e-12 * max(abs(low), abs(high)), 1e-300)
