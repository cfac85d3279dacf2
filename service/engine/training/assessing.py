"""How a candidate does on the rows of its fold that it has not seen."""

from __future__ import annotations

from service.domain.network import network_of, weights_sha256
from service.engine.forward import forward
from service.engine.metrics import scores
from service.engine.task import Assessed, FitTask
from service.engine.training.network import Weights
from service.engine.training.preparation import Prepared


def assess(task: FitTask, prepared: Prepared, weights: Weights) -> Assessed:
    """Return the scores of trained weights on the fold's assessment rows.

    The answers are those of the numpy network that would serve the model, not Keras's.

    Raises:
        ValueError: the task has no fold.
    """
    rows, fold, spec = prepared.assessment, task.fold, task.spec
    if rows is None or fold is None or spec.mode is None:
        raise ValueError("Expected a resolved fit with a fold to be assessed on. Received another.")
    predictors = len(prepared.recipe.outputs)
    network = network_of(spec, predictors, rows.y.shape[1])
    found = scores(
        fold.metrics,
        rows.y.argmax(axis=1) if spec.mode == "classification" else rows.y,
        forward(rows.x, weights, network.activation, network.output_activation),
        prepared.levels,
        spec.mode,
        rows.weights,
    )
    return Assessed(
        scores=found.values,
        note=found.undefined,
        weights_sha256=weights_sha256(weights),
        n_parameters=network.n_parameters,
        n_predictors=predictors,
    )
