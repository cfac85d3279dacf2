"""Steps that drop columns or rows, or leave all of them where they are."""

from __future__ import annotations

from dataclasses import replace

from service.domain.foresight.standing import (
    Foreseen,
    Standing,
    Standings,
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
from service.domain.selectors import Stage


@foreseen.register
def _zv(
    _: ZeroVariance, names: tuple[str, ...], columns: Standings, __: Stage, ___: int | None
) -> Foreseen:
    known = {name: columns[name].n_unique for name in names}
    dropped = tuple(
        name for name, n_unique in known.items() if n_unique is not None and n_unique < 2
    )
    return Foreseen(columns=without(columns, dropped), exact=None not in known.values())


@foreseen.register
def _nzv(
    step: NearZeroVariance,
    names: tuple[str, ...],
    columns: Standings,
    _: Stage,
    n_rows: int | None,
) -> Foreseen:
    verdicts = {name: _near_constant(step, columns[name], n_rows) for name in names}
    dropped = tuple(name for name, verdict in verdicts.items() if verdict)
    return Foreseen(columns=without(columns, dropped), exact=None not in verdicts.values())


@foreseen.register
def _corr(
    _: Correlation, names: tuple[str, ...], columns: Standings, __: Stage, ___: int | None
) -> Foreseen:
    return Foreseen(columns=columns, exact=len(names) < 2)


@foreseen.register
def _lincomb(
    step: LinearCombinations,
    names: tuple[str, ...],
    columns: Standings,
    _: Stage,
    __: int | None,
) -> Foreseen:
    require_complete(step.step, names, columns)
    return Foreseen(columns=columns, exact=step.max_steps == 1 or not names)


@foreseen.register
def _filter_missing(
    step: FilterMissing,
    names: tuple[str, ...],
    columns: Standings,
    _: Stage,
    n_rows: int | None,
) -> Foreseen:
    lacking = {name: columns[name].n_missing for name in names}
    if n_rows is None:
        return Foreseen(columns=columns, exact=set(lacking.values()) <= {0})
    dropped = tuple(n for n, gaps in lacking.items() if (gaps or 0) / n_rows > step.threshold)
    return Foreseen(columns=without(columns, dropped), exact=None not in lacking.values())


@foreseen.register
def _naomit(
    _: OmitMissing, names: tuple[str, ...], columns: Standings, __: Stage, ___: int | None
) -> Foreseen:
    if all(columns[name].n_missing == 0 for name in names):
        return Foreseen(columns=columns)
    # Fewer rows may have fewer distinct values, and fewer gaps elsewhere.
    left = {
        name: replace(
            column,
            n_missing=0 if name in names or not column.n_missing else None,
            n_unique=column.n_unique if (column.n_unique or 2) < 2 else None,
            top_counts=None,
        )
        for name, column in columns.items()
    }
    return Foreseen(columns=left)


@foreseen.register
def _select(
    _: Select, names: tuple[str, ...], columns: Standings, __: Stage, ___: int | None
) -> Foreseen:
    return Foreseen(columns={name: columns[name] for name in names})


@foreseen.register
def _remove(
    _: Remove, names: tuple[str, ...], columns: Standings, __: Stage, ___: int | None
) -> Foreseen:
    return Foreseen(columns=without(columns, names))


@foreseen.register(Normalize)
@foreseen.register(Center)
@foreseen.register(Scale)
@foreseen.register(Range)
@foreseen.register(Divide)
@foreseen.register(BoxCox)
@foreseen.register(YeoJohnson)
def _moved(
    step: Normalize | Center | Scale | Range | Divide | BoxCox | YeoJohnson,
    names: tuple[str, ...],
    columns: Standings,
    _: Stage,
    __: int | None,
) -> Foreseen:
    low = step.min if isinstance(step, Range) else None
    return Foreseen(
        columns=changed(columns, {name: replace(columns[name], low=low) for name in names})
    )


@foreseen.register
def _spatialsign(
    step: SpatialSign, names: tuple[str, ...], columns: Standings, _: Stage, __: int | None
) -> Foreseen:
    shared = computed(*(columns[name] for name in names))
    new = {
        name: replace(shared, n_missing=columns[name].n_missing, open_gaps=columns[name].open_gaps)
        if step.na_rm
        else shared
        for name in names
    }
    return Foreseen(columns=changed(columns, new))


@foreseen.register(Log)
@foreseen.register(Sqrt)
@foreseen.register(Inverse)
@foreseen.register(Logit)
def _bent(
    step: Log | Sqrt | Inverse | Logit,
    names: tuple[str, ...],
    columns: Standings,
    _: Stage,
    __: int | None,
) -> Foreseen:
    new = {}
    for name in names:
        column = columns[name]
        lost = column.low is not None and _loses(step, column.low)
        n_missing = max(column.n_missing or 0, 1) if lost else column.n_missing
        # Curves that are not one-to-one on all numbers may make values equal.
        new[name] = replace(column, n_missing=n_missing, low=None, n_unique=None, top_counts=None)
    return Foreseen(columns=changed(columns, new))


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
