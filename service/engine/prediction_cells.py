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
from service.domain.temporal import days_of, microseconds_of
from service.engine.prediction_columns import InputColumns, is_nominal, shown

# What a recipe reads as a level that the training rows did not have.
NEW_LEVEL = -2
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


def codes(
    cells: Sequence[Any], column: Column, key: str, *, is_open: bool = False
) -> NDArray[np.int32]:
    """Return JSON cells as the 0-based levels of a nominal column, -1 for null.

    A number counts as its text (1 and 1.0 as "1", else "1.0"), true and false as TRUE and FALSE.
    With `is_open` a text that is none of the levels is -2.

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
        if code is None and is_open and _texts(cell):
            code = NEW_LEVEL
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
    coded = {
        column.name: codes(
            [row[place] for row in rows], column, key, is_open=column.name in inputs.open
        )
        for place, column in inputs.nominal
    }
    if inputs.are_numbers:
        return numbers(rows, inputs.names, key), coded
    numeric = [(p, column) for p, column in enumerate(inputs.columns) if not is_nominal(column)]
    cells = [
        [
            _moment(row[place], number, column, key) if column.is_temporal else row[place]
            for place, column in numeric
        ]
        for number, row in enumerate(rows)
    ]
    return numbers(cells, [column.name for _, column in numeric], key), coded


def moment(text: str, kind: str) -> float | None:
    """Return a date as days since 1970-01-01, a datetime as seconds; None when it is none."""
    if kind == "date":
        return days_of(text)
    microseconds = microseconds_of(text)
    return None if microseconds is None else microseconds / 1e6


def not_a_moment(row: int, column: Column, cell: object, loc: tuple[str | int, ...]) -> InvalidData:
    """Return the error for a cell, in the 0-based row, that is no date or time."""
    example = "2020-01-31" if column.type == "date" else "2020-01-31T12:00:00Z"
    detail = (
        f"Expected a {column.type} such as {example} in row {row + 1} of column "
        f"'{shown(column.name)}'. Received {_described(cell)}."
    )
    return InvalidData(detail, errors=[FieldError(loc=loc, msg=detail, received=shown(cell))])


def moments(cells: Sequence[Any], column: Column, key: str) -> NDArray[np.float64]:
    """Return cells of dates as days since 1970-01-01, of times as seconds; NaN where missing.

    Raises:
        InvalidData: a cell is no date or time.
    """
    found = (_moment(cell, row, column, key) for row, cell in enumerate(cells))
    return np.array([np.nan if each is None else each for each in found], dtype=np.float64)


def _moment(cell: Any, row: int, column: Column, key: str) -> float | None:
    if cell is None:
        return None
    found = moment(cell, column.type) if isinstance(cell, str) else None
    if found is None:
        raise not_a_moment(row, column, cell, (key, row, shown(column.name)))
    return found
