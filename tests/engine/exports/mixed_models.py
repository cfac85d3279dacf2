"""Small fitted models of numbers, categories and gaps, with random weights, made without Keras."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.domain.datasets import ReadOptions
from service.domain.fit import FitSpec
from service.domain.network import network_of
from service.engine.artifact import Artifact
from service.engine.recipe import prep
from service.engine.tables.ingest import ingest
from service.engine.tables.table import Table
from tests.engine.fitted_models import random_weights

ROWS = 300
ARTIFACT = {"summary": "", "keras_bytes": b"", "versions": {}}
# Whatever an export can hold, on columns with gaps, rare levels and levels declared in an order.
WHOLE = (
    {"step": "zv"},
    {"step": "impute_mode", "columns": "colour"},
    {"step": "novel"},
    {"step": "unknown", "columns": "shape"},
    {"step": "other", "columns": "colour", "threshold": 0.2},
    {"step": "impute_mean", "columns": "long"},
    {"step": "impute_median", "columns": ["whole", "wide"]},
    {"step": "box_cox", "columns": "long"},
    {"step": "yeo_johnson", "columns": "wide"},
    {"step": "ratio", "columns": "whole", "denom": "long"},
    {"step": "dummy"},
    {"step": "nzv"},
    {"step": "range", "columns": ["whole", "wide"], "min": -1.0, "clipping": True},
    {"step": "normalize"},
    {"step": "corr"},
    {"step": "pca", "num_comp": 3, "columns": ["whole", "wide", "whole_o_long"]},
)


def table_text(rows: int = ROWS, seed: int = 5) -> str:
    """Return a CSV of y (3 classes), numbers with gaps and text with gaps and rare levels."""
    draw = np.random.default_rng(seed)
    lines = ["y,long,wide,whole,zero,colour,shape,size,flag,price,weight"]
    for _ in range(rows):
        cells = [
            str(draw.choice(["a", "b", "c"])),
            repr(float(draw.lognormal(2.0, 0.7))),
            repr(float(draw.normal(0.0, 30.0))),
            str(int(draw.integers(-3, 40))),
            "7",
            str(
                draw.choice(
                    ["red", "green", 'a "b", c', "ünique", "rare"], p=[0.4, 0.3, 0.2, 0.08, 0.02]
                )
            ),
            str(draw.choice(["round", "square"])),
            str(draw.choice(["small", "middle", "large"])),
            str(draw.choice(["TRUE", "FALSE"])),
            repr(float(draw.normal(3.0, 1.0))),
            str(int(draw.integers(0, 4))),
        ]
        for at in (1, 2, 3, 5, 6):
            if draw.random() < 0.07:
                cells[at] = "NA"
        lines.append(",".join(json_cell(cell) for cell in cells))
    return "\n".join(lines) + "\n"


def json_cell(text: str) -> str:
    """Return a CSV's cell, quoted where it must be."""
    return '"' + text.replace('"', '""') + '"' if '"' in text or "," in text else text


OPTIONS: dict[str, Any] = {
    "columns": {
        "y": {"type": "factor", "levels": ["c", "a", "b"]},
        "size": {"type": "ordered", "levels": ["small", "middle", "large"]},
    }
}


def mixed_model(
    folder: Path,
    steps: Sequence[dict[str, Any]] = WHOLE,
    *,
    outcome: str = "y",
    activation: str = "relu",
    text: str | None = None,
    **more: Any,
) -> tuple[Artifact, Table]:
    """Return a model of the table, and the table."""
    source = folder / "t.csv"
    source.write_text(text or table_text(), encoding="utf-8")
    found = ingest(source, folder, ReadOptions.model_validate_json(json.dumps(OPTIONS)))
    table = Table.open(folder / found.path)
    spec = FitSpec.model_validate(
        {
            "kind": "fit",
            "dataset": "t",
            "outcome": outcome,
            "mode": "classification" if outcome == "y" else "regression",
            "recipe": list(steps),
            "model": {"hidden_units": [7, 4], "activation": activation, "seeds": [1, 2, 3]},
            "engine": {"name": "keras3"},
        }
    )
    inputs = [column.name for column in found.columns if column.name != outcome]
    recipe = prep(spec.recipe, table, inputs)
    levels = table.category_levels(outcome) if outcome == "y" else None
    network = network_of(spec, len(recipe.outputs), len(levels) if levels else 1)
    made = Artifact(
        spec=spec,
        network=network,
        recipe=recipe,
        levels=levels,
        outcomes=spec.outcomes,
        columns=tuple(column for column in found.columns if column.name in inputs),
        weights=random_weights(network),
        **{**ARTIFACT, **more},
    )
    return made, table
