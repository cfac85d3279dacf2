"""Some rows of a table, held in memory; one column may be shuffled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import ColumnType
from service.engine.recipe import ColumnSource, Rows


class PickedRows:
    """A `ColumnSource` over rows of another one; a column is read when it is first asked for."""

    def __init__(self, source: ColumnSource, rows: NDArray[np.int64]) -> None:
        self._source = source
        self._rows = rows
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._codes: dict[str, NDArray[np.int32]] = {}
        self.types: Mapping[str, ColumnType] = source.types
        self.n_rows = len(rows)

    def numeric(self, name: str, rows: Rows = None) -> NDArray[np.float64]:
        """Return the numbers of a column, float64 (rows,), NaN where missing."""
        if name not in self._numbers:
            self._numbers[name] = self._source.numeric(name, self._rows)
        values = self._numbers[name]
        return values if rows is None else values[rows]

    def codes(self, name: str, rows: Rows = None) -> NDArray[np.int32]:
        """Return the 0-based levels of a nominal column, int32 (rows,), -1 where missing."""
        if name not in self._codes:
            self._codes[name] = self._source.codes(name, self._rows)
        codes = self._codes[name]
        return codes if rows is None else codes[rows]

    def category_levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` counts."""
        return self._source.category_levels(name)


class Shuffled:
    """A `ColumnSource` that is another one but for the order of one column's values."""

    def __init__(self, source: ColumnSource, column: str, order: NDArray[np.int64]) -> None:
        self._source = source
        self._column = column
        self._order = order
        self.types: Mapping[str, ColumnType] = source.types
        self.n_rows = source.n_rows

    def numeric(self, name: str, rows: Rows = None) -> NDArray[np.float64]:
        """Return the numbers of a column, float64 (rows,), NaN where missing."""
        return self._source.numeric(name, self._place(name, rows))

    def codes(self, name: str, rows: Rows = None) -> NDArray[np.int32]:
        """Return the 0-based levels of a nominal column, int32 (rows,), -1 where missing."""
        return self._source.codes(name, self._place(name, rows))

    def category_levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` counts."""
        return self._source.category_levels(name)

    def _place(self, name: str, rows: Rows) -> Rows:
        if name != self._column:
            return rows
        return self._order if rows is None else self._order[rows]
