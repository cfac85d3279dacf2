"""A table as people have them, from its upload to predictions: factors, dates, text and gaps."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.datasets import ColumnOptions, ReadOptions
from service.domain.errors import InvalidData, MissingValues
from service.domain.fit import FitSpec
from service.domain.jobs import Environment
from service.domain.resolve import resolve
from service.engine.artifact.publishing import publish
from service.engine.artifact.reading import read
from service.engine.prediction_csv import from_csv
from service.engine.prediction_rows import from_json
from service.engine.predictor import Predictor
from service.engine.task import CohortTask, FitTask, Source
from service.engine.training.fit import fit
from tests.executors.fits import stored

ROWS = 200
RECIPE: list[dict[str, Any]] = [
    {"step": "naomit", "columns": "must"},
    {"step": "impute_median", "columns": "size of house"},
    {"step": "date", "features": ["month", "year"], "keep_original_cols": False},
    {"step": "novel", "columns": ["town", "sold_month"]},
    {"step": "unknown", "columns": "town"},
    {"step": "other", "columns": "town", "threshold": 0.15},
    {"step": "dummy"},
    {"step": "zv"},
    {"step": "normalize"},
]


def upload(folder: Path) -> Source:
    draws = np.random.default_rng(4)
    lines = ["size of house,must,town,grade,sold,price"]
    for row in range(ROWS):
        size = "NA" if row % 11 == 0 else f"{draws.normal(100, 20):.1f}"
        must = "NA" if row % 40 == 7 else f"{draws.normal():.3f}"
        town = "NA" if row % 13 == 0 else str(draws.choice(["Ash", "Birch", "Fir", "Oak"]))
        town = "Rare" if row == 5 else town
        sold = date(2020, 1, 1) + timedelta(days=int(draws.integers(0, 900)))
        grade = str(draws.choice(["low", "mid", "high"]))
        lines.append(f"{size},{must},{town},{grade},{sold},{draws.normal(3, 1):.3f}")
    csv = folder / "houses.csv"
    csv.write_text("\n".join(lines) + "\n")
    declared = {
        "grade": ColumnOptions(type="ordered", levels=["low", "mid", "high"]),
        "sold": ColumnOptions(type="date"),
    }
    return stored(csv, folder, ReadOptions(columns=declared))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return upload(tmp_path_factory.mktemp("houses"))


@pytest.fixture(scope="module")
def predictor(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    body = {
        "kind": "fit",
        "dataset": "houses",
        "outcome": "price",
        "recipe": RECIPE,
        "model": {"seeds": [1, 2, 3], "hidden_units": 4, "activation": "relu", "epochs": 2},
    }
    found = resolve(FitSpec.model_validate(body), source.dataset)
    assert not found.exact
    folder = tmp_path_factory.mktemp("model")
    staging = folder / "staging"
    staging.mkdir()
    task = FitTask(
        spec=found.spec, training=source, validation=None, evaluations=(), staging=staging
    )
    cohort = CohortTask(fits=(task,))
    (outcome,) = fit(cohort, Environment(device="cpu", versions={}), lambda _: None, lambda: False)
    assert outcome.fitted is not None
    # Five rows lack what no step fills in.
    assert "on 195 rows" in outcome.log[-1]
    path, sha256 = publish(staging, folder)
    return Predictor(read(folder / path, sha256))


ROW: dict[str, Any] = {
    "size of house": 120.5,
    "must": 0.5,
    "town": "Ash",
    "grade": "mid",
    "sold": "2021-03-31",
}
HEADER = "size of house,must,town,grade,sold\n"


def test_a_model_reads_raw_columns_and_fills_in_what_its_recipe_fills_in(
    predictor: Predictor,
) -> None:
    rows = [
        ROW,
        ROW | {"size of house": None},
        ROW | {"town": None},
        ROW | {"town": "Nowhere"},
        ROW | {"town": "Rare"},
        ROW | {"sold": "2031-12-31"},
    ]
    by_rows = predictor.predict(from_json({"rows": rows}, predictor.inputs)).numeric
    assert np.isfinite(by_rows).all()
    cells = "\n".join(
        ",".join("" if row[name] is None else str(row[name]) for name in ROW) for row in rows
    )
    by_csv = predictor.predict(from_csv((HEADER + cells).encode(), predictor.inputs)).numeric
    assert by_csv.tobytes() == by_rows.tobytes()
    # A rare town and an unknown one are the same to the recipe.
    assert by_rows[3] == by_rows[4]
    assert by_rows[0] != by_rows[3]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"must": None}, "row 2 of column 'must'.*a missing value"),
        ({"grade": None}, "row 2 of column 'grade'.*a missing value"),
        ({"grade": "top"}, "3 levels of column 'grade'.*in row 2.*'top'"),
        ({"sold": "yesterday"}, "a date such as 2020-01-31 in row 2.*'yesterday'"),
        ({"sold": 18000}, "a date such as 2020-01-31 in row 2"),
    ],
)
def test_what_the_recipe_does_not_fill_in_is_refused_by_row_and_column(
    predictor: Predictor, change: dict[str, Any], says: str
) -> None:
    with pytest.raises((MissingValues, InvalidData), match=says):
        predictor.predict(from_json({"rows": [ROW, ROW | change]}, predictor.inputs))
    cells = ["" if value is None else str(value) for value in (ROW | change).values()]
    text = HEADER + ",".join(map(str, ROW.values())) + "\n" + ",".join(cells) + "\n"
    with pytest.raises((MissingValues, InvalidData), match=says):
        predictor.predict(from_csv(text.encode(), predictor.inputs))
