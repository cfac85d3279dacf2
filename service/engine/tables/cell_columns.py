"""Columns of text cells: their types are declared, or guessed by readr's rules."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from service.domain.datasets import MAX_LEVELS, TEMPORAL_TYPES, ColumnOptions
from service.domain.names import did_you_mean
from service.engine.tables.cells import (
    FALSE_WORDS,
    TRUE_WORDS,
    codes,
    first_failure,
    has_leading_zero,
    integers,
    integers_in_any_form,
    logicals,
    numbers,
    sorted_levels,
)
from service.engine.tables.column import (
    ColumnReader,
    Misfit,
    Span,
    first_infinite,
    present_of,
    stored_numbers,
)
from service.engine.tables.refusals import bad_column, bad_value, shown
from service.engine.tables.storage import ColumnPlan
from service.engine.tables.temporal_cells import TemporalCells


def reader_of_cells(name: str, option: ColumnOptions | None, decimal: str) -> ColumnReader:
    """Return the reader of a column of text cells."""
    if option is None:
        return _GuessedCells(name, decimal)
    if option.type == "numeric":
        return _NumericCells(name, decimal)
    if option.type == "integer":
        return _IntegerCells(name, decimal)
    if option.type == "logical":
        return _LogicalCells(name)
    if option.type == "text":
        return _TextCells(name)
    if option.type in TEMPORAL_TYPES:
        return TemporalCells(name, option)
    return _LevelCells(name, option)


class _GuessedCells:
    """Logical when every cell is, else numeric when every cell is a number, else text.

    A column without any value is logical.
    """

    needs_all = False

    def __init__(self, name: str, decimal: str) -> None:
        self._name, self._decimal = name, decimal
        self._logical = True
        self._number = True
        self._span = Span()
        self._infinite: tuple[int, str] | None = None
        self._no_number: str | None = None

    def observe(self, block: Any, row: int, /) -> None:
        if block.null_count == len(block):
            return
        if self._logical:
            # One cell tells of most columns that they are not.
            first = block[pc.index(block.is_valid(), True).as_py()].as_py()
            words = (*TRUE_WORDS, *FALSE_WORDS)
            self._logical = first in words and logicals(block) is not None
        if self._number:
            values = self._numbers(block)
            if values is None:
                self._number = False
                text = first_failure(block, self._numbers)
                self._no_number = f"row {row + text} is {shown(block[text].as_py())}"
            elif (at := first_infinite(values)) is None:
                self._span.add(present_of(values))
            elif self._infinite is None:
                self._infinite = row + at, block[at].as_py()

    def plan(self, complete: bool, /) -> ColumnPlan:
        if self._logical:
            return ColumnPlan(name=self._name, type="logical", storage="bool")
        if not self._number:
            return ColumnPlan(
                name=self._name, type="text", storage="string", because=self._no_number
            )
        if self._infinite:
            if not complete:
                raise Misfit
            row, text = self._infinite
            raise infinite_value(row, self._name, text)
        return self._span.plan(self._name, "numeric")

    def convert(self, block: Any, _row: int, plan: ColumnPlan, /) -> Any:
        if plan.storage == "string":
            return block
        if plan.storage == "bool":
            values = logicals(block)
        elif plan.storage == "float64" or (values := integers(block)) is None:
            values = self._numbers(block)
        if values is None:
            raise Misfit
        return values if plan.storage == "bool" else stored_numbers(values, plan.storage)

    def _numbers(self, block: Any) -> Any | None:
        if has_leading_zero(block, self._decimal):
            return None
        return numbers(block, self._decimal)


class _NumericCells:
    """Declared numeric: "007" is 7."""

    needs_all = False

    def __init__(self, name: str, decimal: str) -> None:
        self._name, self._decimal = name, decimal
        self._span = Span()

    def observe(self, block: Any, row: int, /) -> None:
        values = self._numbers(block)
        if values is None:
            at = first_failure(block, self._numbers)
            raise bad_value(
                row + at,
                self._name,
                "a number, as its declared type is numeric",
                shown(block[at].as_py()),
                f"Correct the value, name it in options.na, or declare {self._name} text.",
            )
        if (infinite := first_infinite(values)) is not None:
            raise infinite_value(row + infinite, self._name, block[infinite].as_py())
        self._span.add(present_of(values))

    def plan(self, _complete: bool, /) -> ColumnPlan:
        return self._span.plan(self._name, "numeric")

    def convert(self, block: Any, _row: int, plan: ColumnPlan, /) -> Any:
        if plan.storage == "float64" or (values := integers(block)) is None:
            values = self._numbers(block)
        if values is None:
            raise Misfit
        return stored_numbers(values, plan.storage)

    def _numbers(self, block: Any) -> Any | None:
        return numbers(block, self._decimal)


class _IntegerCells:
    """Declared integer: whole numbers of 64 bits, however they are written."""

    needs_all = False

    def __init__(self, name: str, decimal: str) -> None:
        self._name, self._decimal = name, decimal
        self._span = Span()

    def observe(self, block: Any, row: int, /) -> None:
        self._span.add(present_of(self._whole(block, row)))

    def plan(self, _complete: bool, /) -> ColumnPlan:
        return self._span.plan(self._name, "integer")

    def convert(self, block: Any, row: int, plan: ColumnPlan, /) -> Any:
        return stored_numbers(self._whole(block, row), plan.storage)

    def _whole(self, block: Any, row: int) -> Any:
        values = integers_in_any_form(block, self._decimal)
        if values is not None:
            return values
        at = first_failure(block, lambda cells: integers_in_any_form(cells, self._decimal))
        raise bad_value(
            row + at,
            self._name,
            "a whole number of 64 bits, as its declared type is integer",
            shown(block[at].as_py()),
            f"Correct the value, name it in options.na, or declare {self._name} numeric.",
        )


class _LogicalCells:
    """Declared logical: TRUE, T, true, 1 and FALSE, F, false, 0."""

    needs_all = False

    def __init__(self, name: str) -> None:
        self._name = name

    def observe(self, block: Any, row: int, /) -> None:
        self._logicals(block, row)

    def plan(self, _complete: bool, /) -> ColumnPlan:
        return ColumnPlan(name=self._name, type="logical", storage="bool")

    def convert(self, block: Any, row: int, _plan: ColumnPlan, /) -> Any:
        return self._logicals(block, row)

    def _logicals(self, block: Any, row: int) -> Any:
        values = logicals(block, digits=True)
        if values is not None:
            return values
        at = first_failure(block, lambda cells: logicals(cells, digits=True))
        raise bad_value(
            row + at,
            self._name,
            "one of TRUE, T, true, 1, FALSE, F, false, 0, as its declared type is logical",
            shown(block[at].as_py()),
        )


class _TextCells:
    """Declared text."""

    needs_all = False

    def __init__(self, name: str) -> None:
        self._name = name

    def observe(self, _block: Any, _row: int, /) -> None:
        pass

    def plan(self, _complete: bool, /) -> ColumnPlan:
        return ColumnPlan(name=self._name, type="text", storage="string")

    def convert(self, block: Any, _row: int, _plan: ColumnPlan, /) -> Any:
        return block


class _LevelCells:
    """Declared factor or ordered; without levels, they are the distinct values of all rows."""

    def __init__(self, name: str, option: ColumnOptions) -> None:
        self._name, self._type = name, option.type
        self._levels = None if option.levels is None else tuple(option.levels)
        self._distinct: set[str] = set()
        self.needs_all = self._levels is None

    def observe(self, block: Any, row: int, /) -> None:
        if self._levels is not None:
            self._coded(block, row, self._levels)
            return
        self._distinct.update(block.unique().drop_null().to_pylist())
        if len(self._distinct) > MAX_LEVELS:
            raise bad_column(
                self._name,
                f"at most {MAX_LEVELS} distinct values, as its declared type is {self._type}",
                "more",
                "Declare it text or numeric.",
            )

    def plan(self, _complete: bool, /) -> ColumnPlan:
        levels = self._levels
        if levels is None:
            levels = sorted_levels(list(self._distinct))
        return ColumnPlan(name=self._name, type=self._type, storage="codes", levels=levels)

    def convert(self, block: Any, row: int, plan: ColumnPlan, /) -> Any:
        return self._coded(block, row, plan.levels or ())

    def _coded(self, block: Any, row: int, levels: tuple[str, ...]) -> Any:
        found = codes(block, levels)
        if found.null_count == block.null_count:
            return found
        outside = pc.and_(found.is_null(), block.is_valid())
        at = pc.index(outside, True).as_py()
        value = block[at].as_py()
        raise bad_value(
            row + at,
            self._name,
            f"one of its {len(levels)} declared levels",
            shown(value),
            f"Add the level, or correct the value.{did_you_mean(value, levels)}",
        )


def infinite_value(row: int, name: str, text: str) -> Exception:
    """Return the refusal of an infinite number."""
    advice = "Correct the value, or name it in options.na to read it as missing."
    return bad_value(row, name, "a finite number", shown(text), advice)
