"""How far new data are from what a model was trained on: one number a column, and its bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.engine.prediction_columns import InputColumns, is_nominal
from service.engine.tables.table import Table

Verdict = Literal["stable", "moderate", "large"]
Counts = NDArray[np.int64]

BINS = 10
# The customary bounds (Siddiqi, Credit Risk Scorecards, 2006).
MODERATE, LARGE = 0.1, 0.25
MISSING, NEW = "missing", "new level"


@dataclass(frozen=True, kw_only=True)
class DriftBin:
    """The rows of both tables in one bin: above `low`, up to `high`; or of one label."""

    training: int
    new: int
    low: float | None = None
    high: float | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """The population stability index of one column, and the bins that it sums over."""

    column: str
    psi: float
    verdict: Verdict
    bins: tuple[DriftBin, ...]


def drift(training: Table, new: Table, inputs: InputColumns) -> tuple[ColumnDrift, ...]:
    """Return how far each column that a model reads is from its training table, the furthest first.

    Formula: PSI = sum over bins of (q - p) log(q / p), the shares of training rows p and of new
    rows q, each with half a row added to every bin so that an empty one has a logarithm. Bins of a
    number are cut at the training rows' deciles, those of a category are its levels; missing values
    and levels that training did not have are bins of their own.

    Args:
        training: the table that the model was trained on.
        new: another table; columns that the model does not read are ignored.
        inputs: the columns that the model reads.

    Raises:
        InvalidData: `new` lacks a column, or has it with another type.
    """
    inputs.check(new.types)
    found = [
        _levels(column.name, training, new)
        if is_nominal(column)
        else _cuts(column.name, training, new)
        for column in inputs.columns
    ]
    return tuple(sorted(found, key=lambda each: (-each.psi, each.column)))


def psi(training: Sequence[int], new: Sequence[int]) -> float:
    """Return the population stability index of two rows of counts, one a bin; see `drift`.

    A bin that is empty in both says nothing and is left out.
    """
    counts = np.array([training, new], dtype=np.float64)
    counts = counts[:, counts.any(axis=0)]
    p, q = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 0.5 * counts.shape[1])
    return float(np.sum((q - p) * np.log(q / p)))


def _cuts(name: str, training: Table, new: Table) -> ColumnDrift:
    before, after = training.numeric(name), new.numeric(name)
    finite = before[np.isfinite(before)]
    cuts: list[float] = []
    if len(finite):
        inner = np.arange(1, BINS) / BINS
        cuts = np.unique(np.quantile(finite, inner, method="inverted_cdf")).tolist()
    edges = [-math.inf, *cuts, math.inf]
    counted = [_binned(values, np.array(cuts)) for values in (before, after)]
    bins = [
        DriftBin(
            training=old,
            new=now,
            low=None if math.isinf(low) else low,
            high=None if math.isinf(high) else high,
        )
        for old, now, (low, high) in zip(
            *(each[0] for each in counted), pairwise(edges), strict=True
        )
    ]
    gaps = [each[1] for each in counted]
    if any(gaps):
        bins.append(DriftBin(training=gaps[0], new=gaps[1], label=MISSING))
    return _told(name, bins)


def _binned(values: NDArray[np.float64], cuts: NDArray[np.float64]) -> tuple[list[int], int]:
    """Return how many values are in each bin, its upper end in it, and how many are missing."""
    present = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(cuts, present, side="left"), minlength=len(cuts) + 1)
    return counts.tolist(), len(values) - len(present)


def _levels(name: str, training: Table, new: Table) -> ColumnDrift:
    before, after = _counted(name, training), _counted(name, new)
    known = [level for level in training.category_levels(name) if level in before]
    bins = [DriftBin(training=before[each], new=after.get(each, 0), label=each) for each in known]
    unknown = sum(n for level, n in after.items() if level is not None and level not in before)
    if unknown:
        bins.append(DriftBin(training=0, new=unknown, label=NEW))
    if None in before or None in after:
        bins.append(DriftBin(training=before.get(None, 0), new=after.get(None, 0), label=MISSING))
    return _told(name, bins)


def _counted(name: str, table: Table) -> dict[str | None, int]:
    """Return how often each level that occurs does, and None for missing values."""
    levels = (None, *table.category_levels(name))
    counts = np.bincount(table.codes(name) + 1, minlength=len(levels)).tolist()
    return {level: n for level, n in zip(levels, counts, strict=True) if n}


def _told(name: str, bins: Sequence[DriftBin]) -> ColumnDrift:
    found = psi([each.training for each in bins], [each.new for each in bins])
    verdict: Verdict = "stable" if found < MODERATE else "moderate" if found < LARGE else "large"
    return ColumnDrift(column=name, psi=found, verdict=verdict, bins=tuple(bins))
