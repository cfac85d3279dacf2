"""Quantiles as R computes them by default."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np

from service.engine.recipe.source import Floats

# R's guard against 0.1 * 30 being a little less than 3.
_FUZZ = 4 * sys.float_info.epsilon


def quantiles(values: Floats, probs: Sequence[float]) -> tuple[float, ...]:
    """Return quantiles of type 7, `stats::quantile`'s default, to the bit.

    With x sorted, `h = (n - 1) p` and `j = floor(h)`: `(1 - (h - j)) x[j] + (h - j) x[j + 1]`.

    Args:
        values: float64 (rows,), at least one, none missing.
        probs: probabilities in 0..1.
    """
    x = np.sort(values)
    found = []
    for prob in probs:
        place = (len(x) - 1) * prob
        low = math.floor(place + _FUZZ)
        rest = place - low
        value = float(x[low])
        if abs(rest) > _FUZZ:
            value = (1 - rest) * value + rest * float(x[min(low + 1, len(x) - 1)])
        found.append(value)
    return tuple(found)
