"""Resamples drawn from a seed, with rsample's definitions and names, strata exact.

Every draw has a generator of its own, numpy's Philox of the recorded seed and of what is drawn, so
that the third bootstrap is the same whether or not the second one was made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from service.domain.column_names import numbered
from service.domain.errors import FieldError, InvalidSpec
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
from service.domain.tune.sizes import sizes_of
from service.engine.tables.partition import partition, taken

Rows = NDArray[np.int64]

_FOLDS: Final = 1
_BOOTSTRAP: Final = 2
_SPLIT: Final = 3
_GROUPS: Final = 4
_VALIDATION: Final = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Resample:
    """Rows of a table, 0-based positions, ascending as far as they were not given in an order.

    `analysis` is trained on, with repeats in a bootstrap; `assessment` judges, and has no row of
    `analysis`; `testing` are rows of a validation set that neither has. `id` and, of repeated
    folds, `id2` are rsample's names.
    """

    id: str
    analysis: Rows
    assessment: Rows
    id2: str | None = None
    testing: Rows | None = None


def resample(
    spec: Resamples, n_rows: int, *, strata: Rows | None = None, groups: Rows | None = None
) -> tuple[Resample, ...]:
    """Return all resamples at once; `each_resample` makes them one by one."""
    return tuple(each_resample(spec, n_rows, strata=strata, groups=groups))


def each_resample(
    spec: Resamples, n_rows: int, *, strata: Rows | None = None, groups: Rows | None = None
) -> Iterator[Resample]:
    """Yield the resamples of a table in their order.

    With `strata` every resample holds each stratum in its share, in whole rows: folds differ by at
    most one row, of a stratum as in all (as scikit-learn's StratifiedKFold); a split takes largest
    remainders; a bootstrap draws each stratum's rows from itself. rsample pools strata below a
    tenth of the rows, here none is.

    Args:
        spec: the resamples, with a seed.
        n_rows: the table's rows.
        strata: (n_rows,) each row's stratum, 0 or more; only for a spec with `strata`.
        groups: (n_rows,) each row's group, 0 or more, none missing; for `group_vfold`.

    Raises:
        InvalidSpec: the rows do not suffice, or a bootstrap has drawn every row.
    """
    n_groups = None if groups is None else len(np.unique(groups))
    wrong = [
        FieldError(loc=("body", *loc), msg=msg)
        for loc, msg in sizes_of(spec, n_rows, n_groups).refusals
    ]
    if wrong:
        raise InvalidSpec(wrong[0].msg, errors=wrong)
    return _made(spec, n_rows, _one_stratum(n_rows) if strata is None else strata, groups)


def _made(spec: Resamples, n_rows: int, strata: Rows, groups: Rows | None) -> Iterator[Resample]:
    match spec:
        case ValidationSplit():
            # The rows that a split of the dataset with this seed takes.
            chosen = partition(n_rows, spec.prop, spec.seed or 0, strata)
            yield _split("validation", chosen)
        case ValidationSet():
            yield _validation_set(spec, n_rows, strata)
        case VFold():
            yield from _folds(spec, strata)
        case Bootstrap():
            members = np.argsort(strata, kind="stable")
            sizes = np.bincount(strata)
            for at, name in enumerate(numbered(spec.times, "Bootstrap")):
                random = _generator(_BOOTSTRAP, spec.seed or 0, at)
                yield _bootstrap(name, members, sizes, random)
        case MonteCarlo():
            total = math.floor(n_rows * spec.prop)
            for at, name in enumerate(numbered(spec.times, "Resample")):
                yield _split(name, taken(strata, total, _generator(_SPLIT, spec.seed or 0, at)))
        case GroupVFold():
            if groups is None:
                raise ValueError("Expected `groups` for group_vfold. Received none.")
            yield from _group_folds(spec, groups)
        case RollingOrigin():
            yield from _slices(spec, n_rows)
        case GivenRows():
            names = numbered(len(spec.splits), "Split")
            for name, given in zip(names, spec.splits, strict=True):
                yield Resample(
                    id=name,
                    analysis=np.asarray(given.analysis, dtype=np.int64) - 1,
                    assessment=np.asarray(given.assessment, dtype=np.int64) - 1,
                )


def _validation_set(spec: ValidationSet, n_rows: int, strata: Rows) -> Resample:
    seed = spec.seed or 0
    trains = partition(n_rows, spec.prop[0], seed, strata)
    left = np.flatnonzero(~trains)
    judges = taken(strata[left], math.floor(n_rows * spec.prop[1]), _generator(_VALIDATION, seed))
    return Resample(
        id="validation",
        analysis=np.flatnonzero(trains),
        assessment=left[judges],
        testing=left[~judges],
    )


def _folds(spec: VFold, strata: Rows) -> Iterator[Resample]:
    repeats = numbered(spec.repeats, "Repeat")
    names = numbered(spec.v, "Fold")
    sizes = np.bincount(strata)
    by_stratum = np.argsort(strata, kind="stable")
    for repeat in range(spec.repeats):
        random = _generator(_FOLDS, spec.seed or 0, repeat)
        starts = np.cumsum(sizes) - sizes
        order = np.concatenate(
            [
                by_stratum[start : start + size][random.permutation(int(size))]
                for start, size in zip(starts, sizes, strict=True)
            ]
        )
        # Dealt out in turn through all strata: no two folds differ by more than one row.
        fold_of = np.empty(len(strata), dtype=np.int64)
        fold_of[order] = np.arange(len(strata)) % spec.v
        for fold, name in enumerate(names):
            one = _split(name, fold_of != fold)
            if spec.repeats == 1:
                yield one
            else:
                yield Resample(
                    id=repeats[repeat],
                    id2=name,
                    analysis=one.analysis,
                    assessment=one.assessment,
                )


def _bootstrap(name: str, members: Rows, sizes: Rows, random: np.random.Generator) -> Resample:
    """Return as many rows of each stratum as it has; `members` are its rows, stratum by stratum."""
    drawn = []
    start = 0
    for size in sizes.tolist():
        if size:
            drawn.append(members[start + random.integers(0, size, size)])
        start += size
    times = np.bincount(np.concatenate(drawn), minlength=len(members))
    if times.all():
        raise _nothing_left(name, len(members))
    analysis = np.repeat(np.arange(len(members), dtype=np.int64), times)
    return Resample(id=name, analysis=analysis, assessment=np.flatnonzero(times == 0))


def _group_folds(spec: GroupVFold, groups: Rows) -> Iterator[Resample]:
    labels, codes = np.unique(groups, return_inverse=True)
    v = len(labels) if spec.v is None else spec.v
    fold_of = np.empty(len(labels), dtype=np.int64)
    fold_of[_generator(_GROUPS, spec.seed or 0).permutation(len(labels))] = (
        np.arange(len(labels)) % v
    )
    for fold, name in enumerate(numbered(v, "Resample")):
        yield _split(name, fold_of[codes] != fold)


def _slices(spec: RollingOrigin, n_rows: int) -> Iterator[Resample]:
    stops = range(spec.initial, n_rows - spec.assess + 1, spec.skip + 1)
    for stop, name in zip(stops, numbered(len(stops), "Slice"), strict=True):
        start = 0 if spec.cumulative else stop - spec.initial
        yield Resample(
            id=name,
            analysis=np.arange(start, stop, dtype=np.int64),
            assessment=np.arange(stop, stop + spec.assess, dtype=np.int64),
        )


def _split(name: str, trains: NDArray[np.bool_]) -> Resample:
    return Resample(id=name, analysis=np.flatnonzero(trains), assessment=np.flatnonzero(~trains))


def _one_stratum(n_rows: int) -> Rows:
    return np.zeros(n_rows, dtype=np.int64)


def _generator(what: Literal[1, 2, 3, 4, 5], seed: int, at: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((what, seed, at))))


def _nothing_left(name: str, n_rows: int) -> InvalidSpec:
    detail = (
        f"Expected rows for assessment in each bootstrap. {name} has drawn all {n_rows} rows. Use "
        "another seed, or 'vfold', which assesses every row."
    )
    return InvalidSpec(detail, errors=[FieldError(loc=("body", "resamples"), msg=detail)])
