"""One fit from task to artifact: table, recipe, network, history, evaluations.

Given values and two callables it returns a value, so it runs in a notebook, in a spawned child or
on another host alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from service.domain.errors import InvalidData
from service.domain.evaluations import Evaluation
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.domain.network import network_of, weights_sha256
from service.domain.optimizers import Optimizer
from service.domain.spec_checks import training_rows
from service.engine import artifact
from service.engine.artifact import Artifact
from service.engine.metrics import ConstantPrediction, evaluate, majority_or_mean
from service.engine.outcomes import class_codes, numbers, one_column_a_class
from service.engine.predictor import Predictor
from service.engine.recipe import FittedRecipe, bake, prep
from service.engine.tables.table import Table
from service.engine.task import FitOutcome, FitTask, FittedNetwork, Source
from service.engine.training import export
from service.engine.training.layout import padded
from service.engine.training.members import member_of
from service.engine.training.objective import Objective
from service.engine.training.rows import Rows
from service.engine.training.states import Trained
from service.engine.training.train import train

T = TypeVar("T")

_OPTIMIZER: TypeAdapter[Optimizer] = TypeAdapter(Optimizer)


def fit(
    task: FitTask,
    environment: Environment,
    on_epoch: Callable[[tuple[EpochRecord, ...]], None],
    should_stop: Callable[[], bool],
) -> FitOutcome:
    """Run one fit and leave its artifact in `task.staging`.

    The recipe is learned on the rows that train: with `validation_split`, not on the last ones.

    Args:
        task: what to fit.
        environment: where this process trains; its versions are recorded in the artifact.
        on_epoch: told each epoch's records.
        should_stop: asked after each epoch; True ends the fit ("cancelled").

    Raises:
        MissingValues: a missing or infinite value would reach the network.
        NoPredictors: the recipe leaves no predictor in the rows that train.
        InvalidData: an outcome or a case weight is missing.
    """
    spec = task.spec
    table = Table.open(task.training.path)
    n_train = training_rows(table.n_rows, spec.engine.validation_split)
    chosen = slice(0, n_train)
    levels = table.category_levels(spec.outcomes[0]) if spec.mode == "classification" else None
    others = {*spec.outcomes, spec.case_weights}
    inputs = tuple(name for name in table.types if name not in others)
    recipe = prep(spec.recipe, table, inputs, chosen)
    member = member_of(spec, predictors=len(recipe.outputs), levels=levels)
    rows = _rows(spec, recipe, table, levels, chosen)
    constant = _constant(spec, table, levels, chosen, rows.weights)
    trained = train(
        [member],
        _objective(spec),
        _given(spec.engine.shuffle_seed),
        rows,
        _validation(task, recipe, table, levels, n_train),
        on_epoch=on_epoch,
        should_stop=should_stop,
        max_seconds=spec.engine.max_seconds,
    )[0]
    log = (
        *(f"recipe: {each.step}: {each.message}" for each in recipe.warnings),
        f"{trained.ending} after {len(trained.history)} epochs on {n_train} rows and "
        f"{len(recipe.outputs)} predictors",
    )
    finished = trained.ending not in ("diverged", "cancelled")
    return FitOutcome(
        ending=trained.ending,
        epochs_run=len(trained.history),
        stopped_epoch=trained.stopped_epoch,
        best_epoch=trained.best_epoch,
        fitted=(
            _fitted(task, environment, recipe, levels, constant, trained) if finished else None
        ),
        log=log,
    )


def _objective(spec: FitSpec) -> Objective:
    optimizer = spec.engine.optimizer
    if isinstance(optimizer, str):
        optimizer = _OPTIMIZER.validate_python({"name": optimizer})
    return Objective(
        mode=_given(spec.mode),
        loss=_given(spec.engine.loss),
        metrics=tuple(spec.engine.metrics),
        optimizer=optimizer,
        batch_size=spec.engine.batch_size,
    )


def _given(value: T | None) -> T:
    if value is None:
        raise ValueError("Expected a resolved spec. Received one with an open field.")
    return value


def _rows(
    spec: FitSpec,
    recipe: FittedRecipe,
    table: Table,
    levels: tuple[str, ...] | None,
    chosen: slice | None,
) -> Rows:
    y = (
        one_column_a_class(class_codes(table, spec.outcomes[0], levels, chosen), len(levels))
        if levels is not None
        else numbers(table, spec.outcomes, chosen)
    )
    return Rows(
        x=bake(recipe, table, chosen, pad_to=padded(len(recipe.outputs))),
        y=y,
        weights=_case_weights(spec, table, chosen),
    )


def _case_weights(spec: FitSpec, table: Table, chosen: slice | None) -> NDArray[np.float32] | None:
    name = spec.case_weights
    if name is None or name not in table.types:
        return None
    weights = table.numeric(name, chosen)
    if not np.isfinite(weights).all():
        row = int(np.argmax(~np.isfinite(weights))) + 1
        raise InvalidData(
            f"Expected a case weight in every row of '{name}'. Received a missing value in "
            f"row {row}."
        )
    return weights.astype(np.float32)


def _validation(
    task: FitTask,
    recipe: FittedRecipe,
    table: Table,
    levels: tuple[str, ...] | None,
    n_train: int,
) -> Rows | None:
    if task.validation is not None:
        return _rows(task.spec, recipe, Table.open(task.validation.path), levels, None)
    if n_train < table.n_rows:
        return _rows(task.spec, recipe, table, levels, slice(n_train, table.n_rows))
    return None


def _constant(
    spec: FitSpec,
    table: Table,
    levels: tuple[str, ...] | None,
    chosen: slice,
    weights: NDArray[np.float32] | None,
) -> ConstantPrediction:
    if levels is not None:
        codes = class_codes(table, spec.outcomes[0], levels, chosen)
        return majority_or_mean(codes, "classification", weights)
    return majority_or_mean(numbers(table, spec.outcomes, chosen), "regression", weights)


def _fitted(
    task: FitTask,
    environment: Environment,
    recipe: FittedRecipe,
    levels: tuple[str, ...] | None,
    constant: ConstantPrediction,
    trained: Trained,
) -> FittedNetwork:
    spec = task.spec
    outputs = len(levels) if levels is not None else len(spec.outcomes)
    network = network_of(spec, len(recipe.outputs), outputs)
    inputs = set(recipe.inputs)
    made = Artifact(
        spec=spec,
        network=network,
        recipe=recipe,
        levels=levels,
        outcomes=spec.outcomes,
        columns=tuple(column for column in task.training.dataset.columns if column.name in inputs),
        weights=trained.weights,
        keras_bytes=export.keras_file(network, trained.weights),
        summary=export.summary(network),
        versions=environment.versions,
    )
    predictor = Predictor(made)
    evaluations = tuple(
        _evaluation(spec, predictor, levels, constant, source, wanted.metrics)
        for source, wanted in zip(task.evaluations, spec.evaluate, strict=True)
    )
    artifact.write(task.staging, made)
    return FittedNetwork(
        mode=made.mode,
        outcomes=spec.outcomes,
        levels=levels,
        predictors=recipe.outputs,
        n_parameters=network.n_parameters,
        weights_sha256=weights_sha256(trained.weights),
        dataset_sha256=task.training.dataset.sha256,
        evaluations=evaluations,
    )


def _evaluation(
    spec: FitSpec,
    predictor: Predictor,
    levels: tuple[str, ...] | None,
    constant: ConstantPrediction,
    source: Source,
    names: list[str] | None,
) -> Evaluation:
    table = Table.open(source.path)
    truth: NDArray[np.int32] | NDArray[np.float32] = (
        class_codes(table, spec.outcomes[0], levels)
        if levels is not None
        else numbers(table, spec.outcomes)
    )
    return evaluate(
        id="",
        dataset=source.dataset.name,
        dataset_sha256=source.dataset.sha256,
        names=names,
        truth=truth,
        estimate=predictor.predict(table).raw,
        levels=levels,
        mode=_given(spec.mode),
        constant=constant,
        weights=_case_weights(spec, table, None),
    )
