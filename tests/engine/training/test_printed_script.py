"""The printed script runs as it stands, with nothing of ours, and finds the model's weights."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from service.domain.datasets import ReadOptions
from service.domain.errors import NotExportable
from service.engine.artifact import Artifact, read
from service.engine.scripts.python_script import python_script
from service.engine.tables.download import csv_pieces
from service.engine.training import runtime
from service.engine.training.fit import fit
from tests.engine.exports.mixed_models import OPTIONS, WHOLE, table_text
from tests.executors.fits import alone, stored, task

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

# Of the largest weight. Both compute in float32 and add in another order: after these 60 steps the
# differences seen are below 1e-5; a wrong row, mask, seed or loss makes more than 1e-2.
TOLERANCE = 1e-4


def trained(folder: Path, body: dict[str, Any]) -> tuple[Artifact, Path]:
    """A model of the mixed table, fitted for real, and the table's file as the service gives it."""
    (folder / "table.csv").write_text(table_text())
    source = stored(folder / "table.csv", folder, ReadOptions.model_validate(OPTIONS))
    environment = runtime.environment(1)
    asked = {
        "model": {"hidden_units": 6, "activation": "relu", "epochs": 6, "seeds": [1, 2, 3]},
        "evaluate": [],
        **body,
    }
    (outcome,) = fit(
        alone(task(source, folder / "staging", **asked)), environment, lambda _: None, lambda: False
    )
    assert outcome.fitted is not None
    file = folder / "train.csv"
    file.write_bytes(b"".join(csv_pieces(source.path, ("", "NA"), inert_text=False)))
    manifest = (folder / "staging" / "manifest.json").read_bytes()
    return read(folder / "staging", hashlib.sha256(manifest).hexdigest()), file


def printed_weights(folder: Path, artifact: Artifact, *files: Path) -> list[Any]:
    """The weights of the file that the script writes, run in a folder where nothing of ours is."""
    script = folder / "alone" / "fit.py"
    script.parent.mkdir()
    script.write_text(python_script(artifact, "m@1"), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", script, *files, "model.keras"],
        cwd=script.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[Any] = keras.models.load_model(script.parent / "model.keras").get_weights()
    return found


CLASSES: dict[str, Any] = {
    "recipe": list(WHOLE),
    "engine": {
        "validation_split": 0.2,
        "metrics": ["accuracy"],
        "early_stopping": {"monitor": "val_loss", "patience": 2, "restore_best_weights": True},
    },
}
DROPOUT: dict[str, Any] = {
    "recipe": [
        {"step": "select", "columns": ["long", "wide", "shape", "size", "flag"]},
        {"step": "naomit"},
        {"step": "yeo_johnson"},
        {"step": "range"},
        {"step": "dummy"},
    ],
    "model": {
        "hidden_units": 6,
        "activation": "elu",
        "dropout": 0.3,
        "epochs": 6,
        "seeds": [4, 5, 6],
    },
    "engine": {"class_weight": {"a": 2.5}, "batch_size": 20},
}
REGRESSION: dict[str, Any] = {
    "outcome": "price",
    "case_weights": "weight",
    "recipe": [
        {"step": "remove", "columns": ["y", "colour"]},
        {"step": "impute_median"},
        {"step": "log", "columns": "long", "base": 10.0},
        {"step": "unknown"},
        {"step": "novel"},
        {"step": "dummy", "one_hot": True},
        {"step": "zv"},
        {"step": "interact", "columns": ["long", "wide"]},
        {"step": "center"},
        {"step": "scale", "factor": 2},
    ],
    "model": {
        "hidden_units": [5, 4],
        "activation": "tanh",
        "penalty": 0.01,
        "mixture": 0.25,
        "epochs": 6,
        "seeds": [7, 8, 9],
    },
    "engine": {
        "name": "keras3",
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True},
        "validation_split": 0.1,
    },
}


@pytest.mark.parametrize(
    "body", [CLASSES, DROPOUT, REGRESSION], ids=["every step", "dropout", "regression"]
)
def test_the_script_gives_the_models_weights(tmp_path: Path, body: dict[str, Any]) -> None:
    artifact, file = trained(tmp_path, body)
    theirs = printed_weights(tmp_path, artifact, file)
    assert [array.shape for array in theirs] == [array.shape for array in artifact.weights]
    largest = max(float(np.abs(array).max()) for array in artifact.weights)
    for mine, its in zip(artifact.weights, theirs, strict=True):
        assert np.abs(mine - its).max() <= TOLERANCE * largest


def test_a_limit_in_seconds_cannot_be_printed(tmp_path: Path) -> None:
    artifact, _ = trained(tmp_path, {**DROPOUT, "engine": {"max_seconds": 1000.0}})
    with pytest.raises(NotExportable, match="max_seconds"):
        python_script(artifact, "m@1")


def test_a_step_that_cannot_be_printed_is_named(tmp_path: Path) -> None:
    recipe = [{"step": "select", "columns": "zero"}, {"step": "spatialsign"}]
    artifact, _ = trained(tmp_path, {"recipe": recipe})
    with pytest.raises(NotExportable, match="step 'spatialsign' at place 2"):
        python_script(artifact, "m@1")
