"""What a dataset's profile alone tells of a recipe's result, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from service.domain.datasets import Column
from service.domain.errors import (
    FieldError,
    FitpointError,
    InvalidSpec,
    MissingValues,
    NoPredictors,
)
from service.domain.foresight import Before, Standing, foreseen, standing_of
from service.domain.recipe import Step
from service.domain.schema import MAX_COLUMNS, Value
from service.domain.selectors import Kind, Stage, listed


class Surviving(Value):
    """The predictors that reach the network, in order.

    `exact` is True when preparing the recipe on every row of the dataset leaves exactly these.
    Preparing it on some of the rows may leave fewer: a column may be constant there.

    `read` are the raw columns that these are computed from, in the dataset's order, and `gapless`
    those of them in which a missing value would reach the network.
    """

    names: tuple[str, ...]
    exact: bool
    read: tuple[str, ...]
    gapless: tuple[str, ...]


def predictors_after(
    recipe: Sequence[Step], columns: Sequence[Column], *, n_rows: int | None = None
) -> Surviving:
    """Return the predictors that a recipe leaves, as far as the profile of all rows can tell.

    Where only the rows decide (`corr`, `pca` with a threshold, `zv` of what another step made, ...)
    the columns are kept and the result is not exact: preparing the recipe leaves these or fewer.

    Args:
        recipe: the steps, in order.
        columns: the profiles of the predictors, in the dataset's order.
        n_rows: the number of rows that the profiles describe, missing values included.

    Raises:
        InvalidSpec: a step names a column that is not there or not of its kind, cannot do what is
            asked with such a column, or a nominal predictor or a date would reach the network.
        MissingValues: a predictor with missing values would reach the network, or a step that
            cannot do with them.
        NoPredictors: nothing would.
    """
    alive: Mapping[str, Standing] = {column.name: standing_of(column) for column in columns}
    gone: set[str] = set()
    exact = True
    for index, step in enumerate(recipe):
        stage = Stage(
            columns={name: column.kind for name, column in alive.items()},
            gone=gone - alive.keys(),
            loc=("recipe", index),
        )
        at = Before(names=stage.chosen(step), columns=alive, stage=stage, n_rows=n_rows)
        after = foreseen(step, at)
        exact = exact and after.exact
        gone.update(name for name in alive if name not in after.columns)
        alive = after.columns
        _require_width(len(alive), stage)
    _require_fit(alive, len(columns))
    read = frozenset().union(*(column.sources for column in alive.values()))
    gapless = frozenset().union(*(column.open_gaps for column in alive.values()))
    return Surviving(
        names=tuple(alive),
        exact=exact,
        read=tuple(column.name for column in columns if column.name in read),
        gapless=tuple(column.name for column in columns if column.name in gapless),
    )


def require_numeric(kinds: Mapping[str, Kind]) -> None:
    """Refuse columns that no network can read.

    Raises:
        InvalidSpec: a column is nominal or a date.
    """
    _require_none(
        [name for name, kind in kinds.items() if kind == "nominal"],
        InvalidSpec,
        "Expected numeric predictors after the recipe. Received nominal ones: {names}. "
        "Turn them into numbers with a 'dummy' step, or drop them with a 'remove' step.",
    )
    _require_none(
        [name for name, kind in kinds.items() if kind == "date"],
        InvalidSpec,
        "Expected numeric predictors after the recipe. Received dates: {names}. A 'date' step "
        "makes columns of their parts; drop the dates themselves with a 'remove' step.",
    )


def _require_fit(columns: Mapping[str, Standing], n_before: int) -> None:
    if not columns:
        detail = (
            f"Expected at least one predictor after the recipe. Received none of {n_before}. "
            "Drop fewer columns, or add some to the dataset."
        )
        raise NoPredictors(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
    require_numeric({name: column.kind for name, column in columns.items()})
    _require_none(
        [name for name, column in columns.items() if column.n_missing],
        MissingValues,
        "Expected no missing values after the recipe. Received some in {names}. Fill them in with "
        "a step such as 'impute_median' or 'unknown', leave the rows out with 'naomit', or drop "
        "these columns with a 'remove' step.",
    )


def _require_width(width: int, stage: Stage) -> None:
    if width > MAX_COLUMNS:
        detail = (
            f"Expected at most {MAX_COLUMNS} predictors after each step. Received {width}. "
            "Select fewer columns."
        )
        raise InvalidSpec(detail, errors=[FieldError(loc=stage.loc, msg=detail, received=width)])


def _require_none(names: Sequence[str], kind: Callable[..., FitpointError], sentence: str) -> None:
    if names:
        detail = sentence.format(names=listed(names))
        raise kind(
            detail,
            errors=[FieldError(loc=("recipe",), msg=detail, received=name) for name in names[:20]],
        )
