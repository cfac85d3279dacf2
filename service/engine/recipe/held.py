"""A table whose columns stay in memory once they were read: for what is read again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.domain.datasets import ColumnType
from service.engine.recipe.source import Codes, ColumnSource, Floats, Rows

_MOST_BYTES: Final = 256 * 2**20
_FLOAT64: Final = 8


def held(source: ColumnSource) -> ColumnSource:
    """Return `source` with its numbers held as they are read, where 256 MiB suffice for all."""
    if source.n_rows * len(source.types) * _FLOAT64 > _MOST_BYTES:
        return source
    return _Held(source)


class _Held:
    """A column source that reads each column of numbers once."""

    def __init__(self, source: ColumnSource) -> None:
        self._source = source
        self._numbers: dict[str, Floats] = {}

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self._source.n_rows

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns' types."""
        return self._source.types

    def numeric(self, name: str, rows: Rows = None) -> Floats:
        """Return the numbers of a column."""
        if name not in self._numbers:
            self._numbers[name] = self._source.numeric(name)
        whole = self._numbers[name]
        return whole if rows is None else whole[rows]

    def codes(self, name: str, rows: Rows = None) -> Codes:
        """Return the levels of a nominal column."""
        return self._source.codes(name, rows)

    def category_levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` counts."""
        return self._source.category_levels(name)
