"""What a recipe does to a table, for a person to look at: `prep`, `bake` and `glimpse` of R."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.domain.datasets import MAX_LEVELS
from service.domain.errors import FieldError, InvalidData, InvalidSpec
from service.domain.names import did_you_mean
from service.domain.recipe import Step
from service.domain.selectors import Kind, kind_of, listed
from service.engine.recipe.fitted import FittedRecipe
from service.engine.recipe.moments import moments
from service.engine.recipe.prep import learn, training_rows
from service.engine.recipe.source import Codes, ColumnSource, Floats, Rows
from service.engine.recipe.view import View, recoded

Baked = dict[str, Any]

# Text and logical columns become factors when a recipe is prepared.
_BAKED_TYPES: Mapping[str, str] = {"text": "factor", "logical": "factor"}


def preview(
    recipe: Sequence[Step],
    training: ColumnSource,
    new_data: ColumnSource | None,
    outcomes: Sequence[str],
    count: int = 10,
) -> dict[str, Any]:
    """Prepare a recipe on all rows of one table and bake it, and another, for a look.

    Every column but the outcomes is a predictor. Nominal predictors and missing values are shown
    and not refused, as nothing is trained. Columns come as R bakes them: the predictors that were
    there, the outcomes, then the columns that steps made. Values are float64.

    Args:
        recipe: the steps, in order.
        training: the table to learn from.
        new_data: another table to bake, or None; it needs the columns that the recipe reads, and
            shows the outcomes that it has.
        outcomes: columns that no step touches.
        count: how many first rows to show.

    Returns:
        The body of `POST /v1/recipes/preview`: `{steps, removed, warnings, training, new_data}`.
        Moments are of the finite values, `sd` with n-1; what is not finite is None.

    Raises:
        InvalidSpec: no such outcome, or a step that selects what is not there.
        InvalidData: new data lack a column that the recipe reads, or hold it in another kind.
    """
    _require_outcomes(training, outcomes)
    predictors = [name for name in training.types if name not in set(outcomes)]
    fitted = learn(recipe, training, predictors)
    rows = training_rows(fitted, training)
    if new_data is not None:
        _require_columns(training, new_data, fitted.required, outcomes)
    return {
        "steps": [{"step": step.step, "learned": step.learned()} for step in fitted.steps],
        "removed": [removal.model_dump(mode="json") for removal in fitted.removed],
        "warnings": [warning.model_dump(mode="json") for warning in fitted.warnings],
        "training": _baked(fitted, training, training, rows, outcomes, count),
        "new_data": (
            None if new_data is None else _baked(fitted, training, new_data, None, outcomes, count)
        ),
    }


def _baked(
    fitted: FittedRecipe,
    training: ColumnSource,
    source: ColumnSource,
    rows: Rows,
    outcomes: Sequence[str],
    count: int,
) -> Baked:
    raw = set(fitted.inputs)
    names = [
        *(name for name in fitted.outputs if name in raw),
        *(name for name in outcomes if name in source.types),
        *(name for name in fitted.outputs if name not in raw),
    ]
    kinds: Mapping[str, Kind] = {name: kind_of(training.types[name]) for name in fitted.inputs}
    for step in fitted.steps:
        kinds = step.after(kinds)
    view = View(source, fitted.steps, rows, fitted.levels)
    shown: list[Baked] = [{} for _ in range(min(count, view.n_rows))]
    columns = []
    for name in names:
        kind = _shown_type(fitted, training, kinds, name)
        column: Baked = {"name": name, "type": kind}
        if kind_of(kind) != "nominal":
            values = view.numeric(name)
            column |= _profile(values)
            cells = [_number(value) for value in values[: len(shown)].tolist()]
        else:
            levels, codes = _categories(view, training, name, is_outcome=name not in kinds)
            column |= _profile_of_codes(codes, levels)
            cells = [levels[code] if code >= 0 else None for code in codes[: len(shown)].tolist()]
        columns.append(column)
        for row, cell in zip(shown, cells, strict=True):
            row[name] = cell
    return {
        "n_rows": view.n_rows,
        "n_columns": len(names),
        "columns": columns,
        "rows": shown,
    }


def _shown_type(
    fitted: FittedRecipe, training: ColumnSource, kinds: Mapping[str, Kind], name: str
) -> str:
    if name in kinds and any(step.writes(name) for step in fitted.steps):
        return "numeric" if kinds[name] == "numeric" else "factor"
    return _BAKED_TYPES.get(training.types[name], training.types[name])


def _categories(
    view: View, training: ColumnSource, name: str, *, is_outcome: bool
) -> tuple[Sequence[str], Codes]:
    if not is_outcome:
        return view.levels(name), view.codes(name)
    source, levels = view.source, training.category_levels(name)
    return levels, recoded(source.codes(name, view.rows), source.category_levels(name), levels)


def _profile(values: Floats) -> Baked:
    found = moments(values)
    return {
        "mean": _number(found.mean),
        "sd": _number(found.sd),
        "min": _number(found.min),
        "max": _number(found.max),
        "n_missing": int(np.isnan(values).sum()),
    }


def _profile_of_codes(codes: Codes, levels: Sequence[str]) -> Baked:
    return {
        "mean": None,
        "sd": None,
        "min": None,
        "max": None,
        "n_missing": int((codes < 0).sum()),
        **({"levels": list(levels)} if len(levels) <= MAX_LEVELS else {}),
    }


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    # Whole numbers are shown as such, up to where a double still counts every one of them.
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _require_outcomes(training: ColumnSource, outcomes: Sequence[str]) -> None:
    for name in outcomes:
        if name not in training.types:
            near = did_you_mean(name, training.types)
            detail = f"Expected an outcome among the columns. Received '{name}'.{near}"
            raise InvalidSpec(
                detail, errors=[FieldError(loc=("outcome",), msg=detail, received=name)]
            )


def _require_columns(
    training: ColumnSource,
    new_data: ColumnSource,
    required: Sequence[str],
    outcomes: Sequence[str],
) -> None:
    lacking = [name for name in required if name not in new_data.types]
    if lacking:
        detail = (
            f"Expected new data with the columns that the recipe reads. Received none called "
            f"{listed(lacking)}."
        )
        raise InvalidData(
            detail, errors=[FieldError(loc=("new_data",), msg=detail, received=lacking[0])]
        )
    for name in (*required, *(name for name in outcomes if name in new_data.types)):
        if kind_of(training.types[name]) != kind_of(new_data.types[name]):
            detail = (
                f"Expected column '{name}' of new data to be {training.types[name]} as in the "
                f"training data. Received {new_data.types[name]}."
            )
            raise InvalidData(detail, errors=[FieldError(loc=("new_data", name), msg=detail)])
