"""Initial weights are Keras's own, and the model handed out is an ordinary one."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from service.domain.network import Network
from service.engine.training.export import keras_file, summary
from service.engine.training.network import initial_weights, keras_model

NETWORK = Network(
    predictors=717,
    hidden=(30, 30),
    activation="relu",
    dropouts=(0.0, 0.1),
    outputs=10,
    output_activation="softmax",
)


def test_initial_kernels_are_those_of_dense_layers_with_the_same_seeds() -> None:
    ours = initial_weights(NETWORK, (87591, 536, 27860))
    for index, (shape, seed) in enumerate(
        [((717, 30), 87591), ((30, 30), 87591), ((30, 10), 27860)]
    ):
        layer = keras.layers.Dense(
            shape[1], kernel_initializer=keras.initializers.GlorotUniform(seed=seed)
        )
        layer.build((None, shape[0]))
        assert np.array_equal(ours[2 * index], keras.ops.convert_to_numpy(layer.kernel))
        limit = np.sqrt(6 / sum(shape))
        assert np.abs(ours[2 * index]).max() <= limit
        assert not ours[2 * index + 1].any()


def test_the_exported_file_opens_in_plain_keras_and_predicts_the_same(tmp_path: Path) -> None:
    weights = initial_weights(NETWORK, (1, 2, 3))
    path = tmp_path / "model.keras"
    path.write_bytes(keras_file(keras_model(NETWORK, weights)))
    opened = keras.models.load_model(path, compile=False)
    x = np.random.default_rng(0).normal(size=(9, 717)).astype(np.float32)
    expected = np.asarray(keras_model(NETWORK, weights)(x))
    assert np.array_equal(np.asarray(opened(x)), expected)


@pytest.mark.parametrize(("predictors", "parameters"), [(717, "22,780"), (784, "24,790")])
def test_the_summary_counts_parameters_as_keras_prints_them(
    predictors: int, parameters: str
) -> None:
    text = summary(keras_model(NETWORK.model_copy(update={"predictors": predictors})))
    assert f"Total params: {parameters}" in text
