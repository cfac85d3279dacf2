"""Steps that drop columns which say nothing: `zv` and `nzv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from service.domain.near_constant import is_near_constant
from service.domain.recipe import NearZeroVariance, ZeroVariance
from service.domain.selectors import Kind
from service.engine.recipe.coded import Coded
from service.engine.recipe.moments import present
from service.engine.recipe.source import Codes, Floats
from service.engine.recipe.step import DroppingStep, Learned, StepKind
from service.engine.recipe.view import View

# Up to this width whole numbers are counted in an array instead of sorted.
_WIDE = 65_536


class DroppedConstants(DroppingStep):
    """Drops the columns that had a single value in the training rows."""

    step: Literal["zv"] = "zv"


class DroppedNearConstants(DroppingStep):
    """Drops the columns that were almost constant in the training rows."""

    step: Literal["nzv"] = "nzv"


class Tally(NamedTuple):
    """How many distinct values a column has, and how often the most common two occur."""

    n_unique: int
    top: tuple[int, int]


def learn_zv(step: ZeroVariance, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Find the columns with at most one distinct value, as recipes 1.0.4's `step_zv`.

    Missing values are skipped: a column of one value and missing ones is dropped, and so is one
    with nothing but missing values.
    """
    reasons: dict[str, str] = {}
    for name, kind in columns.items():
        is_numeric = kind != "nominal"
        values = _distinct(training.column(name)) if is_numeric else _seen(training.codes(name))
        if len(values) == 0:
            reasons[name] = "It has no values."
        elif values.min() == values.max():
            shown = f": {values[0]:g}" if is_numeric else ""
            reasons[name] = f"It has a single value{shown}."
    return Learned(fitted=DroppedConstants(removed=tuple(reasons)), reasons=reasons)


def learn_nzv(step: NearZeroVariance, columns: Mapping[str, Kind], training: View) -> Learned:
    """Find the columns that are almost constant, as recipes 1.0.4's `step_nzv`.

    The rule is `is_near_constant`'s: the most common value occurs more than `freq_cut` times as
    often as the next one and at most `unique_cut` percent of the rows are distinct values, or there
    is a single value. Missing values are no values, but rows they are.
    """
    reasons: dict[str, str] = {}
    n_rows = training.n_rows
    for name, kind in columns.items():
        nominal = kind == "nominal"
        tally = _tally_codes(training.codes(name)) if nominal else _tally(training.numeric(name))
        if not is_near_constant(tally.top, tally.n_unique, n_rows, step.freq_cut, step.unique_cut):
            continue
        if tally.n_unique > 1:
            reasons[name] = (
                f"Its most common value occurs {tally.top[0] / tally.top[1]:.4g} times as often "
                f"as the next, and {tally.n_unique} of {n_rows} values are distinct."
            )
        else:
            reasons[name] = "It has a single value." if tally.n_unique else "It has no values."
    return Learned(fitted=DroppedNearConstants(removed=tuple(reasons)), reasons=reasons)


def _distinct(column: Floats | Coded) -> Floats:
    """Return the values that are not missing, each once at least."""
    return present(column.counted()[0] if isinstance(column, Coded) else column)


def _seen(codes: Codes) -> Codes:
    return codes[codes >= 0]


def _tally(values: Floats) -> Tally:
    x = present(values)
    if len(x) == 0:
        return Tally(0, (0, 0))
    low, high = float(x.min()), float(x.max())
    # An infinite value makes the difference infinite or NaN, which is not below.
    with np.errstate(invalid="ignore", over="ignore"):
        narrow = bool(np.float64(high) - low < _WIDE)
    if narrow and np.array_equal(np.trunc(x), x):
        return _top(np.bincount((x - low).astype(np.int64)))
    return _top(np.unique(x, return_counts=True)[1])


def _tally_codes(codes: Codes) -> Tally:
    return _top(np.bincount(_seen(codes)))


def _top(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tally:
    occurring = counts[counts > 0]
    top = [*np.sort(occurring)[::-1][:2].tolist(), 0, 0]
    return Tally(len(occurring), (top[0], top[1]))


KINDS = (
    StepKind(ZeroVariance, DroppedConstants, learn_zv),
    StepKind(NearZeroVariance, DroppedNearConstants, learn_nzv),
)
