"""How many resamples there are and how small they get, before any row is drawn."""

from __future__ import annotations

import math
from typing import Final

from service.domain.schema import Value
from service.domain.tune.resampling import (
    Bootstrap,
    GivenRows,
    GroupVFold,
    MonteCarlo,
    Resamples,
    RollingOrigin,
    ValidationSet,
    ValidationSplit,
    VFold,
)

Loc = tuple[str | int, ...]
_AT: Final = ("resamples",)


class Sizes(Value):
    """What a table's rows make of resamples; None is what only the data decide.

    `analysis` and `assessment` are the fewest rows of any resample. `refusals` are places in the
    body and why the resamples cannot be made.
    """

    n_rows: int
    resamples: int | None
    analysis: int | None = None
    assessment: int | None = None
    refusals: tuple[tuple[Loc, str], ...] = ()


def sizes_of(spec: Resamples, n_rows: int, n_groups: int | None = None) -> Sizes:
    """Return the sizes of resamples of a table.

    Args:
        spec: the resamples.
        n_rows: the table's rows.
        n_groups: the distinct values of `group`, None when nobody knows.
    """
    match spec:
        case ValidationSplit():
            return _shares(n_rows, (spec.prop,), 1)
        case MonteCarlo():
            return _shares(n_rows, (spec.prop,), spec.times)
        case ValidationSet():
            return _shares(n_rows, tuple(spec.prop), 1)
        case VFold():
            return _folds(spec, n_rows)
        case Bootstrap():
            # All rows are drawn when there is but one.
            why = ((_AT, _too_few(2, n_rows)),) if n_rows < 2 else ()
            return Sizes(n_rows=n_rows, resamples=spec.times, analysis=n_rows, refusals=why)
        case GroupVFold():
            return _groups(spec, n_rows, n_groups)
        case RollingOrigin():
            return _slices(spec, n_rows)
        case GivenRows():
            return _given(spec, n_rows)


def _shares(n_rows: int, prop: tuple[float, ...], times: int) -> Sizes:
    analysis = math.floor(n_rows * prop[0])
    assessment = math.floor(n_rows * prop[1]) if len(prop) > 1 else n_rows - analysis
    testing = n_rows - analysis - assessment
    why: tuple[tuple[Loc, str], ...] = ()
    if min(analysis, assessment) < 1 or (len(prop) > 1 and testing < 1):
        parts = f"{analysis} for analysis, {assessment} for assessment"
        msg = (
            f"Expected shares that leave rows for each part. Received {n_rows} rows: {parts}"
            f"{f', {testing} for testing' if len(prop) > 1 else ''}."
        )
        why = (((*_AT, "prop"), msg),)
    return Sizes(
        n_rows=n_rows, resamples=times, analysis=analysis, assessment=assessment, refusals=why
    )


def _folds(spec: VFold, n_rows: int) -> Sizes:
    largest = -(-n_rows // spec.v)
    why: tuple[tuple[Loc, str], ...] = ()
    if spec.v > n_rows:
        msg = f"Expected at most as many folds as rows, {n_rows}. Received v={spec.v}."
        why = (((*_AT, "v"), msg),)
    elif spec.v == n_rows and spec.repeats > 1:
        msg = (
            f"Expected fewer folds than rows, {n_rows}, or one repeat: with a fold for each row "
            f"all repeats are the same. Received v={spec.v} and repeats={spec.repeats}."
        )
        why = (((*_AT, "repeats"), msg),)
    return Sizes(
        n_rows=n_rows,
        resamples=spec.v * spec.repeats,
        analysis=n_rows - largest,
        assessment=n_rows // spec.v,
        refusals=why,
    )


def _groups(spec: GroupVFold, n_rows: int, n_groups: int | None) -> Sizes:
    if n_groups is None:
        return Sizes(n_rows=n_rows, resamples=spec.v)
    v = n_groups if spec.v is None else spec.v
    why: tuple[tuple[Loc, str], ...] = ()
    if v > n_groups or n_groups < 2:
        msg = (
            f"Expected two groups or more, and as many as folds. Received {n_groups} in "
            f"'{spec.group}' and v={v}."
        )
        why = (((*_AT, "v"), msg),)
    return Sizes(n_rows=n_rows, resamples=v, refusals=why)


def _slices(spec: RollingOrigin, n_rows: int) -> Sizes:
    left = n_rows - spec.initial - spec.assess
    why: tuple[tuple[Loc, str], ...] = ()
    if left < 0:
        msg = (
            f"Expected at most {n_rows} rows in `initial` and `assess` together. Received "
            f"{spec.initial} and {spec.assess}."
        )
        why = (((*_AT, "initial"), msg),)
    return Sizes(
        n_rows=n_rows,
        resamples=left // (spec.skip + 1) + 1 if left >= 0 else None,
        analysis=spec.initial,
        assessment=spec.assess,
        refusals=why,
    )


def _given(spec: GivenRows, n_rows: int) -> Sizes:
    why: list[tuple[Loc, str]] = []
    for at, split in enumerate(spec.splits):
        for part in ("analysis", "assessment"):
            rows: list[int] = getattr(split, part)
            highest = max(rows)
            if highest > n_rows:
                msg = f"Expected rows from 1 to {n_rows}. Received {highest}."
                why.append(((*_AT, "splits", at, part), msg))
        both = set(split.analysis) & set(split.assessment)
        if both:
            msg = (
                f"Expected rows that are not in the analysis. Received {min(both)}, which is in "
                f"both{f', and {len(both) - 1} more' if len(both) > 1 else ''}."
            )
            why.append(((*_AT, "splits", at, "assessment"), msg))
        if len(set(split.assessment)) < len(split.assessment):
            msg = "Expected each row once in an assessment. Some stand there twice."
            why.append(((*_AT, "splits", at, "assessment"), msg))
    return Sizes(
        n_rows=n_rows,
        resamples=len(spec.splits),
        analysis=min(len(split.analysis) for split in spec.splits),
        assessment=min(len(split.assessment) for split in spec.splits),
        refusals=tuple(why),
    )


def _too_few(least: int, n_rows: int) -> str:
    return f"Expected at least {least} rows. Received {n_rows}."
