"""A table's profile: what is known of each column without its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import MAX_LEVELS, NOMINAL_TYPES, NUMERIC_TYPES, Column
from service.engine.tables.buffers import values_of
from service.engine.tables.table import Table

# Above this a square may overflow: such values are scaled before their moments are taken.
_SAFE = 1e100


def profile(table: Table, names: Sequence[str] | None = None) -> tuple[Column, ...]:
    """Return the profile of every column, in the table's order, or of those called `names`.

    Moments are of the values that are not missing, `sd` with n - 1; they are None for a column
    without numbers, `sd` also for one of fewer than two. Dates have `min` and `max` only.
    """
    return tuple(
        _categories(table, name) if table.types[name] in NOMINAL_TYPES else _numbers(table, name)
        for name in (table.types if names is None else names)
    )


def _numbers(table: Table, name: str) -> Column:
    column = table.column(name)
    values = table.stored(name)
    # What occurs and how often: a column of a byte's numbers is 256 values from here on.
    distinct, counts = _counted(values)
    kind = table.types[name]
    about = _moments(distinct, counts) if len(values) and kind in NUMERIC_TYPES else _Moments()
    unit = 1e6 if kind == "datetime" else 1.0
    return Column(
        name=name,
        type=kind,
        n_missing=column.null_count,
        n_unique=len(distinct),
        top_counts=_top(counts),
        mean=about.mean,
        sd=about.sd,
        min=float(distinct[0]) / unit if len(values) else None,
        max=float(distinct[-1]) / unit if len(values) else None,
    )


def _categories(table: Table, name: str) -> Column:
    import pyarrow.compute as pc

    column = table.column(name)
    found = pc.value_counts(column.drop_null())
    levels = table.levels(name)
    if levels is None and len(found) <= MAX_LEVELS:
        levels = table.category_levels(name)
    return Column(
        name=name,
        type=table.types[name],
        n_missing=column.null_count,
        n_unique=len(found),
        top_counts=_top(values_of(found.field("counts"))),
        levels=levels,
    )


def _counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the distinct values in ascending order and how often each occurs."""
    if values.dtype == np.uint8:
        counts = np.bincount(values, minlength=256)
        distinct = np.flatnonzero(counts)
        return distinct, counts[distinct]
    return np.unique(values, return_counts=True)


def _top(counts: NDArray[np.int64]) -> tuple[int, int]:
    padded = np.concatenate((counts, [0, 0]))
    second, first = np.partition(padded, -2)[-2:]
    return int(first), int(second)


class _Moments(NamedTuple):
    mean: float | None = None
    sd: float | None = None


def _moments(distinct: NDArray[Any], counts: NDArray[np.int64]) -> _Moments:
    """Return mean and sd in two passes, the second correcting the first, as R's `mean` does."""
    numbers = distinct.astype(np.float64)
    n = int(counts.sum())
    largest = float(np.abs(numbers).max())
    if largest > _SAFE:
        numbers /= largest
    mean = float((counts * numbers).sum()) / n
    mean += float((counts * (numbers - mean)).sum()) / n
    off = numbers - mean
    squares = float((counts * off * off).sum() - (counts * off).sum() ** 2 / n)
    sd = math.sqrt(max(squares, 0.0) / (n - 1)) if n > 1 else None
    if largest > _SAFE:
        mean *= largest
        sd = None if sd is None else sd * largest
    return _Moments(mean, sd if sd is not None and math.isfinite(sd) else None)
