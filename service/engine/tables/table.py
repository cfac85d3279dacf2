"""A stored table, read without parsing: numbers, codes, strings and records of any rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import NOMINAL_TYPES, TEMPORAL_TYPES, ColumnType
from service.domain.errors import FieldError, InvalidSpec
from service.domain.names import did_you_mean
from service.domain.temporal import date_text, time_text
from service.engine.tables.buffers import missing_of, positions, values_of
from service.engine.tables.storage import MAX_EXACT, read_field

Places: TypeAlias = NDArray[np.int64]
Rows: TypeAlias = slice | NDArray[np.int64] | None
JsonCell: TypeAlias = int | float | bool | str | None

LOGICAL_LEVELS = ("FALSE", "TRUE")
_COUNTED: tuple[ColumnType, ...] = ("numeric", "integer", "logical", *TEMPORAL_TYPES)


class Table:
    """The columns of one canonical file, memory-mapped: opening it reads a schema, no rows.

    `rows` is None for all rows, a slice, or an int64 array of 0-based positions, in any order
    and with repeats. What the methods return must not be written into.
    """

    def __init__(self, batches: list[Any], schema: Any) -> None:
        self._batches = batches
        self._index = {name: at for at, name in enumerate(schema.names)}
        self._starts = np.cumsum([0, *(batch.num_rows for batch in batches)], dtype=np.int64)
        self._levels: dict[str, tuple[str, ...]] = {}
        types: dict[str, ColumnType] = {}
        for field in schema:
            types[field.name], levels = read_field(field)
            if levels is not None:
                self._levels[field.name] = levels
        self.types: Mapping[str, ColumnType] = types
        self.n_rows = int(self._starts[-1])

    @classmethod
    def open(cls, path: Path) -> Table:
        """Map the canonical file at `path`.

        Raises:
            OSError: no such file.
        """
        import pyarrow as pa

        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [reader.get_batch(at) for at in range(reader.num_record_batches)]
        return cls(batches, reader.schema)

    def levels(self, name: str) -> tuple[str, ...] | None:
        """Return the declared levels of a factor, None for a column of another type.

        Raises:
            InvalidSpec: no such column.
        """
        declared = self.types[self._known(name)] in ("factor", "ordered")
        return self._levels[name] if declared else None

    def column(self, name: str) -> Any:
        """Return the column as a pyarrow.ChunkedArray, one chunk a record batch.

        Raises:
            InvalidSpec: no such column.
        """
        import pyarrow as pa

        return pa.chunked_array([batch.column(self._at(name)) for batch in self._batches])

    def numeric(self, name: str, rows: Rows = None) -> NDArray[np.float64]:
        """Return a numeric, integer or logical (0, 1) column, float64 (rows,), NaN where missing.

        Of a date column, the days since 1970-01-01; of a datetime column the seconds, in UTC.

        Raises:
            InvalidSpec: no such column, or one of categories.
        """
        if self.types[self._known(name)] not in _COUNTED:
            raise self._refused(name, "of numbers")
        at = self._at(name)
        out = np.empty(self._count(rows), dtype=np.float64)
        for batch, local, where in self._parts(rows):
            column, local = _narrowed(batch.column(at), local)
            values = values_of(column)[local]
            missing = missing_of(column)
            out[where] = values if missing is None else np.where(missing[local], np.nan, values)
        if self.types[name] == "datetime":
            out /= 1e6
        return out

    def codes(self, name: str, rows: Rows = None) -> NDArray[np.int32]:
        """Return the 0-based levels of a nominal column, int32 (rows,), -1 where missing.

        The levels counted are `category_levels(name)`.

        Raises:
            InvalidSpec: no such column, or one of numbers.
        """
        levels = self.category_levels(name)
        at = self._at(name)
        out = np.empty(self._count(rows), dtype=np.int32)
        for batch, local, where in self._parts(rows):
            column, local = _narrowed(batch.column(at), local)
            if self.types[name] == "text":
                # Only the words that occur are looked up, each once.
                column = column.dictionary_encode()
                found = np.array(_places(column.dictionary.to_pylist(), levels), dtype=np.int32)
                codes = found[values_of(column.indices)]
            elif self.types[name] == "logical":
                found = np.array(_places(LOGICAL_LEVELS, levels), dtype=np.int32)
                codes = found[values_of(column)]
            else:
                codes = values_of(column.indices)
            missing = missing_of(column)
            out[where] = (codes if missing is None else np.where(missing, -1, codes))[local]
        return out

    def category_levels(self, name: str) -> tuple[str, ...]:
        """Return a nominal column's levels.

        A factor's are the declared ones, in their order; of a text or logical column, the
        distinct values sorted by code point ("FALSE" and "TRUE" of a logical one).

        Raises:
            InvalidSpec: no such column, or one of numbers.
        """
        if self.types[self._known(name)] not in NOMINAL_TYPES:
            raise self._refused(name, "of categories")
        if name not in self._levels:
            distinct = self.column(name).unique().drop_null().to_pylist()
            self._levels[name] = tuple(sorted(_said(value) for value in distinct))
        return self._levels[name]

    def strings(self, name: str, rows: Rows = None) -> list[str | None]:
        """Return a column as text, None where missing; a whole number has no decimals.

        Raises:
            InvalidSpec: no such column.
        """
        return [None if value is None else _said(value) for value in self._cells(name, rows)]

    def records(self, start: int, count: int) -> list[dict[str, JsonCell]]:
        """Return `count` rows from the 1-based row `start` on as flat objects, None where missing.

        Fewer than `count` at the table's end, none beyond it. A whole number is an int.

        Raises:
            InvalidSpec: `start` below 1 or `count` below 0.
        """
        if start < 1 or count < 0:
            detail = f"Expected start from 1 and count from 0. Received {start} and {count}."
            raise InvalidSpec(detail, errors=[FieldError(loc=("start",), msg=detail)])
        rows = slice(start - 1, min(start - 1 + count, self.n_rows))
        columns = [self._cells(name, rows) for name in self.types]
        return [dict(zip(self.types, cells, strict=True)) for cells in zip(*columns, strict=True)]

    def stored(self, name: str) -> NDArray[Any]:
        """Return the values of a column of numbers as they are stored, the missing left out.

        Dates are stored as days, times as microseconds.

        Raises:
            InvalidSpec: no such column.
        """
        parts = [batch.column(self._at(name)) for batch in self._batches]
        found = [values_of(part.drop_null() if part.null_count else part) for part in parts]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _cells(self, name: str, rows: Rows) -> list[JsonCell]:
        at = self._at(name)
        values: list[Any] = [None] * self._count(rows)
        for batch, local, where in self._parts(rows):
            column = batch.column(at)
            part = column[local] if isinstance(local, slice) else column.take(positions(local))
            cells = self._cells_of(part, self.types[name])
            if isinstance(where, slice):
                values[where] = cells
            else:
                for position, value in zip(where, cells, strict=True):
                    values[position] = value
        return [_plain(value) for value in values]

    @staticmethod
    def _cells_of(part: Any, kind: ColumnType) -> list[Any]:
        if kind not in TEMPORAL_TYPES:
            return part.to_pylist()  # type: ignore[no-any-return]
        missing = missing_of(part)
        text = date_text if kind == "date" else time_text
        known = np.zeros(len(part), dtype=np.bool_) if missing is None else missing
        return [
            None if gone else text(number)
            for number, gone in zip(values_of(part).tolist(), known.tolist(), strict=True)
        ]

    def _count(self, rows: Rows) -> int:
        if isinstance(rows, np.ndarray):
            return len(rows)
        return len(range(self.n_rows)[slice(None) if rows is None else rows])

    def _parts(self, rows: Rows) -> Iterator[tuple[Any, slice | Places, slice | Places]]:
        """Yield batch by batch the rows taken: the batch, the rows in it, their places in order."""
        if isinstance(rows, slice) and rows.step not in (None, 1):
            rows = np.arange(self.n_rows, dtype=np.int64)[rows]
        if isinstance(rows, np.ndarray):
            yield from self._picked(rows)
            return
        first, stop, _ = (rows or slice(None)).indices(self.n_rows)
        for batch, start in zip(self._batches, self._starts.tolist(), strict=False):
            low, high = max(first, start), min(stop, start + batch.num_rows)
            if low < high:
                yield batch, slice(low - start, high - start), slice(low - first, high - first)

    def _picked(self, rows: NDArray[np.int64]) -> Iterator[tuple[Any, Places, slice | Places]]:
        if len(rows) and (rows.min() < 0 or rows.max() >= self.n_rows):
            raise IndexError(
                f"Expected row positions from 0 to {self.n_rows - 1}. "
                f"Received {rows.min()} to {rows.max()}."
            )
        if len(self._batches) == 1:
            yield self._batches[0], rows, slice(None)
            return
        batch_of = np.searchsorted(self._starts, rows, side="right") - 1
        for index in np.unique(batch_of):
            where = np.flatnonzero(batch_of == index)
            yield self._batches[index], rows[where] - self._starts[index], where

    def _known(self, name: str) -> str:
        self._at(name)
        return name

    def _at(self, name: str) -> int:
        at = self._index.get(name)
        if at is None:
            detail = f"Expected a column of the table. Received '{name[:64]}'."
            detail += did_you_mean(name, self._index)
            raise InvalidSpec(detail, errors=[FieldError(loc=(name[:64],), msg=detail)])
        return at

    def _refused(self, name: str, what: str) -> InvalidSpec:
        detail = f"Expected a column {what}. Received '{name}', which is {self.types[name]}."
        return InvalidSpec(detail, errors=[FieldError(loc=(name,), msg=detail)])


def _narrowed(column: Any, local: slice | Places) -> tuple[Any, slice | Places]:
    """Return rows of a batch and their places among them: of a slice, those rows alone."""
    if isinstance(local, slice):
        return column.slice(local.start, local.stop - local.start), slice(None)
    return column, local


def _places(words: Sequence[str], levels: Sequence[str]) -> list[int]:
    """Return the place of each word among the levels, -1 for none; one place at least."""
    place = {level: at for at, level in enumerate(levels)}
    return [place.get(word, -1) for word in words] or [-1]


def _plain(value: Any) -> JsonCell:
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT:
        return int(value)
    return value  # type: ignore[no-any-return]


def _said(value: JsonCell) -> str:
    if isinstance(value, bool):
        return LOGICAL_LEVELS[value]
    return value if isinstance(value, str) else repr(value)
