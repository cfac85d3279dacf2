"""The rows of a prediction request sent as CSV, read as the training data were."""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import Column
from service.domain.errors import FieldError, InvalidData
from service.engine.prediction_cells import (
    NEW_LEVEL,
    moment,
    not_a_moment,
    not_a_number,
    unknown_level,
)
from service.engine.prediction_columns import (
    InputColumns,
    PredictionRows,
    absent_column,
    is_nominal,
    shown,
)

# What float() takes and readr does not: underscores, other scripts' digits, "nan", "inf".
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_LOGICAL = {
    "TRUE": "TRUE", "T": "TRUE", "true": "TRUE", "FALSE": "FALSE", "F": "FALSE", "false": "FALSE",
}  # fmt: skip


def from_csv(raw: bytes, inputs: InputColumns) -> PredictionRows:
    """Return the rows of a CSV with a header line, separated by commas, quoted by `"`.

    As in reading a dataset, cells are trimmed, compared with the training data's words for
    missing, then taken as the training column's type. Empty lines are skipped. Only the columns
    that the model reads are converted; others are ignored, with whatever is in them.

    Args:
        raw: UTF-8, with or without a byte order mark.
        inputs: the columns that the model reads.

    Raises:
        InvalidData: not such a file, a column missing or named twice, a row of another length, a
            cell of another type; the line, or row (from 1) and column, are named.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"Expected UTF-8. Received other bytes at byte {error.start + 1}."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidData(f"Expected text. Received a NUL character in line {line}.")
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        cells = _Cells(_places(header, inputs), inputs, text)
        for row in reader:
            if len(row) == len(header):
                cells.add(row)
            elif row:
                raise InvalidData(
                    f"Expected {len(header)} cells, as in the header, in line {reader.line_num}. "
                    f"Received {len(row)}."
                )
    except csv.Error as error:
        raise InvalidData(
            f"Expected CSV. Received something else in line {reader.line_num}: {error}."
        ) from None
    return cells.converted()


class _Cells:
    """The cells that the model reads, converted row by row: a file's strings are many times it."""

    def __init__(self, place: Mapping[str, int], inputs: InputColumns, text: str) -> None:
        self._inputs = inputs
        self._missing = frozenset(inputs.na)
        self._names = inputs.numeric_names
        self._places = [place[name] for name in self._names]
        self._temporal = {column.name: column for column in inputs.columns if column.is_temporal}
        self._values = array("d")
        self._rows = 0
        self._nominal: dict[str, list[str]] = {
            column.name: [] for column in inputs.columns if is_nominal(column)
        }
        self._nominal_places = [place[name] for name in self._nominal]
        # Where none of these can be, what float() takes and what we take differ only in the words
        # for NaN and infinity; elsewhere each cell is looked at.
        self._plain = (
            text.isascii()
            and not self._temporal
            and "_" not in text[text.find("\n") :]
            and not any(map(_NUMBER.match, inputs.na))
        )

    def add(self, row: Sequence[str]) -> None:
        """Convert one row, as long as the header."""
        cells = [row[place] for place in self._places]
        values: list[float] = []
        if self._plain:
            with suppress(ValueError):
                values = list(map(float, cells))
        # A sum is finite only if all of it is; if it overflows, the cells are looked at in vain.
        if not values or not math.isfinite(sum(values)):
            values = [self._number(cell.strip(), place) for place, cell in enumerate(cells)]
        self._values.extend(values)
        for collected, place in zip(self._nominal.values(), self._nominal_places, strict=True):
            collected.append(row[place].strip())
        self._rows += 1

    def converted(self) -> PredictionRows:
        """Return all rows."""
        shape = (self._rows, len(self._names))
        numbers = np.array(self._values, dtype=np.float64).reshape(shape)
        nominal = {
            column.name: self._codes(column, self._nominal[column.name])
            for column in self._inputs.columns
            if is_nominal(column)
        }
        return PredictionRows(inputs=self._inputs, layout="rows", numbers=numbers, nominal=nominal)

    def _number(self, cell: str, place: int) -> float:
        if cell in self._missing:
            return math.nan
        if (column := self._temporal.get(self._names[place])) is not None:
            found = moment(cell, column.type)
            if found is None:
                raise not_a_moment(self._rows, column, cell, (self._rows + 1, column.name))
            return found
        value = float(cell) if _NUMBER.match(cell) else math.inf
        if math.isinf(value):
            name = self._names[place]
            raise not_a_number(self._rows, name, cell, (self._rows + 1, name))
        return value

    def _codes(self, column: Column, cells: Sequence[str]) -> NDArray[np.int32]:
        code_of = {level: code for code, level in enumerate(column.levels or ())}
        if column.type == "logical":
            code_of = {word: code_of[level] for word, level in _LOGICAL.items() if level in code_of}
        code_of.update(dict.fromkeys(self._inputs.na, -1))
        codes = np.empty(len(cells), dtype=np.int32)
        for row, cell in enumerate(cells):
            code = code_of.get(cell)
            if code is None and column.name in self._inputs.open:
                code = NEW_LEVEL
            if code is None:
                raise unknown_level(row, column, cell, (row + 1, column.name))
            codes[row] = code
        return codes


def _places(header: Sequence[str], inputs: InputColumns) -> dict[str, int]:
    place: dict[str, int] = {}
    for at, name in enumerate(header):
        # pandas and R write the row names under an empty header; nothing can ask for them.
        if name and name in place:
            detail = f"Expected each column once. Received '{shown(name)}' twice in the header."
            raise InvalidData(detail, errors=[FieldError(loc=(shown(name),), msg=detail)])
        place[name] = at
    if not place:
        raise InvalidData("Expected a CSV with a header line. Received an empty first line.")
    absent = absent_column(inputs, place)
    if absent and len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise InvalidData(
            "Expected cells separated by commas. Received a header without one. Write the file "
            "with commas and decimal points."
        )
    if absent:
        raise absent
    return place
