"""Learning a recipe from training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.domain.datasets import NUMERIC_TYPES
from service.domain.errors import FieldError, InvalidSpec, NoPredictors
from service.domain.names import did_you_mean
from service.domain.recipe import Step
from service.domain.selectors import columns_of, listed
from service.engine.recipe.fitted import FittedRecipe
from service.engine.recipe.registry import STEP_KINDS
from service.engine.recipe.source import ColumnSource, Rows, n_selected
from service.engine.recipe.step import FittedStep, RecipeWarning, Removal
from service.engine.recipe.view import View


def prep(
    recipe: Sequence[Step], table: ColumnSource, predictors: Sequence[str], rows: Rows = None
) -> FittedRecipe:
    """Learn a recipe whose result is to reach a network.

    As `learn`, and what comes out must be numeric.

    Args:
        recipe: the steps, in order.
        table: the dataset.
        predictors: the raw columns to start from; their order is the table's.
        rows: the analysis rows; nothing is learned from others.

    Raises:
        InvalidSpec: as `learn`, or a nominal predictor is left.
        NoPredictors: none is left.
        InvalidData: values too large to compute with.
    """
    fitted, kinds = _learn(recipe, table, predictors, rows)
    if not kinds:
        detail = (
            f"Expected at least one predictor after the recipe. Received none of {len(predictors)}:"
            " in these training rows the recipe drops all of them. Drop fewer."
        )
        raise NoPredictors(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
    nominal = [name for name, is_numeric in kinds.items() if not is_numeric]
    if nominal:
        detail = (
            f"Expected numeric predictors after the recipe. Received nominal ones: "
            f"{listed(nominal)}. Drop them with a 'remove' step."
        )
        raise InvalidSpec(
            detail, errors=[FieldError(loc=("recipe",), msg=detail, received=nominal[0])]
        )
    return fitted


def learn(
    recipe: Sequence[Step], table: ColumnSource, predictors: Sequence[str], rows: Rows = None
) -> FittedRecipe:
    """Learn a recipe step by step, each from the training rows as the steps before leave them.

    No column is kept: a step that needs one has it computed anew from its raw values, so memory is
    a few columns of float64, whatever the table's width.

    Args:
        recipe: the steps, in order.
        table: the dataset.
        predictors: the raw columns to start from; their order is the table's.
        rows: the analysis rows; nothing is learned from others.

    Returns:
        The fitted recipe; its outputs may be nominal, or none.

    Raises:
        InvalidSpec: no such predictor, a step that selects what is not there, or no rows.
        InvalidData: values too large to compute with.
    """
    return _learn(recipe, table, predictors, rows)[0]


def _learn(
    recipe: Sequence[Step], table: ColumnSource, predictors: Sequence[str], rows: Rows
) -> tuple[FittedRecipe, dict[str, bool]]:
    inputs = _in_order(table, predictors)
    if n_selected(rows, table.n_rows) == 0:
        raise InvalidSpec("Expected at least one row to prepare the recipe on. Received none.")
    columns = inputs
    steps: list[FittedStep] = []
    removed: list[Removal] = []
    warnings: list[RecipeWarning] = []
    for number, step in enumerate(recipe):
        gone = {removal.column for removal in removed}
        loc = ("recipe", number, "columns")
        names = columns_of(step, list(columns.items()), gone=gone, loc=loc)
        chosen = {name: columns[name] for name in names}
        if step.columns is not None and not chosen:
            warnings.append(_selects_nothing(step))
        learned = STEP_KINDS[step.step].learn(step, chosen, View(table, tuple(steps), rows))
        left = learned.fitted.after(columns)
        removed += [
            Removal(
                column=name,
                step=step.step,
                reason=learned.reasons.get(name, "The step does not select it."),
            )
            for name in columns
            if name not in left
        ]
        warnings += learned.warnings
        steps.append(learned.fitted)
        columns = left
    fitted = FittedRecipe(
        inputs=tuple(inputs),
        steps=tuple(steps),
        outputs=tuple(columns),
        removed=tuple(removed),
        warnings=tuple(warnings),
    )
    levels = {
        name: _training_levels(table, name, rows) for name in fitted.required if not inputs[name]
    }
    return fitted.model_copy(update={"levels": levels}), columns


def _in_order(table: ColumnSource, predictors: Sequence[str]) -> dict[str, bool]:
    types: Mapping[str, str] = table.types
    for name in predictors:
        if name not in types:
            detail = f"Expected a column. Received '{name}'.{did_you_mean(name, types)}"
            raise InvalidSpec(detail, errors=[FieldError(loc=(name,), msg=detail, received=name)])
    wanted = set(predictors)
    return {name: kind in NUMERIC_TYPES for name, kind in types.items() if name in wanted}


def _training_levels(table: ColumnSource, name: str, rows: Rows) -> tuple[str, ...]:
    levels = table.category_levels(name)
    if table.types[name] in ("factor", "ordered"):
        return levels
    # Text and logical columns have no declared levels: theirs are what the training rows hold.
    seen = np.unique(table.codes(name, rows)).tolist()
    return tuple(levels[code] for code in seen if code >= 0)


def _selects_nothing(step: Step) -> RecipeWarning:
    asked = [step.columns] if isinstance(step.columns, str) else step.columns or []
    return RecipeWarning(
        step=step.step,
        columns=(),
        code="selects_nothing",
        message=f"Expected selectors that mean some column. Received {listed(asked)}, which mean "
        "none here: the step does nothing.",
    )
