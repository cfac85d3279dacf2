"""The rows of a prediction request sent as CSV, read as the training data were."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import Column
from service.domain.errors import FieldError, InvalidData
from service.engine.prediction_cells import not_a_number, unknown_level
from service.engine.prediction_columns import (
    InputColumns,
    PredictionRows,
    absent_column,
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
    header, rows = _parsed(text)
    place = _places(header, inputs)
    # In a text without these, whatever float() takes is a number or a word.
    plain = text.isascii() and "_" not in text[text.find("\n") :]
    numeric = [column for column in inputs.columns if column.is_numeric]
    numbers = np.empty((len(rows), len(numeric)))
    for at, column in enumerate(numeric):
        where = place[column.name]
        numbers[:, at] = _numbers([row[where] for row in rows], column, inputs.na, plain)
    nominal = {
        column.name: _codes([row[place[column.name]] for row in rows], column, inputs.na)
        for column in inputs.columns
        if not column.is_numeric
    }
    return PredictionRows(inputs=inputs, layout="rows", numbers=numbers, nominal=nominal)


def _parsed(text: str) -> tuple[list[str], list[list[str]]]:
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidData(f"Expected text. Received a NUL character in line {line}.")
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        width = len(header)
        for row in reader:
            if len(row) != width:
                if not row:
                    continue
                raise InvalidData(
                    f"Expected {width} cells, as in the header, in line {reader.line_num}. "
                    f"Received {len(row)}."
                )
            rows.append(row)
    except csv.Error as error:
        raise InvalidData(
            f"Expected CSV. Received something else in line {reader.line_num}: {error}."
        ) from None
    return header, rows


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
    absent = [name for name in inputs.names if name not in place]
    if absent and len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise InvalidData(
            "Expected cells separated by commas. Received a header without one. Write the file "
            "with commas and decimal points."
        )
    if absent:
        raise absent_column(absent, [name for name in place if name])
    return place


def _numbers(
    cells: Sequence[str], column: Column, na: Sequence[str], plain: bool
) -> NDArray[np.float64]:
    if plain:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            # A finite number may still be a word for missing, such as -99.
            if np.isfinite(values).all() and not any(map(_looks_numeric, na)):
                return values
    missing = set(na)
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        trimmed = cell.strip()
        if trimmed in missing:
            values[row] = np.nan
            continue
        value = float(trimmed) if _NUMBER.match(trimmed) else np.inf
        if np.isinf(value):
            raise not_a_number(row, column.name, trimmed, (row + 1, column.name))
        values[row] = value
    return values


def _codes(cells: Sequence[str], column: Column, na: Sequence[str]) -> NDArray[np.int32]:
    code_of = {level: code for code, level in enumerate(column.levels or ())}
    if column.type == "logical":
        code_of = {word: code_of[level] for word, level in _LOGICAL.items() if level in code_of}
    code_of.update(dict.fromkeys(na, -1))
    codes = np.empty(len(cells), dtype=np.int32)
    for row, cell in enumerate(cells):
        code = code_of.get(cell.strip())
        if code is None:
            raise unknown_level(row, column, cell.strip(), (row + 1, column.name))
        codes[row] = code
    return codes


def _looks_numeric(word: str) -> bool:
    return _NUMBER.match(word) is not None
