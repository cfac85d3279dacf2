"""Initial weights and the ordinary Keras model of one network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from service.domain.network import Network

Weights = tuple[NDArray[np.float32], ...]


def layer_seeds(network: Network, seeds: Sequence[int]) -> tuple[int, ...]:
    """Return each Dense layer's kernel seed: seeds[0] for hidden kernels, seeds[2] for the output.

    `keras_mlp()` gives its second hidden layer the seed of the first one; so do lists of widths.
    """
    return (seeds[0],) * len(network.hidden) + (seeds[2],)


def initial_weights(network: Network, seeds: Sequence[int]) -> Weights:
    """Return kernels (in, out) by the running backend's GlorotUniform(seed), biases 0, float32.

    Glorot and Bengio (2010): uniform on +-sqrt(6 / (in + out)); keras.initializers.GlorotUniform.
    TensorFlow and JAX draw different numbers from the same seed.
    """
    arrays: list[NDArray[np.float32]] = []
    for shape, seed in zip(network.shapes, layer_seeds(network, seeds), strict=True):
        kernel = keras.initializers.GlorotUniform(seed=seed)(shape, dtype="float32")
        arrays.append(np.array(keras.ops.convert_to_numpy(kernel), dtype=np.float32))
        arrays.append(np.zeros(shape[1], dtype=np.float32))
    return tuple(arrays)


def keras_model(network: Network, weights: Weights | None = None) -> Any:
    """Return the network as an uncompiled `keras.Sequential`, with `weights` if given."""
    layers: list[Any] = [keras.Input((network.predictors,))]
    for layer, (units, rate) in enumerate(zip(network.hidden, network.dropouts, strict=True), 1):
        layers.append(
            keras.layers.Dense(units, activation=network.activation, name=f"hidden_{layer}")
        )
        if rate > 0:
            layers.append(keras.layers.Dropout(rate, name=f"dropout_{layer}"))
    layers.append(
        keras.layers.Dense(network.outputs, activation=network.output_activation, name="output")
    )
    model = keras.Sequential(layers, name="mlp")
    if weights is not None:
        model.set_weights(list(weights))
    return model
