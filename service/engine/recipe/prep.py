"""Learning a recipe from training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.domain.errors import FieldError, InvalidData, InvalidSpec, NoPredictors
from service.domain.names import did_you_mean
from service.domain.recipe import Step
from service.domain.recipe_outcome import require_numeric
from service.domain.selectors import Kind, Stage, kind_of, listed
from service.engine.recipe.fitted import FittedRecipe
from service.engine.recipe.registry import STEP_KINDS
from service.engine.recipe.source import ColumnSource, Rows, n_selected, picked
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
    require_numeric(kinds)
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
) -> tuple[FittedRecipe, dict[str, Kind]]:
    inputs = _in_order(table, predictors)
    if n_selected(rows, table.n_rows) == 0:
        raise InvalidSpec("Expected at least one row to prepare the recipe on. Received none.")
    columns = inputs
    # As in R, text becomes a factor of what all training rows hold, before any step.
    levels = _TrainingLevels(table, rows)
    steps: list[FittedStep] = []
    removed: list[Removal] = []
    warnings: list[RecipeWarning] = []
    for number, step in enumerate(recipe):
        gone = {removal.column for removal in removed} - columns.keys()
        stage = Stage(columns=columns, gone=gone, loc=("recipe", number))
        chosen = {name: columns[name] for name in stage.chosen(step)}
        if step.columns is not None and not chosen:
            warnings.append(_selects_nothing(step))
        view = View(table, tuple(steps), rows, levels, stage=stage)
        learned = STEP_KINDS[step.step].learn(step, chosen, view)
        rows = _kept(learned.fitted, view)
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
    read = {name: levels[name] for name in fitted.required if inputs[name] == "nominal"}
    return fitted.model_copy(update={"levels": read}), columns


def training_rows(fitted: FittedRecipe, source: ColumnSource, rows: Rows = None) -> Rows:
    """Return the rows that are left to train on once steps such as `naomit` have dropped theirs.

    Args:
        fitted: what `prep` learned from these rows.
        source: the dataset.
        rows: the analysis rows.

    Raises:
        InvalidData: the source lacks a column that a step looks at.
    """
    levels = _TrainingLevels(source, rows)
    for place, step in enumerate(fitted.steps):
        rows = _kept(step, View(source, fitted.steps[:place], rows, levels))
    return rows


def _kept(step: FittedStep, view: View) -> Rows:
    kept = step.keeps(view)
    if kept is None or kept.all():
        return view.rows
    if not kept.any():
        detail = (
            f"Expected rows to train on after step '{step.step}'. Received none: each of "
            f"{len(kept)} rows lacks a value. Impute, or select fewer columns."
        )
        raise InvalidData(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
    return picked(view.rows, kept, view.source.n_rows)


class _TrainingLevels(dict[str, tuple[str, ...]]):
    """The levels of the nominal columns in the training rows, each read when first asked for."""

    def __init__(self, table: ColumnSource, rows: Rows) -> None:
        super().__init__()
        self._table = table
        self._rows = rows

    def __missing__(self, name: str) -> tuple[str, ...]:
        self[name] = _training_levels(self._table, name, self._rows)
        return self[name]


def _in_order(table: ColumnSource, predictors: Sequence[str]) -> dict[str, Kind]:
    types: Mapping[str, str] = table.types
    for name in predictors:
        if name not in types:
            detail = f"Expected a column. Received '{name}'.{did_you_mean(name, types)}"
            raise InvalidSpec(detail, errors=[FieldError(loc=(name,), msg=detail, received=name)])
    wanted = set(predictors)
    return {name: kind_of(kind) for name, kind in types.items() if name in wanted}


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
