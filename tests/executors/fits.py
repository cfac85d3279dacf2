"""Tasks for executors: a table of 400 rows with four classes, and fits of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from service.domain.datasets import Dataset, ReadOptions
from service.domain.fit import FitSpec
from service.domain.resolve import resolve
from service.engine.tables.ingest import ingest
from service.engine.tables.storage import canonical_path
from service.engine.task import CohortTask, FitTask, Source


def table(folder: Path, *, hole: bool = False) -> Source:
    """Store a table; with `hole` a recipe's result would be infinite in one row."""
    draws = np.random.default_rng(8)
    x = draws.normal(size=(400, 6))
    labels = np.array(["ash", "birch", "cedar", "fir"])[np.argmax(x[:, :4], axis=1)]
    lines = ["x1,x2,x3,x4,x5,x6,y"]
    lines += [",".join([*map(str, row), label]) for row, label in zip(x, labels, strict=True)]
    if hole:
        lines[-1] = lines[-1].replace(lines[-1].split(",")[0], "1e300", 1)
    source = folder / "table.csv"
    source.write_text("\n".join(lines) + "\n")
    return stored(source, folder)


def stored(path: Path, folder: Path, options: ReadOptions | None = None) -> Source:
    """Store a CSV file as a dataset of the file's name."""
    found = ingest(path, folder / "datasets", options or ReadOptions())
    dataset = Dataset(
        id=f"ds_{path.stem}",
        name=path.stem,
        n_rows=found.n_rows,
        n_columns=len(found.columns),
        sha256=found.sha256,
        created_at=datetime(2026, 11, 24, tzinfo=UTC),
        columns=found.columns,
    )
    return Source(path=canonical_path(folder / "datasets", found.sha256), dataset=dataset)


def task(source: Source, staging: Path, **changes: Any) -> FitTask:
    """A fit of the table, resolved; `changes` replace parts of its body."""
    body = {
        "kind": "fit",
        "dataset": "table",
        "outcome": "y",
        "recipe": [{"step": "normalize"}],
        "model": {"seeds": [1, 2, 3], "hidden_units": 5, "activation": "relu", "epochs": 3},
        "evaluate": [{"dataset": "table", "metrics": ["accuracy"]}],
        **changes,
    }
    spec = FitSpec.model_validate(body)
    resolved = resolve(spec, source.dataset, None, {"table": source.dataset}).spec
    staging.mkdir(parents=True, exist_ok=True)
    return FitTask(
        spec=resolved,
        training=source,
        validation=None,
        evaluations=(source,) * len(resolved.evaluate),
        staging=staging,
    )


def alone(fit: FitTask) -> CohortTask:
    """A cohort of one fit that keeps no checkpoints."""
    return CohortTask(fits=(fit,))
