"""Cells of a request's JSON as numbers and levels: strict, and every refusal names its cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import Column
from service.domain.errors import FieldError, InvalidData
from service.domain.names import did_you_mean
from service.engine.prediction_columns import InputColumns, shown

_NUMBERS = {int, float, type(None)}
_WORDS = {True: ("TRUE", "true"), False: ("FALSE", "false")}


def numbers(rows: Sequence[Sequence[Any]], names: Sequence[str], key: str) -> NDArray[np.float64]:
    """Return JSON cells as float64 (rows, names), NaN for null.

    Args:
        rows: one sequence a row, as long as `names`.
        names: the columns' names.
        key: the member of the body that the rows are in, for the errors' places.

    Raises:
        InvalidData: a cell is no number (true and "1" are none) or beyond what a double can hold.
    """
    if not rows or not names:
        return np.empty((len(rows), len(names)))
    if set(map(type, chain.from_iterable(rows))) <= _NUMBERS:
        try:
            matrix = np.array(rows, dtype=np.float64)
        except OverflowError:
            raise _first_misfit(rows, names, key) from None
        # NaN is a null, or a NaN that some reader of JSON let through.
        if np.isfinite(matrix).all() or all(map(_fits, chain.from_iterable(rows))):
            return matrix
    raise _first_misfit(rows, names, key)


def codes(cells: Sequence[Any], column: Column, key: str) -> NDArray[np.int32]:
    """Return JSON cells as the 0-based levels of a nominal column, -1 for null.

    A number counts as its text (1 and 1.0 as "1", else "1.0"), true and false as TRUE and FALSE.

    Raises:
        InvalidData: a cell is none of the training rows' levels.
    """
    code_of = {level: code for code, level in enumerate(column.levels or ())}
    found = np.empty(len(cells), dtype=np.int32)
    for row, cell in enumerate(cells):
        if cell is None:
            found[row] = -1
            continue
        code = next((code_of[text] for text in _texts(cell) if text in code_of), None)
        if code is None:
            raise unknown_level(row, column, cell, (key, row, column.name))
        found[row] = code
    return found


def unknown_level(
    row: int, column: Column, cell: object, loc: tuple[str | int, ...]
) -> InvalidData:
    """Return the error for a cell, in the 0-based row, that is none of a column's levels."""
    levels = column.levels or ()
    some = ", ".join(f"'{shown(level)}'" for level in levels[:5])
    detail = (
        f"Expected one of the {len(levels)} levels of column '{shown(column.name)}' ({some}"
        f"{', ...' if len(levels) > 5 else ''}) in row {row + 1}. Received {_described(cell)}."
        f"{did_you_mean(shown(cell), levels) if isinstance(cell, str) else ''}"
    )
    return InvalidData(detail, errors=[FieldError(loc=loc, msg=detail, received=shown(cell))])


def not_a_number(row: int, name: str, cell: object, loc: tuple[str | int, ...]) -> InvalidData:
    """Return the error for a cell, in the 0-based row, that is no number."""
    received = _described(cell)
    if isinstance(cell, float) and math.isnan(cell):
        received = "NaN: send null where a value is missing"
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        received = "one beyond 1.8e308, where doubles end"
    elif isinstance(cell, str) and _is_number(cell):
        received += ": send numbers without quotes"
    detail = f"Expected a number in row {row + 1} of column '{shown(name)}'. Received {received}."
    return InvalidData(detail, errors=[FieldError(loc=loc, msg=detail, received=shown(cell))])


def _texts(cell: Any) -> tuple[str, ...]:
    match cell:
        case str():
            return (cell,)
        case bool():
            return _WORDS[cell]
        case int():
            return (shown(cell),)
        case float() if cell.is_integer():
            return (shown(int(cell)), str(cell))
        case float():
            return (str(cell),)
        case _:
            return ()


def _described(cell: object) -> str:
    match cell:
        case bool():
            return str(cell).lower()
        case str():
            return f"the text '{shown(cell)}'"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return shown(cell)


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


def _first_misfit(rows: Sequence[Sequence[Any]], names: Sequence[str], key: str) -> InvalidData:
    row, name, cell = next(
        (row, name, cell)
        for row, cells in enumerate(rows)
        for name, cell in zip(names, cells, strict=True)
        if not _fits(cell)
    )
    return not_a_number(row, name, cell, (key, row, shown(name)))


def _fits(cell: Any) -> bool:
    if cell is None:
        return True
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return False
    try:
        return math.isfinite(float(cell))
    except OverflowError:
        return False


def split(
    rows: Sequence[Sequence[Any]], inputs: InputColumns, key: str
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int32]]]:
    """Return JSON cells as the matrix of the numeric columns and the codes of the nominal ones.

    Args:
        rows: one sequence a row, as long as `inputs.columns`.
        inputs: the columns.
        key: the member of the body that the rows are in.
    """
    nominal = [place for place, column in enumerate(inputs.columns) if not column.is_numeric]
    coded = {
        inputs.columns[place].name: codes([row[place] for row in rows], inputs.columns[place], key)
        for place in nominal
    }
    if not nominal:
        return numbers(rows, inputs.names, key), coded
    numeric = [place for place, column in enumerate(inputs.columns) if column.is_numeric]
    names = [inputs.columns[place].name for place in numeric]
    return numbers([[row[place] for place in numeric] for row in rows], names, key), coded
