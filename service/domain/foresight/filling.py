"""Steps that fill in missing values."""

from __future__ import annotations

from dataclasses import replace

from service.domain.foresight.standing import Before, Foreseen, Standing, changed, foreseen
from service.domain.recipe import (
    ImputeKnn,
    ImputeLinear,
    ImputeLower,
    ImputeMean,
    ImputeMedian,
    ImputeMode,
)


@foreseen.register(ImputeMean)
@foreseen.register(ImputeMedian)
@foreseen.register(ImputeMode)
def _by_one_value(_: ImputeMean | ImputeMedian | ImputeMode, at: Before) -> Foreseen:
    return Foreseen(
        columns=changed(at.columns, {name: _filled(at.columns[name], 0) for name in at.names})
    )


@foreseen.register(ImputeKnn)
@foreseen.register(ImputeLinear)
def _by_others(step: ImputeKnn | ImputeLinear, at: Before) -> Foreseen:
    others = at.stage.others(step, "impute_with", "all_predictors")
    read = frozenset().union(*(at.columns[name].sources for name in others))
    new = {}
    for name in at.names:
        # A gap may stay where the other columns have one too.
        filled = _filled(at.columns[name], None if at.columns[name].n_missing else 0)
        new[name] = replace(filled, sources=filled.sources | read)
    return Foreseen(columns=changed(at.columns, new))


@foreseen.register
def _lower(_: ImputeLower, at: Before) -> Foreseen:
    return Foreseen(columns=at.columns)


def _filled(column: Standing, n_missing: int | None) -> Standing:
    # Where there is nothing, nothing is filled in.
    return column if column.n_unique == 0 else column.filled(n_missing)
