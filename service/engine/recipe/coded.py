"""A column of numbers of which few are different: what they are, and which of them each row has.

Dummy columns are so. What is done to each value alone is done to a handful then, not to every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.engine.recipe.source import Floats


class Places:
    """Which of some values each row has: `array` is intp (rows,), from 0 on.

    Columns of one factor share it, and with it their count.
    """

    def __init__(self, array: NDArray[np.intp]) -> None:
        self.array = array

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """In how many rows each value occurs, up to the last that does."""
        return np.bincount(self.array)


@dataclass(frozen=True, kw_only=True)
class Coded:
    """Row i has the number `values[places.array[i]]`.

    `values` are float64; some may occur in no row.
    """

    values: Floats
    places: Places

    def counted(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return those of `values` that occur, as many as are equal, and in how many rows."""
        kept = np.flatnonzero(self.places.counts)
        return self.values[kept], self.places.counts[kept]


def spread(column: Floats | Coded) -> Floats:
    """Return a column row by row, float64 (rows,)."""
    if isinstance(column, Coded):
        return column.values.take(column.places.array)
    return column


def fill(out: NDArray[np.float32], column: Floats | Coded) -> None:
    """Write a column into `out`, each number rounded to float32 once."""
    if isinstance(column, Coded):
        out[:] = column.values.astype(np.float32).take(column.places.array)
    else:
        out[:] = column
