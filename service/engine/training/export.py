"""The ordinary Keras model of a trained network: its file and its summary."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def keras_file(model: Any) -> bytes:
    """Return a `.keras` file that plain Keras opens without custom objects.

    Its input are the baked predictors, float32 (rows, predictors).
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def summary(model: Any) -> str:
    """Return `model.summary()` as Keras prints it, 80 characters wide."""
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=80)
    return "\n".join(lines) + "\n"
