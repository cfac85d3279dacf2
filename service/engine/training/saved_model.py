"""The network as files of Keras and TensorFlow: compared with the model, and written."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from service.domain.errors import Unavailable
from service.engine.artifact import Artifact
from service.engine.training.network import keras_model

ROOT = "saved_model"


def saved_model(artifact: Artifact) -> bytes:
    """Return a zip of a TensorFlow SavedModel whose signature `serve` takes the baked predictors.

    Its input is float32 (rows, predictors), its output float32 (rows, outputs). The zip holds one
    folder, `saved_model`. Keras must run on TensorFlow.
    """
    model = keras_model(artifact.network, artifact.weights)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / ROOT
        model.export(root, format="tf_saved_model", verbose=False)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(root.rglob("*")):
                archive.write(path, path.relative_to(folder).as_posix())
        return buffer.getvalue()


def served(content: bytes, baked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a zipped SavedModel says of baked rows, loaded as TensorFlow alone loads it."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        loaded = tf.saved_model.load(str(Path(folder) / ROOT))
        return np.asarray(loaded.serve(tf.constant(baked)).numpy(), dtype=np.float32)


def opened(content: bytes, baked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a `.keras` file says of baked rows, opened as Keras opens it.

    Raises:
        Unavailable: Keras cannot open it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        try:
            model = keras.saving.load_model(path, compile=False)
        except (ValueError, TypeError, OSError) as error:
            raise Unavailable(
                "Expected a .keras file that Keras opens. It does not open: it was written by "
                "another version of Keras than is installed here. Train the model again."
            ) from error
        return np.asarray(model.predict(baked, batch_size=1024, verbose=0), dtype=np.float32)
