"""What is known of a predictor between two steps of a recipe, and of a step's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch

from service.domain.column_names import require_new
from service.domain.datasets import Column
from service.domain.errors import FieldError, InvalidSpec, MissingValues
from service.domain.recipe import RecipeStep
from service.domain.selectors import Kind, Stage, kind_of, listed


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One predictor; what no profile tells is None.

    `n_unique` counts distinct values that are not missing, `low` is the smallest. `levels` are a
    nominal one's, at most these when not `levels_exact`. `sources` are the raw columns that it is
    computed from, `open_gaps` those of them whose gaps would be gaps of it.
    """

    kind: Kind
    n_missing: int | None
    n_unique: int | None = None
    top_counts: tuple[int, int] | None = None
    low: float | None = None
    levels: tuple[str, ...] | None = None
    levels_exact: bool = True
    ordered: bool = False
    sources: frozenset[str] = frozenset()
    open_gaps: frozenset[str] = frozenset()

    def filled(self, n_missing: int | None) -> Standing:
        """Return the same with its gaps filled in, but for so many."""
        top_counts = self.top_counts if self.n_missing == 0 else None
        return replace(self, n_missing=n_missing, top_counts=top_counts, open_gaps=frozenset())


Standings = Mapping[str, Standing]


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """The predictors after a step, in order.

    Not `exact` when the rows decide and may leave fewer of them.
    """

    columns: Standings
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class Before:
    """Where a step stands.

    `names` are the columns that it works on, `columns` the predictors before it, `stage` the same
    for its other selectors, `n_rows` the number of rows, None if unknown.
    """

    names: tuple[str, ...]
    columns: Standings
    stage: Stage
    n_rows: int | None


@singledispatch
def foreseen(step: RecipeStep, at: Before) -> Foreseen:
    """Return what a step leaves, as far as the profile of all rows can tell.

    Args:
        step: the step.
        at: where it stands.

    Raises:
        InvalidSpec: the step cannot do this.
        MissingValues: it cannot do it with gaps.
    """
    raise NotImplementedError(f"nothing is foreseen of {type(step).__name__} of {len(at.columns)}")


def standing_of(column: Column) -> Standing:
    """Return what a profile tells of a raw column."""
    return Standing(
        kind=kind_of(column.type),
        n_missing=column.n_missing,
        n_unique=column.n_unique,
        top_counts=column.top_counts if column.top_counts[1] else None,
        low=column.min,
        levels=column.levels,
        ordered=column.type == "ordered",
        sources=frozenset((column.name,)),
        open_gaps=frozenset((column.name,)),
    )


def computed(*columns: Standing) -> Standing:
    """Return what is known of numbers that are computed from columns, row by row."""
    return Standing(
        kind="numeric",
        n_missing=_gaps_of(columns),
        sources=frozenset().union(*(column.sources for column in columns)),
        open_gaps=frozenset().union(*(column.open_gaps for column in columns)),
    )


def changed(columns: Standings, new: Standings) -> dict[str, Standing]:
    """Return the columns with some of them replaced in their place."""
    return {name: new.get(name, column) for name, column in columns.items()}


def without(columns: Standings, names: tuple[str, ...]) -> dict[str, Standing]:
    """Return the columns but some of them."""
    dropped = set(names)
    return {name: column for name, column in columns.items() if name not in dropped}


def joined(step: str, columns: Standings, made: list[tuple[str, Standing]]) -> dict[str, Standing]:
    """Return the columns with new ones behind them.

    Raises:
        InvalidSpec: a name would be there twice.
    """
    require_new(step, [name for name, _ in made], columns)
    return {**columns, **dict(made)}


def _gaps_of(columns: tuple[Standing, ...]) -> int | None:
    """Return the gaps of what is computed from columns: at least the largest of theirs."""
    known = [column.n_missing for column in columns if column.n_missing is not None]
    some = max(known, default=0)
    return some if some or len(known) == len(columns) else None


def require_complete(step: str, names: tuple[str, ...], columns: Standings) -> None:
    """Refuse columns with gaps where the step cannot do with them.

    Raises:
        MissingValues: some have gaps.
    """
    lacking = [name for name in names if columns[name].n_missing]
    if lacking:
        detail = (
            f"Expected no missing values in the columns of step '{step}'. Received some in "
            f"{listed(lacking)}. Impute these before the step."
        )
        raise MissingValues(
            detail, errors=[FieldError(loc=("recipe",), msg=detail, received=lacking[0])]
        )


def refused(detail: str, received: str, stage: Stage) -> InvalidSpec:
    """Return the error of a step that cannot do what is asked."""
    return InvalidSpec(detail, errors=[FieldError(loc=stage.loc, msg=detail, received=received)])
