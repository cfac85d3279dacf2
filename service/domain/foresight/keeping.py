"""Steps that drop columns or rows, or leave all of them where they are."""

from __future__ import annotations

from dataclasses import replace

from service.domain.foresight.standing import (
    Before,
    Foreseen,
    Standing,
    changed,
    computed,
    foreseen,
    require_complete,
    without,
)
from service.domain.near_constant import is_near_constant
from service.domain.recipe import (
    BoxCox,
    Center,
    Correlation,
    Divide,
    FilterMissing,
    Inverse,
    LinearCombinations,
    Log,
    Logit,
    NearZeroVariance,
    Normalize,
    OmitMissing,
    Range,
    Remove,
    Scale,
    Select,
    SpatialSign,
    Sqrt,
    YeoJohnson,
    ZeroVariance,
)


@foreseen.register
def _zv(_: ZeroVariance, at: Before) -> Foreseen:
    known = {name: at.columns[name].n_unique for name in at.names}
    dropped = tuple(
        name for name, n_unique in known.items() if n_unique is not None and n_unique < 2
    )
    return Foreseen(columns=without(at.columns, dropped), exact=None not in known.values())


@foreseen.register
def _nzv(step: NearZeroVariance, at: Before) -> Foreseen:
    verdicts = {name: _near_constant(step, at.columns[name], at.n_rows) for name in at.names}
    dropped = tuple(name for name, verdict in verdicts.items() if verdict)
    return Foreseen(columns=without(at.columns, dropped), exact=None not in verdicts.values())


@foreseen.register
def _corr(_: Correlation, at: Before) -> Foreseen:
    return Foreseen(columns=at.columns, exact=len(at.names) < 2)


@foreseen.register
def _lincomb(step: LinearCombinations, at: Before) -> Foreseen:
    require_complete(step.step, at.names, at.columns)
    return Foreseen(columns=at.columns, exact=step.max_steps == 1 or not at.names)


@foreseen.register
def _filter_missing(step: FilterMissing, at: Before) -> Foreseen:
    lacking = {name: at.columns[name].n_missing for name in at.names}
    if at.n_rows is None:
        return Foreseen(columns=at.columns, exact=set(lacking.values()) <= {0})
    dropped = tuple(n for n, gaps in lacking.items() if (gaps or 0) / at.n_rows > step.threshold)
    return Foreseen(columns=without(at.columns, dropped), exact=None not in lacking.values())


@foreseen.register
def _naomit(_: OmitMissing, at: Before) -> Foreseen:
    if all(at.columns[name].n_missing == 0 for name in at.names):
        return Foreseen(columns=at.columns)
    # Fewer rows may have fewer distinct values, and fewer gaps elsewhere.
    left = {
        name: replace(
            column,
            n_missing=0 if name in at.names or not column.n_missing else None,
            n_unique=column.n_unique if (column.n_unique or 2) < 2 else None,
            top_counts=None,
        )
        for name, column in at.columns.items()
    }
    return Foreseen(columns=left)


@foreseen.register
def _select(_: Select, at: Before) -> Foreseen:
    return Foreseen(columns={name: at.columns[name] for name in at.names})


@foreseen.register
def _remove(_: Remove, at: Before) -> Foreseen:
    return Foreseen(columns=without(at.columns, at.names))


@foreseen.register(Normalize)
@foreseen.register(Center)
@foreseen.register(Scale)
@foreseen.register(Range)
@foreseen.register(Divide)
@foreseen.register(BoxCox)
@foreseen.register(YeoJohnson)
def _moved(
    step: Normalize | Center | Scale | Range | Divide | BoxCox | YeoJohnson, at: Before
) -> Foreseen:
    low = step.min if isinstance(step, Range) else None
    return Foreseen(
        columns=changed(at.columns, {name: replace(at.columns[name], low=low) for name in at.names})
    )


@foreseen.register
def _spatialsign(step: SpatialSign, at: Before) -> Foreseen:
    shared = computed(*(at.columns[name] for name in at.names))
    new = {
        name: replace(
            shared, n_missing=at.columns[name].n_missing, open_gaps=at.columns[name].open_gaps
        )
        if step.na_rm
        else shared
        for name in at.names
    }
    return Foreseen(columns=changed(at.columns, new))


@foreseen.register(Log)
@foreseen.register(Sqrt)
@foreseen.register(Inverse)
@foreseen.register(Logit)
def _bent(step: Log | Sqrt | Inverse | Logit, at: Before) -> Foreseen:
    new = {}
    for name in at.names:
        column = at.columns[name]
        lost = column.low is not None and _loses(step, column.low)
        n_missing = max(column.n_missing or 0, 1) if lost else column.n_missing
        # Curves that are not one-to-one on all numbers may make values equal.
        new[name] = replace(column, n_missing=n_missing, low=None, n_unique=None, top_counts=None)
    return Foreseen(columns=changed(at.columns, new))


def _loses(step: Log | Sqrt | Inverse | Logit, low: float) -> bool:
    """Return whether the smallest value becomes no finite number."""
    match step:
        case Log():
            return not step.signed and low + step.offset <= 0
        case Sqrt():
            return low < 0
        case Inverse():
            return low + step.offset == 0
        case Logit():
            return low < 0 or (low == 0 and step.offset == 0)


def _near_constant(step: NearZeroVariance, column: Standing, n_rows: int | None) -> bool | None:
    if column.n_unique is None:
        return None
    if column.n_unique <= 1:
        return True
    if n_rows is None or column.top_counts is None:
        return None
    return is_near_constant(
        column.top_counts, column.n_unique, n_rows, step.freq_cut, step.unique_cut
    )
