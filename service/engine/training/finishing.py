"""The end of a fit: its artifact in staging, judged on the datasets that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.domain.evaluations import Evaluation
from service.domain.fit import Evaluate
from service.domain.jobs import Environment
from service.domain.network import network_of, weights_sha256
from service.engine import artifact
from service.engine.artifact import Artifact
from service.engine.metrics import evaluate
from service.engine.outcomes import class_codes, numbers
from service.engine.predictor import Predictor
from service.engine.recipe import ColumnSource
from service.engine.task import FitTask, FittedNetwork, Source
from service.engine.training import export
from service.engine.training.network import Weights, keras_model
from service.engine.training.preparation import Prepared, case_weights


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
    )
    predictor = Predictor(made)
    evaluations = tuple(
        _evaluation(task, predictor, prepared, source, table_of(source.path), wanted)
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


def _evaluation(
    task: FitTask,
    predictor: Predictor,
    prepared: Prepared,
    source: Source,
    table: ColumnSource,
    wanted: Evaluate,
) -> Evaluation:
    spec, levels = task.spec, prepared.levels
    truth: NDArray[np.int32] | NDArray[np.float32] = (
        class_codes(table, spec.outcomes[0], levels)
        if levels is not None
        else numbers(table, spec.outcomes)
    )
    estimate, weights = predictor.predict(table).raw, case_weights(spec, table, None)
    if wanted.rows is not None:
        if task.fold is None:
            raise ValueError("Expected a fold that keeps rows for testing. There is none.")
        kept = task.fold.assessment
        truth, estimate = truth[kept], estimate[kept]
        weights = None if weights is None else weights[kept]
    found = evaluate(
        id="",
        dataset=source.dataset.name,
        dataset_sha256=source.dataset.sha256,
        names=wanted.metrics,
        truth=truth,
        estimate=estimate,
        levels=levels,
        mode=predictor.mode,
        constant=prepared.constant,
        weights=weights,
    )
    return found.model_copy(update={"rows": wanted.rows})
