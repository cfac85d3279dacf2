"""How far the exports are from the model: ONNX, bundle and SavedModel on 10,000 rows of adult.

    python benchmarks/exports.py --data FOLDER [--rows 10000]

FOLDER holds `adult_train.csv` and `adult_test.csv`. The network is fitted for real (two epochs) on
the training file, with a recipe that fills in gaps and takes new levels. The rows are of the test
file, over and over; of every twenty cells one is made missing, and of every twenty texts one a
level that the training rows did not have. Printed: rows, gaps, new levels, the largest difference
of a probability from what the service says of the same rows, rows with another class, and the
file's size.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.util
import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

RECIPE: list[dict[str, Any]] = [
    {"step": "impute_median"},
    {"step": "novel"},
    {"step": "unknown"},
    {"step": "other", "columns": "native_country", "threshold": 0.01},
    {"step": "dummy"},
    {"step": "zv"},
    {"step": "yeo_johnson", "columns": ["age", "hours_per_week"]},
    {"step": "normalize"},
]


def main() -> None:
    """Fit, export, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000)
    given = parser.parse_args()
    from service.engine.training import runtime

    runtime.configure(device="cpu", threads=1)
    from service.engine.exports.bundle import bundle
    from service.engine.exports.onnx_model import feeds, onnx_model
    from service.engine.exports.portable import portable
    from service.engine.prediction_rows import from_json
    from service.engine.predictor import Predictor
    from service.engine.recipe import bake
    from service.engine.training.saved_model import saved_model, served

    with tempfile.TemporaryDirectory() as folder:
        artifact = _fitted(given.data / "adult_train.csv", Path(folder))
    model, predictor = portable(artifact), Predictor(artifact)
    inputs = predictor.inputs
    cells, gaps, new = _cells(given.data / "adult_test.csv", inputs, given.rows)
    print(
        f"{given.rows} rows, {gaps} missing cells, {new} new levels, {len(model.outputs)} columns"
    )
    data = [list(row) for row in zip(*(cells[name] for name in inputs.names), strict=True)]
    rows = from_json({"columns": list(inputs.names), "data": data}, inputs)
    ours = predictor.predict(rows)

    def told(name: str, prob: Any, classes: list[str | None], size: int) -> None:
        difference = float(np.abs(prob.astype(np.float64) - ours.raw).max())
        others = sum(a != b for a, b in zip(classes, ours.classes, strict=True))
        print(f"{name:<12} difference {difference:.1e}  other classes {others}  {size:>9,} bytes")

    import onnxruntime

    content = onnx_model(model, "adult")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    classes, prob = session.run(["class", "prob"], feeds(model, cells))
    told("ONNX", prob, [name or None for name in classes.tolist()], len(content))
    content = bundle(model, "adult")
    found = _scored(content, [dict(zip(inputs.names, row, strict=True)) for row in data])
    told("bundle", found["prob"], found["class"], len(content))
    content = saved_model(artifact)
    prob = served(content, bake(artifact.recipe, rows))
    levels = artifact.levels or ()
    told("SavedModel", prob, [levels[at] for at in prob.argmax(axis=1).tolist()], len(content))


def _fitted(path: Path, folder: Path) -> Any:
    from service.domain.datasets import Dataset, ReadOptions
    from service.domain.fit import FitSpec
    from service.domain.resolve import resolve
    from service.engine.artifact import read
    from service.engine.tables.ingest import ingest
    from service.engine.task import CohortTask, FitTask, Source
    from service.engine.training import runtime
    from service.engine.training.fit import fit

    options = ReadOptions(na=["", "NA", "?"])
    found = ingest(path, folder, options)
    dataset = Dataset.model_validate(
        {
            **found.model_dump(include={"sha256", "n_rows", "columns"}),
            "id": "ds_adult",
            "name": "adult",
            "n_columns": len(found.columns),
            "created_at": "2026-11-28T00:00:00Z",
        }
    )
    body = {
        "kind": "fit",
        "dataset": "adult",
        "outcome": "income",
        "recipe": RECIPE,
        "model": {"hidden_units": 30, "activation": "relu", "epochs": 2, "seeds": [1, 2, 3]},
    }
    spec = resolve(FitSpec.model_validate(body), dataset).spec
    task = FitTask(
        spec=spec,
        training=Source(path=folder / found.path, dataset=dataset),
        validation=None,
        evaluations=(),
        staging=folder / "artifact",
        na=tuple(options.na),
    )
    (folder / "artifact").mkdir()
    fit(CohortTask(fits=(task,)), runtime.environment(1), lambda _: None, lambda: False)
    manifest = (folder / "artifact" / "manifest.json").read_bytes()
    return read(folder / "artifact", hashlib.sha256(manifest).hexdigest())


def _cells(path: Path, inputs: Any, n_rows: int) -> tuple[dict[str, list[Any]], int, int]:
    draw = np.random.default_rng(20_261_128)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells: dict[str, list[Any]] = {}
    gaps = new = 0
    for column in inputs.columns:
        found: list[Any] = []
        levels = set(column.levels or ())
        for at, chance in enumerate(draw.random(n_rows).tolist()):
            text = rows[at % len(rows)][column.name].strip()
            missing = text in inputs.na or chance < 0.05
            if missing:
                found.append(None)
            elif column.is_numeric:
                found.append(float(text))
            else:
                found.append("never seen" if chance > 0.95 else text)
                new += found[-1] not in levels
            gaps += missing
        cells[column.name] = found
    return cells, gaps, new


def _scored(content: bytes, rows: list[dict[str, Any]]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        spec = importlib.util.spec_from_file_location("scorer", Path(folder) / "scorer.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError("the bundle has no scorer.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found: dict[str, Any] = module.Scorer().predict(rows)
    return found


if __name__ == "__main__":
    main()
