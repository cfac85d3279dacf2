"""The end of a fit: its artifact in staging, judged on the datasets that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from service.domain.jobs import Environment
from service.domain.network import network_of, weights_sha256
from service.engine import artifact
from service.engine.artifact import Artifact
from service.engine.judging.judged_rows import evaluation_of
from service.engine.predictor import Predictor
from service.engine.recipe import ColumnSource
from service.engine.task import FitTask, FittedNetwork, Positions
from service.engine.training import export
from service.engine.training.network import Weights, keras_model
from service.engine.training.preparation import Prepared


def finish(
    task: FitTask,
    environment: Environment,
    prepared: Prepared,
    weights: Weights,
    table_of: Callable[[Path], ColumnSource],
) -> FittedNetwork:
    """Write the artifact of trained weights into `task.staging` and evaluate it.

    The evaluations come from the predictor that will serve the model, not from Keras. `table_of`
    opens a stored table.

    Raises:
        ValueError: the task has no staging.
    """
    spec, levels, recipe = task.spec, prepared.levels, prepared.recipe
    staging = task.staging
    if staging is None:
        raise ValueError("Expected a fit with a folder for its artifact. Received one without.")
    network = network_of(
        spec, len(recipe.outputs), len(levels) if levels is not None else len(spec.outcomes)
    )
    inputs, model = set(recipe.inputs), keras_model(network, weights)
    made = Artifact(
        spec=spec,
        network=network,
        recipe=recipe,
        levels=levels,
        outcomes=spec.outcomes,
        columns=tuple(column for column in task.training.dataset.columns if column.name in inputs),
        weights=weights,
        keras_bytes=export.keras_file(model),
        summary=export.summary(model),
        versions=environment.versions,
        na=task.na,
        constant=prepared.constant,
    )
    predictor = Predictor(made)
    evaluations = tuple(
        evaluation_of(
            predictor,
            table_of(source.path),
            dataset=source.dataset.name,
            dataset_sha256=source.dataset.sha256,
            names=wanted.metrics,
            rows=None if wanted.rows is None else _testing(task),
        ).model_copy(update={"rows": wanted.rows})
        for source, wanted in zip(task.evaluations, spec.evaluate, strict=True)
    )
    artifact.write(staging, made)
    return FittedNetwork(
        mode=made.mode,
        outcomes=spec.outcomes,
        levels=levels,
        predictors=recipe.outputs,
        n_parameters=network.n_parameters,
        weights_sha256=weights_sha256(weights),
        dataset_sha256=task.training.dataset.sha256,
        evaluations=evaluations,
    )


def _testing(task: FitTask) -> Positions:
    if task.fold is None:
        raise ValueError("Expected a fold that keeps rows for testing. There is none.")
    return task.fold.assessment
