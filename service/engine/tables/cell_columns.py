"""Columns of text cells: their types are declared, or guessed by readr's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from service.domain.datasets import TEMPORAL_TYPES, ColumnOptions
from service.engine.tables.cells import (
    FALSE_WORDS,
    TRUE_WORDS,
    first_failure,
    has_leading_zero,
    integers,
    integers_in_any_form,
    logicals,
    numbers,
)
from service.engine.tables.column import (
    ColumnReader,
    Misfit,
    Span,
    first_infinite,
    present_of,
    stored_numbers,
)
from service.engine.tables.level_cells import LevelCells
from service.engine.tables.refusals import bad_value, shown
from service.engine.tables.storage import ColumnPlan, Storage
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
    return LevelCells(name, option)


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
        self._written: Storage | None = None
        self._no_number: str | None = None

    def observe(self, block: Any, row: int, /) -> None:
        if block.null_count == len(block):
            return
        if self._logical:
            # One cell tells of most columns that they are not.
            first = _first(block)
            words = (*TRUE_WORDS, *FALSE_WORDS)
            self._logical = first in words and logicals(block) is not None
        if self._number:
            self._written = self._written or _written_as(_first(block), self._decimal)
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
        return _parsed(self._span.plan(self._name, "numeric"), self._written)

    def convert(self, block: Any, _row: int, plan: ColumnPlan, /) -> Any:
        if plan.storage == "string":
            return block
        if not pa.types.is_string(block.type):
            return stored_numbers(block, plan.storage)
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
        self._written: Storage | None = None

    def observe(self, block: Any, row: int, /) -> None:
        if block.null_count < len(block):
            self._written = self._written or _written_as(_first(block), self._decimal)
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
        return _parsed(self._span.plan(self._name, "numeric"), self._written)

    def convert(self, block: Any, _row: int, plan: ColumnPlan, /) -> Any:
        if not pa.types.is_string(block.type):
            return stored_numbers(block, plan.storage)
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


def _first(block: Any) -> str:
    """Return the first cell that is not missing; there must be one."""
    found: str = block[pc.index(block.is_valid(), True).as_py()].as_py()
    return found


def _written_as(cell: str, decimal: str) -> Storage | None:
    """Return what Arrow may read cells such as this as: whole numbers, doubles or nothing."""
    if decimal != ".":
        return None
    return "int64" if cell.removeprefix("-").isdigit() else "float64"


def _parsed(plan: ColumnPlan, written: Storage | None) -> ColumnPlan:
    """Return a plan of numbers that says as what Arrow may read the column's text at once."""
    return replace(plan, parsed=plan.storage if written == "int64" else written)


def infinite_value(row: int, name: str, text: str) -> Exception:
    """Return the refusal of an infinite number."""
    advice = "Correct the value, or name it in options.na to read it as missing."
    return bad_value(row, name, "a finite number", shown(text), advice)
