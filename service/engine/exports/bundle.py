"""The bundle: a model as one zip that needs Python and numpy, recipe included."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from service.engine.exports.portable import Portable
from service.engine.prediction_columns import is_nominal

SCORER = Path(__file__).with_name("scorer.py")


def bundle(model: Portable, title: str) -> bytes:
    """Return a zip of `scorer.py`, `model.json`, `arrays.npz` and `README.md`.

    Equal models give equal bytes. The arrays are plain numbers: nothing in it is a pickle.

    Args:
        model: what to give.
        title: the model's name and version, for the reader.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    steps = []
    for number, operation in enumerate(model.operations, 1):
        keys = {name: f"step_{number}_{name}" for name in operation.arrays}
        arrays |= {keys[name]: array for name, array in operation.arrays.items()}
        steps.append(
            {
                "step": operation.step,
                "op": operation.op,
                "columns": operation.columns,
                "below": operation.below,
                "made": operation.made,
                "arrays": keys,
            }
        )
    layers = len(model.weights) // 2
    for layer in range(layers):
        arrays[f"dense_{layer + 1}_kernel"] = model.weights[2 * layer]
        arrays[f"dense_{layer + 1}_bias"] = model.weights[2 * layer + 1]
    told = {
        "title": title,
        "mode": "regression" if model.levels is None else "classification",
        "outcomes": model.outcomes,
        "levels": model.levels,
        "inputs": _inputs(model),
        "na": model.inputs.na,
        "steps": steps,
        "outputs": model.outputs,
        "layers": layers,
        "activation": model.activation,
        "output_activation": model.output_activation,
    }
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    return zipped(
        {
            "README.md": _readme(model, title).encode(),
            "arrays.npz": packed.getvalue(),
            "model.json": json.dumps(told, indent=1, allow_nan=False).encode(),
            "scorer.py": SCORER.read_bytes(),
        }
    )


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of some files, with no time in it, so that equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _inputs(model: Portable) -> list[dict[str, Any]]:
    found = []
    for column in model.inputs.columns:
        told: dict[str, Any] = {"name": column.name, "type": column.type}
        if is_nominal(column):
            told["levels"] = column.levels or ()
            told["open"] = column.name in model.inputs.open
        found.append(told)
    return found


def _readme(model: Portable, title: str) -> str:
    rows = [f"| `{column.name}` | {column.type} |" for column in model.inputs.columns]
    answer = (
        f"`class`, one of {len(model.levels)} levels, and `prob`, a column a level"
        if model.levels is not None
        else "`numeric`, a column an outcome"
    )
    return "\n".join(
        (
            f"# {title}",
            "",
            "A model of Fitpoint with its recipe. It needs Python 3.9 or newer and numpy, nothing",
            "else, and gives the answers that the service gives.",
            "",
            "    python scorer.py rows.csv > predictions.csv",
            "",
            "or, in Python:",
            "",
            "    from scorer import Scorer",
            "    Scorer().predict(rows)  # a list of dicts, column name to number or text",
            "",
            f"The answer is {answer}. None, NaN and in a CSV the words",
            f"{', '.join(repr(word) for word in model.inputs.na) or '(none)'} are missing. "
            "Other columns than these are ignored:",
            "",
            "| column | type |",
            "|---|---|",
            *rows,
            "",
        )
    )
