"""Where a recipe's raw values come from: a table's columns, asked for by name and rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import ColumnType

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int32]
Rows: TypeAlias = slice | NDArray[np.int64] | None


class ColumnSource(Protocol):
    """Typed columns of `n_rows` rows. What the methods return must not be written into.

    `rows` is None for all rows, a slice, or an array of 0-based positions.
    """

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        ...

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns' types by name, in the columns' order."""
        ...

    def numeric(self, name: str, rows: Rows = None) -> Floats:
        """Return the numbers of a column, float64 (rows,), NaN where missing.

        A date is the days since 1970-01-01, a datetime the seconds since then in UTC.
        """
        ...

    def codes(self, name: str, rows: Rows = None) -> Codes:
        """Return the 0-based levels of a nominal column, int32 (rows,), -1 where missing.

        -2 stands for a level that is none of `category_levels`.
        """
        ...

    def category_levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` counts."""
        ...


def n_selected(rows: Rows, n_rows: int) -> int:
    """Return how many rows a selection takes of `n_rows`."""
    if rows is None:
        return n_rows
    return len(range(*rows.indices(n_rows))) if isinstance(rows, slice) else len(rows)


def part(rows: Rows, start: int, stop: int, n_rows: int) -> slice | NDArray[np.int64]:
    """Return the selection's rows from `start` to before `stop`, counted within the selection."""
    if rows is None:
        return slice(start, stop)
    if isinstance(rows, slice):
        taken = range(*rows.indices(n_rows))[start:stop]
        # A range that runs down to row 0 stops at -1, which a slice would read as the last row.
        return slice(taken.start, taken.stop if taken.stop >= 0 else None, taken.step)
    return rows[start:stop]


def position(rows: Rows, index: int, n_rows: int) -> int:
    """Return the 0-based row of the source that is the selection's row `index`."""
    if rows is None:
        return index
    return range(*rows.indices(n_rows))[index] if isinstance(rows, slice) else int(rows[index])


def picked(rows: Rows, kept: NDArray[np.bool_], n_rows: int) -> NDArray[np.int64]:
    """Return the rows of a selection that are marked, as 0-based positions in the source."""
    if rows is None:
        return np.flatnonzero(kept)
    positions = np.arange(n_rows, dtype=np.int64)[rows] if isinstance(rows, slice) else rows
    return positions[kept]
