"""What a fit trains on: the recipe learned on its analysis rows, and the arrays that it bakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.domain.fit import FitSpec
from service.domain.spec_checks import training_rows
from service.engine.metrics import ConstantPrediction, majority_or_mean
from service.engine.outcomes import (
    case_weights,
    class_codes,
    numbers,
    one_column_a_class,
)
from service.engine.recipe import FittedRecipe, bake, prep
from service.engine.recipe import Rows as TableRows
from service.engine.recipe import training_rows as rows_left
from service.engine.recipe.source import n_selected, part
from service.engine.tables.table import Table
from service.engine.task import FitTask
from service.engine.training.layout import padded, with_ones
from service.engine.training.rows import Rows


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Rows to train and to validate on, and what was learned from the former.

    `levels` are the outcome's classes in the order of the network's outputs, None in regression;
    `assessment` are the fold's rows that the fits are scored on, with the predictors alone;
    `constant` is what a model without predictors would predict.
    """

    recipe: FittedRecipe
    levels: tuple[str, ...] | None
    rows: Rows
    validation: Rows | None
    assessment: Rows | None
    constant: ConstantPrediction


def prepare(task: FitTask) -> Prepared:
    """Learn the recipe on the rows that train, and bake what trains and what validates.

    With `validation_split` the last rows, in a fold the last analysis rows, validate. Nothing is
    learned from what validates or assesses.

    Raises:
        MissingValues: a missing or infinite value would reach the network.
        NoPredictors: the recipe leaves no predictor in the rows that train.
        InvalidData: an outcome or a case weight is missing.
    """
    spec = task.spec
    table = Table.open(task.training.path)
    seen: TableRows = None if task.fold is None else task.fold.analysis
    n_seen = n_selected(seen, table.n_rows)
    n_train = training_rows(n_seen, spec.engine.validation_split)
    chosen = part(seen, 0, n_train, table.n_rows)
    held_out = part(seen, n_train, n_seen, table.n_rows)
    levels = table.category_levels(spec.outcomes[0]) if spec.mode == "classification" else None
    roles = spec.roles
    inputs = tuple(name for name in table.types if name not in roles)
    recipe = prep(spec.recipe, table, inputs, chosen)
    left = rows_left(recipe, table, chosen)
    rows = _rows(spec, recipe, table, levels, left)
    return Prepared(
        recipe=recipe,
        levels=levels,
        rows=rows,
        validation=_validation(task, recipe, table, levels, held_out),
        assessment=_assessment(task, recipe, table, levels),
        constant=_constant(spec, table, levels, left, rows.weights),
    )


def _rows(
    spec: FitSpec,
    recipe: FittedRecipe,
    table: Table,
    levels: tuple[str, ...] | None,
    chosen: TableRows,
) -> Rows:
    predictors = len(recipe.outputs)
    return Rows(
        x=with_ones(bake(recipe, table, chosen, pad_to=padded(predictors)), predictors),
        y=_outcomes(spec, table, levels, chosen),
        weights=case_weights(table, spec.case_weights, chosen),
    )


def _outcomes(
    spec: FitSpec, table: Table, levels: tuple[str, ...] | None, chosen: TableRows
) -> NDArray[np.float32]:
    if levels is None:
        return numbers(table, spec.outcomes, chosen)
    return one_column_a_class(class_codes(table, spec.outcomes[0], levels, chosen), len(levels))


def _validation(
    task: FitTask,
    recipe: FittedRecipe,
    table: Table,
    levels: tuple[str, ...] | None,
    held_out: TableRows,
) -> Rows | None:
    if task.validation is not None:
        return _rows(task.spec, recipe, Table.open(task.validation.path), levels, None)
    if n_selected(held_out, table.n_rows):
        return _rows(task.spec, recipe, table, levels, held_out)
    return None


def _assessment(
    task: FitTask, recipe: FittedRecipe, table: Table, levels: tuple[str, ...] | None
) -> Rows | None:
    if task.fold is None:
        return None
    rows = task.fold.assessment
    return Rows(
        x=bake(recipe, table, rows),
        y=_outcomes(task.spec, table, levels, rows),
        weights=case_weights(table, task.spec.case_weights, rows),
    )


def _constant(
    spec: FitSpec,
    table: Table,
    levels: tuple[str, ...] | None,
    chosen: TableRows,
    weights: NDArray[np.float32] | None,
) -> ConstantPrediction:
    if levels is not None:
        codes = class_codes(table, spec.outcomes[0], levels, chosen)
        return majority_or_mean(codes, "classification", weights)
    return majority_or_mean(numbers(table, spec.outcomes, chosen), "regression", weights)
