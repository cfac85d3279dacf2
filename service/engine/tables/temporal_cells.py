"""Columns of text cells that are declared dates or times."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from service.domain.datasets import ColumnOptions
from service.domain.temporal import days_of, microseconds_of
from service.engine.tables.cells import first_failure
from service.engine.tables.refusals import bad_value, shown
from service.engine.tables.storage import TEMPORAL_STORAGE, ColumnPlan, physical_type


class TemporalCells:
    """Declared date or datetime: ISO 8601, or what `format` says."""

    needs_all = False

    def __init__(self, name: str, option: ColumnOptions) -> None:
        """Read the column `name` as `option` declares it."""
        self._name, self._option = name, option
        self._storage = TEMPORAL_STORAGE[option.type]
        self._number_of = days_of if option.type == "date" else microseconds_of

    def observe(self, block: Any, row: int, /) -> None:
        """Refuse a cell that is no date or time."""
        self._moments(block, row)

    def plan(self, _complete: bool, /) -> ColumnPlan:
        """Return the one plan that there is."""
        return ColumnPlan(name=self._name, type=self._option.type, storage=self._storage)

    def convert(self, block: Any, row: int, _plan: ColumnPlan, /) -> Any:
        """Return the block as dates or times."""
        return self._moments(block, row)

    def _moments(self, block: Any, row: int) -> Any:
        numbers = self._numbers(block)
        if numbers is not None:
            return numbers.view(physical_type(self._storage))
        at = first_failure(block, self._numbers)
        form = self._option.format
        example = "2020-01-31" if self._option.type == "date" else "2020-01-31T12:00:00Z"
        expected = f"one of the format {form!r}" if form is not None else f"one such as {example}"
        raise bad_value(
            row + at,
            self._name,
            f"{expected}, as its declared type is {self._option.type}",
            shown(block[at].as_py()),
            f"Correct the value, declare its format, or declare {self._name} text.",
        )

    def _numbers(self, cells: Any) -> Any | None:
        """Return int32 days or int64 microseconds, null where missing; None for another cell."""
        # Days repeat: each word is read once.
        coded = cells.dictionary_encode()
        found = []
        for word in coded.dictionary.to_pylist():
            number = self._number_of(word, self._option.format)
            if number is None:
                return None
            found.append(number)
        kind = pa.int32() if self._option.type == "date" else pa.int64()
        return pa.array(found, kind).take(coded.indices)
