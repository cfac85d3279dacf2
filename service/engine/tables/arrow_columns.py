"""Columns that come typed, from Parquet or Arrow IPC: their types are kept, if we know them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from service.domain.datasets import (
    MAX_LEVELS,
    TEMPORAL_TYPES,
    ColumnOptions,
    ColumnType,
    ReadOptions,
)
from service.domain.errors import UnreadableFile
from service.engine.tables.cell_columns import infinite_value, reader_of_cells
from service.engine.tables.cells import clean, codes, has_longer, has_nul
from service.engine.tables.column import (
    ColumnReader,
    Misfit,
    Span,
    first_infinite,
    present_of,
    stored_numbers,
)
from service.engine.tables.diagnose import MAX_FIELD_BYTES
from service.engine.tables.refusals import bad_column, bad_value
from service.engine.tables.storage import MAX_EXACT, ColumnPlan, Storage, told_by
from service.engine.tables.temporal_columns import TemporalColumn

_KNOWN = "an integer, float, decimal, boolean, string, dictionary, date or timestamp column"


def native_type(name: str, physical: Any) -> ColumnType:
    """Return our type of a column that Arrow calls `physical`.

    Raises:
        UnreadableFile: it has no type of ours, such as a duration or a list.
    """
    types = pa.types
    if types.is_integer(physical):
        return "integer"
    if types.is_floating(physical) or types.is_decimal(physical):
        return "numeric"
    if types.is_date(physical):
        return "date"
    if types.is_timestamp(physical):
        return "datetime"
    if types.is_boolean(physical) or types.is_null(physical):
        return "logical"
    if is_text(physical):
        return "text"
    if types.is_dictionary(physical) and (
        is_text(physical.value_type) or types.is_integer(physical.value_type)
    ):
        return "ordered" if physical.ordered else "factor"
    advice = f"Convert column '{name}' before the upload, or leave it out."
    raise bad_column(name, _KNOWN, f"one of Arrow's type {str(physical)[:64]}", advice)


def is_text(physical: Any) -> bool:
    """Whether Arrow's type is one of its strings."""
    types = pa.types
    return bool(
        types.is_string(physical)
        or types.is_large_string(physical)
        or types.is_string_view(physical)
    )


def reader_of_arrow(field: Any, option: ColumnOptions | None, options: ReadOptions) -> ColumnReader:
    """Return the reader of a typed column; one that declares another type is read as text cells.

    A file of ours says in its fields which whole numbers are `numeric`, and all of a factor's
    levels: both are believed where the column's own type allows it.

    Raises:
        UnreadableFile: Arrow's type is none of ours.
    """
    name, physical = field.name, field.type
    kind = native_type(name, physical)
    said, levels = told_by(field)
    if kind == "integer" and said == "numeric":
        kind = "numeric"
    if option is not None and (option.type != kind or option.levels is not None):
        return _RestatedColumn(name, option, options.na)
    if pa.types.is_dictionary(physical):
        return _DictionaryColumn(name, kind, levels if said == kind else ())
    if kind in TEMPORAL_TYPES:
        return TemporalColumn(name, kind)
    if kind in ("integer", "numeric"):
        return _NumberColumn(name, kind)
    return _PlainColumn(name, kind)


class _NumberColumn:
    """Integers stay integers, floats are numeric; a NaN is a missing value."""

    needs_all = False

    def __init__(self, name: str, kind: ColumnType) -> None:
        self._name, self._kind = name, kind
        self._span = Span()

    def observe(self, block: Any, row: int, /) -> None:
        values = self._values(block, row)
        at = first_infinite(values) if self._kind == "numeric" else None
        if at is not None:
            raise infinite_value(row + at, self._name, str(values[at].as_py()))
        self._span.add(present_of(values))

    def plan(self, _complete: bool, /) -> ColumnPlan:
        return self._span.plan(self._name, self._kind)

    def convert(self, block: Any, row: int, plan: ColumnPlan, /) -> Any:
        return stored_numbers(self._values(block, row), plan.storage)

    def _values(self, block: Any, row: int) -> Any:
        if self._kind == "integer":
            return _signed(block, row, self._name)
        # Beyond 2^53 a whole number or a decimal becomes the double next to it.
        values = pc.cast(block, pa.float64(), safe=False)
        missing = pc.is_nan(values)
        if pc.any(missing).as_py():
            values = pc.if_else(missing, pa.scalar(None, pa.float64()), values)
        return values


class _PlainColumn:
    """Logical values and text; of a column that Arrow calls null, every value is missing."""

    needs_all = False

    def __init__(self, name: str, kind: ColumnType) -> None:
        self._name, self._kind = name, kind

    def observe(self, _block: Any, _row: int, /) -> None:
        pass

    def plan(self, _complete: bool, /) -> ColumnPlan:
        storage: Storage = "bool" if self._kind == "logical" else "string"
        return ColumnPlan(name=self._name, type=self._kind, storage=storage)

    def convert(self, block: Any, row: int, plan: ColumnPlan, /) -> Any:
        if plan.storage == "bool":
            return pc.cast(block, pa.bool_())
        text = pc.cast(block, pa.string())
        refuse_odd_text(text, row, self._name)
        return text


class _DictionaryColumn:
    """A factor: its levels are the dictionary's, in its order; later dictionaries may add some."""

    needs_all = False

    def __init__(self, name: str, kind: ColumnType, levels: tuple[str, ...]) -> None:
        self._name, self._kind = name, kind
        self._levels: dict[str, None] = dict.fromkeys(levels)

    def observe(self, block: Any, row: int, /) -> None:
        words = pc.cast(block.dictionary, pa.string())
        refuse_odd_text(words, row, self._name)
        self._levels.update(dict.fromkeys(words.drop_null().to_pylist()))
        if len(self._levels) > MAX_LEVELS:
            raise bad_column(self._name, f"at most {MAX_LEVELS} levels", "more", "Declare it text.")

    def plan(self, _complete: bool, /) -> ColumnPlan:
        return ColumnPlan(
            name=self._name, type=self._kind, storage="codes", levels=tuple(self._levels)
        )

    def convert(self, block: Any, _row: int, plan: ColumnPlan, /) -> Any:
        words = pc.cast(block.dictionary, pa.string())
        code_of = codes(words, plan.levels or ())
        if code_of.null_count > words.null_count:
            raise Misfit
        return code_of.take(block.indices)


class _RestatedColumn:
    """A typed column whose declared type is another: its values as text, read as cells are."""

    def __init__(self, name: str, option: ColumnOptions, na: list[str]) -> None:
        self._name = name
        self._na = [word.strip(" \t") for word in na]
        self._reader = reader_of_cells(name, option, ".")
        self.needs_all = self._reader.needs_all

    def observe(self, block: Any, row: int, /) -> None:
        self._reader.observe(self._cells(block, row), row)

    def plan(self, complete: bool, /) -> ColumnPlan:
        return self._reader.plan(complete)

    def convert(self, block: Any, row: int, plan: ColumnPlan, /) -> Any:
        return self._reader.convert(self._cells(block, row), row, plan)

    def _cells(self, block: Any, row: int) -> Any:
        if pa.types.is_dictionary(block.type):
            block = block.dictionary_decode()
        if pa.types.is_boolean(block.type):
            block = pc.if_else(block, "TRUE", "FALSE")
        elif pa.types.is_floating(block.type):
            block = pc.cast(block, pa.float64())
            missing = pc.is_nan(block)
            block = pc.if_else(missing, pa.scalar(None, pa.float64()), block)
        cells = pc.cast(block, pa.string())
        refuse_odd_text(cells, row, self._name)
        return clean(cells, self._na)


def refuse_odd_text(cells: Any, row: int, name: str) -> None:
    """Refuse text that a CSV upload could not have held: a NUL, or a value over 64 KiB."""
    if has_nul(cells):
        at = pc.index(pc.match_substring(cells, "\0"), True).as_py()
        raise bad_value(row + at, name, "text", "a NUL character")
    if has_longer(cells, MAX_FIELD_BYTES):
        at = pc.index(pc.greater(pc.binary_length(cells), MAX_FIELD_BYTES), True).as_py()
        received = f"one of {len(cells[at].as_py().encode())} bytes"
        raise bad_value(row + at, name, f"a value of at most {MAX_FIELD_BYTES} bytes", received)


def _signed(block: Any, row: int, name: str) -> Any:
    try:
        return pc.cast(block, pa.int64())
    except pa.ArrowInvalid:
        refusal: UnreadableFile = _too_big(block, row, name)
        raise refusal from None


def _too_big(block: Any, row: int, name: str) -> UnreadableFile:
    at = pc.index(pc.greater(block, pa.scalar(2**63 - 1, block.type)), True).as_py()
    return bad_value(
        row + at,
        name,
        "an integer of at most 2^63 - 1",
        str(block[at].as_py()),
        f"Declare {name} numeric or text; a double is exact up to {MAX_EXACT}.",
    )
