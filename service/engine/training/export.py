"""The ordinary Keras model of a trained network: its file and its summary."""

from __future__ import annotations

import tempfile
from pathlib import Path

from service.domain.network import Network
from service.engine.training.network import Weights, keras_model


def keras_file(network: Network, weights: Weights) -> bytes:
    """Return a `.keras` file that plain Keras opens without custom objects.

    Its input are the baked predictors, float32 (rows, predictors).
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        keras_model(network, weights).save(path)
        return path.read_bytes()


def summary(network: Network) -> str:
    """Return `model.summary()` as Keras prints it, 80 characters wide."""
    lines: list[str] = []
    keras_model(network).summary(print_fn=lines.append, line_length=80)
    return "\n".join(lines) + "\n"
