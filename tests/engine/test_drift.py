"""The population stability index: its formula, its bins, and what it says of a moved column."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.datasets import ReadOptions
from service.domain.errors import InvalidData
from service.engine.drift import MISSING, NEW, drift, psi
from service.engine.prediction_columns import InputColumns
from service.engine.tables.ingest import ingest
from service.engine.tables.table import Table


def stored(folder: Path, name: str, text: str) -> tuple[Table, Any]:
    source = folder / f"{name}.csv"
    source.write_text(text)
    told = ingest(source, folder / "datasets", ReadOptions())
    return Table.open(folder / "datasets" / told.sha256[:2] / f"{told.sha256}.arrow"), told.columns


def of_numbers(values: Any) -> str:
    return "x\n" + "\n".join("NA" if math.isnan(v) else repr(float(v)) for v in values) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "datasets").mkdir()
    return tmp_path


def test_the_index_is_the_formula() -> None:
    p, q = np.array([10.5, 30.5, 60.5]), np.array([25.5, 25.5, 0.5])
    p, q = p / 101.5, q / 51.5
    assert psi([10, 30, 60], [25, 25, 0]) == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert psi([10, 30, 60], [10, 30, 60]) == 0
    assert psi([10, 0, 30, 60], [25, 0, 25, 0]) == psi([10, 30, 60], [25, 25, 0])


def test_the_same_rows_have_not_moved_and_shifted_ones_have(folder: Path) -> None:
    draws = np.random.default_rng(3)
    values = draws.normal(size=2000)
    training, columns = stored(folder, "training", of_numbers(values))
    inputs = InputColumns(columns=columns, na=("", "NA"))
    (same,) = drift(training, training, inputs)
    assert (same.psi, same.verdict, len(same.bins)) == (0, "stable", 10)
    # Deciles: a tenth of the training rows in each, the upper end in it.
    assert [each.training for each in same.bins] == [200] * 10
    assert (same.bins[0].low, same.bins[-1].high) == (None, None)
    other, _ = stored(folder, "other", of_numbers(draws.normal(size=2000)))
    (near,) = drift(training, other, inputs)
    # Of equal distributions the index is about chi-squared(9) * 2 / 2000: its mean .009, and .03
    # is beyond its 0.9999 quantile.
    assert 0 < near.psi < 0.03
    moved, _ = stored(folder, "moved", of_numbers(values + 1))
    (far,) = drift(training, moved, inputs)
    # Of normal distributions one standard deviation apart the index without bins is 1.
    assert 0.7 < far.psi < 1
    assert far.verdict == "large"


def test_missing_values_and_a_column_of_few_values_have_their_bins(folder: Path) -> None:
    training, columns = stored(folder, "training", of_numbers([0.0] * 90 + [5.0] * 10))
    new, _ = stored(folder, "new", of_numbers([0.0] * 50 + [7.0] * 30 + [math.nan] * 20))
    (found,) = drift(training, new, InputColumns(columns=columns, na=("", "NA")))
    assert [(each.low, each.high, each.label, each.training, each.new) for each in found.bins] == [
        (None, 0.0, None, 90, 50),
        (0.0, None, None, 10, 30),
        (None, None, MISSING, 0, 20),
    ]


def test_levels_are_bins_and_one_that_training_did_not_have_is_told(folder: Path) -> None:
    training, columns = stored(folder, "training", "t,z\n" + "u,1\n" * 60 + "v,1\n" * 40)
    new, _ = stored(folder, "new", "z,t\n" + "1,u\n" * 30 + "1,w\n" * 20 + "1,\n" * 10)
    found = drift(training, new, InputColumns(columns=columns, na=("", "NA")))
    assert [each.column for each in found] == ["t", "z"]
    assert [(each.label, each.training, each.new) for each in found[0].bins] == [
        ("u", 60, 30),
        ("v", 40, 0),
        (NEW, 0, 20),
        (MISSING, 0, 10),
    ]
    assert found[1].psi == 0


def test_a_table_without_a_column_is_refused_by_its_name(folder: Path) -> None:
    training, columns = stored(folder, "training", "x,z\n1,2\n3,4\n")
    new, _ = stored(folder, "new", "x,y\n1,2\n3,4\n")
    with pytest.raises(InvalidData, match="'z'"):
        drift(training, new, InputColumns(columns=columns, na=("", "NA")))
