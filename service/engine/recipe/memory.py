"""Columns held in memory: the rows of a prediction request, and small tables in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.domain.datasets import ColumnType
from service.domain.errors import FieldError, InvalidData
from service.domain.names import did_you_mean
from service.engine.recipe.source import Codes, Floats, Rows


class Category(NamedTuple):
    """A nominal column: its strings, None where missing, and its levels in order.

    Without `levels` they are the distinct strings sorted by code point.
    """

    values: Sequence[str | None]
    levels: Sequence[str] | None = None
    type: Literal["factor", "ordered", "logical", "text"] = "factor"


class MemoryColumns:
    """A `ColumnSource` over arrays and lists of equal length."""

    def __init__(
        self,
        columns: Mapping[str, ArrayLike | Category],
        types: Mapping[str, ColumnType] | None = None,
    ) -> None:
        """Take columns by name, in order.

        Args:
            columns: numbers of any real dtype, kept as they are and read as float64, NaN where
                missing; or a `Category`.
            types: of columns of numbers, where they are not "numeric".

        Raises:
            InvalidData: columns of unequal length, or a string that is none of the levels.
        """
        self._numbers: dict[str, NDArray[Any]] = {}
        self._codes: dict[str, Codes] = {}
        self._levels: dict[str, tuple[str, ...]] = {}
        self.types: dict[str, ColumnType] = {}
        self.n_rows = -1
        for name, column in columns.items():
            if isinstance(column, Category):
                self.types[name] = column.type
                self._levels[name] = _levels(column)
                self._codes[name] = _coded(name, column, self._levels[name])
                length = len(self._codes[name])
            else:
                self.types[name] = (types or {}).get(name, "numeric")
                self._numbers[name] = np.asarray(column)
                length = len(self._numbers[name])
            if self.n_rows not in (-1, length):
                raise InvalidData(
                    f"Expected {self.n_rows} values in column '{name}', as in the first column. "
                    f"Received {length}."
                )
            self.n_rows = length
        self.n_rows = max(self.n_rows, 0)

    def numeric(self, name: str, rows: Rows = None) -> Floats:
        """Return the numbers of a column, float64 (rows,), NaN where missing.

        Raises:
            InvalidData: no such column of numbers.
        """
        values = self._numbers.get(name)
        if values is None:
            raise self._no_column(name, "numbers")
        return np.asarray(values if rows is None else values[rows], dtype=np.float64)

    def codes(self, name: str, rows: Rows = None) -> Codes:
        """Return the 0-based levels of a nominal column, int32 (rows,), -1 where missing.

        Raises:
            InvalidData: no such nominal column.
        """
        codes = self._codes.get(name)
        if codes is None:
            raise self._no_column(name, "categories")
        return codes if rows is None else codes[rows]

    def category_levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` counts.

        Raises:
            InvalidData: no such nominal column.
        """
        if name not in self._levels:
            raise self._no_column(name, "categories")
        return self._levels[name]

    def _no_column(self, name: str, what: str) -> InvalidData:
        found = f"a column of type {self.types[name]}" if name in self.types else "none"
        near = "" if name in self.types else did_you_mean(name, self.types)
        detail = f"Expected a column '{name}' of {what}. Received {found}.{near}"
        return InvalidData(detail, errors=[FieldError(loc=(name,), msg=detail)])


def _levels(column: Category) -> tuple[str, ...]:
    if column.levels is not None:
        return tuple(column.levels)
    return tuple(sorted({value for value in column.values if value is not None}))


def _coded(name: str, column: Category, levels: Sequence[str]) -> Codes:
    code_of: dict[str | None, int] = {level: code for code, level in enumerate(levels)}
    code_of[None] = -1
    codes = np.empty(len(column.values), dtype=np.int32)
    for row, value in enumerate(column.values):
        code = code_of.get(value)
        if code is None:
            detail = (
                f"Expected one of the {len(levels)} levels of column '{name}' in row {row + 1}. "
                f"Received '{str(value)[:64]}'.{did_you_mean(str(value), levels)}"
            )
            raise InvalidData(
                detail, errors=[FieldError(loc=(row + 1, name), msg=detail, received=value)]
            )
        codes[row] = code
    return codes
