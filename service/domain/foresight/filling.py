"""Steps that fill in missing values."""

from __future__ import annotations

from dataclasses import replace

from service.domain.foresight.standing import Foreseen, Standing, Standings, changed, foreseen
from service.domain.recipe import (
    ImputeKnn,
    ImputeLinear,
    ImputeLower,
    ImputeMean,
    ImputeMedian,
    ImputeMode,
)
from service.domain.selectors import Stage


@foreseen.register(ImputeMean)
@foreseen.register(ImputeMedian)
@foreseen.register(ImputeMode)
def _by_one_value(
    _: ImputeMean | ImputeMedian | ImputeMode,
    names: tuple[str, ...],
    columns: Standings,
    __: Stage,
    ___: int | None,
) -> Foreseen:
    return Foreseen(columns=changed(columns, {name: _filled(columns[name], 0) for name in names}))


@foreseen.register(ImputeKnn)
@foreseen.register(ImputeLinear)
def _by_others(
    step: ImputeKnn | ImputeLinear,
    names: tuple[str, ...],
    columns: Standings,
    stage: Stage,
    _: int | None,
) -> Foreseen:
    others = stage.others(step, "impute_with", "all_predictors")
    read = frozenset().union(*(columns[name].sources for name in others))
    new = {}
    for name in names:
        # A gap may stay where the other columns have one too.
        filled = _filled(columns[name], None if columns[name].n_missing else 0)
        new[name] = replace(filled, sources=filled.sources | read)
    return Foreseen(columns=changed(columns, new))


@foreseen.register
def _lower(
    _: ImputeLower, names: tuple[str, ...], columns: Standings, __: Stage, ___: int | None
) -> Foreseen:
    del names
    return Foreseen(columns=columns)


def _filled(column: Standing, n_missing: int | None) -> Standing:
    # Where there is nothing, nothing is filled in.
    return column if column.n_unique == 0 else column.filled(n_missing)
