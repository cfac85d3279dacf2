"""What a recipe does to a table, for a person to look at: `prep`, `bake` and `glimpse` of R."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.domain.datasets import MAX_LEVELS, TEMPORAL_TYPES, ColumnType
from service.domain.errors import FieldError, InvalidData, InvalidSpec
from service.domain.names import did_you_mean
from service.domain.recipe import Step
from service.domain.selectors import kind_of, listed
from service.domain.temporal import date_text, time_text
from service.engine.recipe.baked_columns import BakedColumns
from service.engine.recipe.moments import moments
from service.engine.recipe.prep import learn, training_rows
from service.engine.recipe.source import Codes, ColumnSource, Floats, Rows

Baked = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A recipe prepared for a look: what it says, and the tables after it."""

    told: dict[str, Any]
    training: BakedColumns
    new_data: BakedColumns | None


def preview(
    recipe: Sequence[Step],
    training: ColumnSource,
    new_data: ColumnSource | None,
    outcomes: Sequence[str],
    count: int = 10,
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the body of `POST /v1/recipes/preview`; see `prepared`."""
    return prepared(recipe, training, new_data, outcomes, count, others).told


def prepared(
    recipe: Sequence[Step],
    training: ColumnSource,
    new_data: ColumnSource | None,
    outcomes: Sequence[str],
    count: int = 10,
    others: Sequence[str] = (),
) -> Preview:
    """Prepare a recipe on all rows of one table and bake it, and another, for a look.

    Every column but the outcomes and `others` is a predictor. Nominal predictors and missing values
    are shown and not refused, as nothing is trained. Columns come as R bakes them: what was there
    but the outcomes, the outcomes, then the columns that steps made. Values are float64.

    Args:
        recipe: the steps, in order.
        training: the table to learn from.
        new_data: another table to bake, or None; it needs the columns that the recipe reads, and
            shows the outcomes and `others` that it has.
        outcomes: columns that no step touches.
        count: how many first rows to show.
        others: more columns that no step touches: ids and case weights.

    Returns:
        What is told: `{steps, removed, warnings, training, new_data}`, and the tables.
        Moments are of the finite values, `sd` with n-1; what is not finite is None.

    Raises:
        InvalidSpec: no such outcome, or a step that selects what is not there.
        InvalidData: new data lack a column that the recipe reads, or hold it in another kind.
    """
    _require_there(training, outcomes)
    roles = {*outcomes, *others}
    fitted = learn(recipe, training, [name for name in training.types if name not in roles])
    rows = training_rows(fitted, training)
    if new_data is not None:
        _require_columns(training, new_data, fitted.required, outcomes)

    def after(source: ColumnSource, taken: Rows) -> BakedColumns:
        return BakedColumns(
            fitted=fitted,
            training=training,
            source=source,
            rows=taken,
            outcomes=tuple(outcomes),
            others=tuple(others),
        )

    learned_from = after(training, rows)
    baked = None if new_data is None else after(new_data, None)
    told = {
        "steps": [{"step": step.step, "learned": step.learned()} for step in fitted.steps],
        "removed": [removal.model_dump(mode="json") for removal in fitted.removed],
        "warnings": [warning.model_dump(mode="json") for warning in fitted.warnings],
        "training": _shown(learned_from, count),
        "new_data": None if baked is None else _shown(baked, count),
    }
    return Preview(told=told, training=learned_from, new_data=baked)


def _shown(baked: BakedColumns, count: int) -> Baked:
    shown: list[Baked] = [{} for _ in range(min(count, baked.n_rows))]
    columns = []
    for name, kind in baked.types().items():
        column: Baked = {"name": name, "type": kind}
        if kind_of(kind) != "nominal":
            values = baked.numeric(name)
            column |= _profile(values)
            cells = [_cell(value, kind) for value in values[: len(shown)].tolist()]
        else:
            levels, codes = baked.levels(name), baked.codes(name)
            column |= _profile_of_codes(codes, levels)
            cells = [levels[code] if code >= 0 else None for code in codes[: len(shown)].tolist()]
        columns.append(column)
        for row, cell in zip(shown, cells, strict=True):
            row[name] = cell
    return {
        "n_rows": baked.n_rows,
        "n_columns": len(columns),
        "columns": columns,
        "rows": shown,
    }


def _cell(value: float, kind: ColumnType) -> str | float | int | None:
    if kind not in TEMPORAL_TYPES:
        return _number(value)
    if math.isnan(value):
        return None
    return date_text(round(value)) if kind == "date" else time_text(round(value * 1e6))


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


def _require_there(training: ColumnSource, outcomes: Sequence[str]) -> None:
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
