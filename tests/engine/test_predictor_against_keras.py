"""The numpy forward pass against the same network in Keras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from service.domain.fit import KERAS3_ACTIVATIONS
from service.engine.artifact import Artifact
from service.engine.predictor import Predictor
from service.engine.recipe import MemoryColumns, bake
from tests.engine.fitted_models import fitted_model, training

# Raw columns, some with a mean of many standard deviations, as a year or a pressure has.
COLUMNS = {
    **training(64, 6),
    "year": 2000 + np.random.default_rng(5).normal(size=64) * 0.3,
    "pascal": 101_325 + np.random.default_rng(6).normal(size=64),
}


def in_keras(model: Artifact) -> Any:
    network = model.network
    dense = keras.layers.Dense
    layers = [dense(units, activation=network.activation) for units in network.hidden]
    layers.append(dense(network.outputs, activation=network.output_activation))
    built = keras.Sequential([keras.Input((network.predictors,)), *layers])
    built.set_weights(list(model.weights))
    return built


def of_keras(model: Artifact, columns: dict[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    baked = bake(model.recipe, MemoryColumns(columns))
    return np.asarray(in_keras(model)(baked), dtype=np.float32)


@pytest.mark.parametrize("hidden", [(2,), (5,), (7, 4), (4, 6, 3)], ids=str)
@pytest.mark.parametrize("activation", KERAS3_ACTIVATIONS)
@pytest.mark.parametrize("levels", [("a", "b", "c"), None], ids=["classes", "numbers"])
def test_raw_rows_predict_what_keras_predicts_from_baked_ones(
    activation: str, hidden: tuple[int, ...], levels: tuple[str, ...] | None
) -> None:
    model = fitted_model(COLUMNS, hidden=hidden, activation=activation, levels=levels)
    # Small weights: an exponential of an exponential of an exponential soon ends float32.
    model = replace(model, weights=tuple((array / 4).astype(np.float32) for array in model.weights))
    ours = Predictor(model).predict(MemoryColumns(COLUMNS)).raw
    theirs = of_keras(model, COLUMNS)
    # Relative to the largest output of the same unit: float32 has 6e-8 a term, of some dozens.
    assert np.all(np.abs(ours - theirs) <= 1e-5 * np.abs(theirs).max(axis=0))


@pytest.mark.parametrize(
    "steps",
    [
        [{"step": "divide", "by": 255.0}],
        [{"step": "center"}],
        [{"step": "scale", "factor": 2}],
        [{"step": "zv"}, {"step": "range", "clipping": False}],
        [{"step": "zv"}, {"step": "range"}],
        [{"step": "nzv"}, {"step": "normalize"}, {"step": "range", "min": -1.0, "max": 1.0}],
        [{"step": "select", "columns": ["year", "x2"]}, {"step": "normalize"}],
        [{"step": "remove", "columns": "starts_with:x"}, {"step": "normalize"}],
        [{"step": "normalize"}, {"step": "center"}, {"step": "divide", "by": 3.0}],
    ],
    ids=lambda steps: "+".join(step["step"] for step in steps),
)
def test_every_recipe_is_inside_the_prediction(steps: list[dict[str, Any]]) -> None:
    model = fitted_model(COLUMNS, steps=steps, hidden=(5,), activation="tanh")
    ours = Predictor(model).predict(MemoryColumns(COLUMNS)).raw
    theirs = of_keras(model, COLUMNS)
    # Columns that no step scales reach 1e5 here, and with them the sums that are rounded.
    assert np.all(np.abs(ours - theirs) <= 1e-5)
