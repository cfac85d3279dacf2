"""Pearson's correlation of a table's numeric columns, in one pass over its batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine.tables.table import Table

# Cells of the rows that are looked at together; some five arrays of them are held.
BLOCK_CELLS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """`r` and `n` are (k, k): the correlation, NaN where undefined, and the rows it is of."""

    columns: tuple[str, ...]
    r: NDArray[np.float64]
    n: NDArray[np.int64]


def correlation(table: Table, columns: Sequence[str]) -> Correlation:
    """Return Pearson's correlation of every pair of columns, of the rows that have both values.

    R's `cor(use = "pairwise.complete.obs")`. Undefined, and NaN, for fewer than two rows or a
    column that does not vary in them.

    Formula: with sums over the rows that have both, of values from which each column's mean was
    taken before, (S_xy - S_x S_y / n) / sqrt((S_xx - S_x^2 / n) (S_yy - S_y^2 / n)).

    Args:
        table: the rows.
        columns: numeric, integer or logical ones.

    Raises:
        InvalidSpec: no such column, or one of categories.
    """
    k = len(columns)
    centre, scale = _centres(table, columns)
    sums = np.zeros((3, k, k))
    n = np.zeros((k, k))
    step = max(1, BLOCK_CELLS // max(k, 1))
    for start in range(0, table.n_rows if k else 0, step):
        rows = slice(start, start + step)
        block = np.stack([table.numeric(name, rows) for name in columns], axis=1)
        values = (block - centre) / scale
        there = (~np.isnan(values)).astype(np.float64)
        values[there == 0] = 0.0
        squares = values**2
        sums[0] += values.T @ values
        sums[1] += values.T @ there
        sums[2] += squares.T @ there
        n += there.T @ there
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = sums[0] - sums[1] * sums[1].T / n
        own = sums[2] - sums[1] ** 2 / n
        # What rounding leaves of a constant is no variance.
        own = np.where(own <= 1e-12 * np.maximum(sums[2], 1e-300), np.nan, own)
        r = shared / np.sqrt(own * own.T)
    r = np.clip(r, -1.0, 1.0)
    r[n < 2] = np.nan
    np.fill_diagonal(r, np.where(np.isnan(np.diagonal(r)), np.nan, 1.0))
    return Correlation(columns=tuple(columns), r=r, n=n.astype(np.int64))


def _centres(
    table: Table, columns: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each column's mean and the largest distance from it, 0 and 1 where there is none."""
    centre, scale = np.zeros(len(columns)), np.ones(len(columns))
    for at, name in enumerate(columns):
        values = table.numeric(name)
        known = values[~np.isnan(values)]
        if len(known):
            largest = float(np.abs(known).max()) or 1.0
            centre[at] = float((known / largest).mean()) * largest
            scale[at] = float(np.abs(known / 2 - centre[at] / 2).max()) * 2 or 1.0
    return centre, scale
