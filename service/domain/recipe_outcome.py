"""What a dataset's profile alone tells of a recipe's result, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.domain.datasets import Column
from service.domain.errors import (
    FieldError,
    FitpointError,
    InvalidSpec,
    MissingValues,
    NoPredictors,
)
from service.domain.recipe import NearZeroVariance, Remove, Select, Step, ZeroVariance
from service.domain.schema import Value
from service.domain.selectors import columns_of, listed


class Surviving(Value):
    """The predictors that reach the network, in order.

    `exact` is True when preparing the recipe on every row of the dataset leaves exactly these.
    Preparing it on some of the rows may leave fewer: a column may be constant there.
    """

    names: tuple[str, ...]
    exact: bool


def predictors_after(
    recipe: Sequence[Step], columns: Sequence[Column], *, n_rows: int | None = None
) -> Surviving:
    """Return the predictors that a recipe leaves, as far as the profile of all rows can tell.

    `zv` drops a column with at most one distinct value. `nzv` follows recipes 1.0.4, see
    `is_near_constant`; it needs `n_rows` or keeps every column that is not constant, not exact.

    Args:
        recipe: the steps, in order.
        columns: the profiles of the predictors, in the dataset's order.
        n_rows: the number of rows that the profiles describe, missing values included.

    Raises:
        InvalidSpec: a step names a column that is not there or not of its kind, or a nominal
            predictor would reach the network.
        MissingValues: a predictor with missing values would reach the network.
        NoPredictors: nothing would.
    """
    alive = {column.name: column for column in columns}
    gone: set[str] = set()
    exact = True
    for index, step in enumerate(recipe):
        standing = [(column.name, column.is_numeric) for column in alive.values()]
        chosen = columns_of(step, standing, gone=gone, loc=("recipe", index, "columns"))
        match step:
            case ZeroVariance():
                dropped = {name for name in chosen if alive[name].n_unique <= 1}
                alive = {name: column for name, column in alive.items() if name not in dropped}
            case NearZeroVariance():
                verdicts = {name: _near_constant(step, alive[name], n_rows) for name in chosen}
                exact = exact and None not in verdicts.values()
                alive = {name: column for name, column in alive.items() if not verdicts.get(name)}
            case Select():
                alive = {name: alive[name] for name in chosen}
            case Remove():
                alive = {name: column for name, column in alive.items() if name not in chosen}
            case _:
                pass
        gone.update(name for name, _ in standing if name not in alive)
    _require_fit(tuple(alive.values()), len(columns))
    return Surviving(names=tuple(alive), exact=exact)


def is_near_constant(
    counts: tuple[int, int], n_unique: int, n_rows: int, freq_cut: float, unique_cut: float
) -> bool:
    """Return whether `nzv` drops a column, by recipes 1.0.4's rule.

    It does when at most one distinct value occurs, or when the most common value occurs more than
    `freq_cut` times as often as the next one while the distinct values are at most `unique_cut`
    percent of the rows: `counts[0] / counts[1] > freq_cut and 100 * n_unique / n_rows <=
    unique_cut`. Missing values count among the rows and not among the values.
    """
    if n_unique <= 1:
        return True
    return counts[0] / counts[1] > freq_cut and 100 * n_unique / n_rows <= unique_cut


def _near_constant(step: NearZeroVariance, column: Column, n_rows: int | None) -> bool | None:
    if column.n_unique <= 1:
        return True
    if n_rows is None or column.top_counts[1] == 0:
        return None
    return is_near_constant(
        column.top_counts, column.n_unique, n_rows, step.freq_cut, step.unique_cut
    )


def _require_fit(columns: Sequence[Column], n_before: int) -> None:
    if not columns:
        detail = (
            f"Expected at least one predictor after the recipe. Received none of {n_before}. "
            "Drop fewer columns, or add some to the dataset."
        )
        raise NoPredictors(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
    _require_none(
        [column.name for column in columns if not column.is_numeric],
        InvalidSpec,
        "Expected numeric predictors after the recipe. Received nominal ones: {names}. "
        "Drop them with a 'remove' step.",
    )
    _require_none(
        [column.name for column in columns if column.n_missing],
        MissingValues,
        "Expected no missing values after the recipe. Received some in {names}. "
        "Drop these columns with a 'remove' step.",
    )


def _require_none(names: Sequence[str], kind: Callable[..., FitpointError], sentence: str) -> None:
    if names:
        detail = sentence.format(names=listed(names))
        raise kind(
            detail,
            errors=[FieldError(loc=("recipe",), msg=detail, received=name) for name in names[:20]],
        )
