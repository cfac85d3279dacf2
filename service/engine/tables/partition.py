"""Which rows of a table are for training and which for testing: drawn from a seed, strata exact."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import NOMINAL_TYPES
from service.domain.errors import FieldError, InvalidSpec
from service.engine.tables.table import Table

# A column of numbers with more distinct values than this is cut at its quartiles, as rsample does.
FEW_VALUES = 5
QUARTILES = (0.25, 0.5, 0.75)


def partition(
    n_rows: int, prop: float, seed: int, strata: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Return which rows are for training: floor(n_rows * prop) of them, as `initial_split` takes.

    With `strata` every stratum keeps its share: of a stratum of m rows, m * prop are taken,
    rounded down, and one more where the remainders are largest, until the total is right (the
    method of largest remainders; of equal ones, the first stratum's). rsample pools strata under a
    tenth of the rows, which is most classes of ten: here none is.

    The draw is numpy's Philox generator of `seed`, one permutation a stratum, in their order.

    Args:
        n_rows: the table's rows.
        prop: the share of rows for training, in (0, 1).
        seed: 0 to 2^31 - 1.
        strata: (n_rows,) each row's stratum, 0 or more.

    Returns:
        (n_rows,) True for training.

    Raises:
        InvalidSpec: no row would be left for training, or none for testing.
    """
    total = math.floor(n_rows * prop)
    if not 0 < total < n_rows:
        detail = (
            f"Expected a prop that leaves rows for both parts. {prop:g} of {n_rows} rows takes "
            f"{total}."
        )
        raise InvalidSpec(detail, errors=[FieldError(loc=("prop",), msg=detail, received=prop)])
    groups = np.zeros(n_rows, dtype=np.int64) if strata is None else strata
    return taken(groups, total, np.random.Generator(np.random.Philox(seed)))


def taken(strata: NDArray[np.int64], total: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows are drawn, `total` of them, of every stratum its share.

    Args:
        strata: (n_rows,) each row's stratum, 0 or more.
        total: 0 to n_rows.
        random: asked for one permutation a stratum, in their order.

    Returns:
        (n_rows,) True for drawn.
    """
    found = np.zeros(len(strata), dtype=np.bool_)
    sizes = np.bincount(strata)
    order = np.argsort(strata, kind="stable")
    ends = np.cumsum(sizes)
    for size, end, count in zip(sizes, ends, _shares(sizes, total), strict=True):
        members = order[end - size : end]
        found[members[random.permutation(int(size))[:count]]] = True
    return found


def strata_of(table: Table, column: str) -> NDArray[np.int64]:
    """Return each row's stratum: a category, a value of few, or a quarter of the values.

    Missing values are a stratum of their own, the first. Of more than `FEW_VALUES` distinct
    numbers, a stratum is what lies between two quartiles, the upper one included.

    Raises:
        InvalidSpec: no such column.
    """
    if table.types.get(column) in NOMINAL_TYPES:
        return table.codes(column).astype(np.int64) + 1
    return stratum_of_numbers(table.numeric(column))


def stratum_of_numbers(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return each number's stratum as `strata_of` does; NaN is missing."""
    known = ~np.isnan(values)
    strata = np.zeros(len(values), dtype=np.int64)
    distinct = np.unique(values[known])
    few = len(distinct) <= FEW_VALUES
    cuts = distinct[:-1] if few else np.unique(np.quantile(values[known], QUARTILES))
    strata[known] = np.searchsorted(cuts, values[known], side="left") + 1
    return strata


def _shares(sizes: NDArray[np.int64], total: int) -> list[int]:
    """Return how many of each stratum are taken, `total` in all, in whole numbers throughout."""
    n_rows = int(sizes.sum())
    exact = [int(size) * total for size in sizes]
    counts = [product // n_rows for product in exact]
    by_remainder = sorted(
        range(len(exact)), key=lambda stratum: (-(exact[stratum] % n_rows), stratum)
    )
    for stratum in by_remainder[: total - sum(counts)]:
        counts[stratum] += 1
    return counts
