"""How often each value of a column occurs, alone or together with another column's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import NOMINAL_TYPES
from service.domain.errors import FieldError, InvalidSpec
from service.domain.temporal import date_text, time_text
from service.engine.tables.table import Table

MAX_LEVELS = 10_000


class Count(NamedTuple):
    """A level, None for missing values, and in how many rows it is."""

    level: str | None
    n: int


class CrossCount(NamedTuple):
    """A level of one column, a level of another, and how many rows have both."""

    level: str | None
    by: str | None
    n: int


def tab(table: Table, column: str) -> list[Count]:
    """Return the counts of a column's levels, in their order, the missing values last.

    A factor counts all its levels; of numbers and dates, the levels are the values, ascending.

    Raises:
        InvalidSpec: no such column, or one of more than `MAX_LEVELS` values.
    """
    levels, codes = _coded(table, column)
    found = np.bincount(codes, minlength=len(levels)).tolist()
    return [Count(level, n) for level, n in zip(levels, found, strict=True)]


def cross_tab(table: Table, column: str, by: str) -> list[CrossCount]:
    """Return how many rows have each pair of levels, `by`'s levels running fastest, zeros too.

    Raises:
        InvalidSpec: no such column, or more than `MAX_LEVELS` pairs.
    """
    rows, row_codes = _coded(table, column)
    columns, column_codes = _coded(table, by)
    pairs = len(rows) * len(columns)
    if pairs > MAX_LEVELS:
        msg = (
            f"Expected at most {MAX_LEVELS:,} pairs of levels. Received {len(rows):,} levels of "
            f"'{column}' and {len(columns):,} of '{by}'."
        )
        raise InvalidSpec(msg, errors=[FieldError(loc=("by",), msg=msg)])
    found = np.bincount(row_codes * len(columns) + column_codes, minlength=pairs).tolist()
    return [
        CrossCount(level, other, found[at * len(columns) + place])
        for at, level in enumerate(rows)
        for place, other in enumerate(columns)
    ]


def _coded(table: Table, column: str) -> tuple[list[str | None], NDArray[np.int64]]:
    """Return a column's levels, None last where values are missing, and each row's place."""
    kind = table.types.get(column)
    if kind in NOMINAL_TYPES:
        levels: list[str | None] = list(table.category_levels(column))
        codes = table.codes(column).astype(np.int64)
    else:
        values = table.numeric(column)
        known = ~np.isnan(values)
        distinct, places = np.unique(values[known], return_inverse=True)
        codes = np.full(len(values), -1, dtype=np.int64)
        codes[known] = places
        if len(distinct) > MAX_LEVELS:
            msg = (
                f"Expected a column with at most {MAX_LEVELS:,} values. Received '{column}' with "
                f"{len(distinct):,}. `plots/bar.svg` shows its histogram."
            )
            raise InvalidSpec(msg, errors=[FieldError(loc=("column",), msg=msg)])
        levels = [value_text(value, kind) for value in distinct.tolist()]
    missing = codes < 0
    if missing.any():
        codes = np.where(missing, len(levels), codes)
        levels.append(None)
    return levels, codes


def value_text(value: float, kind: str | None) -> str:
    """Return a number as text, a date or time by its count since 1970-01-01 in ISO 8601."""
    if kind == "date":
        return date_text(round(value))
    if kind == "datetime":
        return time_text(round(value * 1e6))
    return f"{value:.15g}"
