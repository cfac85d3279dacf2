"""The datasets that libraries ship, as R users know them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from service.domain.datasets import Builtin, BuiltinRequest, Ingested
from service.domain.errors import InvalidSpec
from service.engine.tables.ingest import ingest_builtin
from service.engine.tables.storage import canonical_path
from service.engine.tables.table import Table


def _stored(name: Builtin, folder: Path, part: str = "train") -> tuple[Ingested, Table]:
    request = BuiltinRequest.model_validate({"name": name, "builtin": name, "part": part})
    ingested = ingest_builtin(request, folder)
    return ingested, Table.open(canonical_path(folder, ingested.sha256))


def test_digits_have_two_fixed_parts(tmp_path: Path) -> None:
    first, train = _stored("digits", tmp_path)
    second, test = _stored("digits", tmp_path, "test")
    assert (first.n_rows, second.n_rows) == (1437, 360)
    images, labels = datasets.load_digits(return_X_y=True)
    names = ["y", *(f"x{pixel}" for pixel in range(1, 65))]
    assert list(train.types) == list(test.types) == names
    for table, rows in ((train, slice(0, 1437)), (test, slice(1437, None))):
        assert table.levels("y") == tuple("0123456789")
        assert table.types["x1"] == "numeric"
        np.testing.assert_array_equal(table.codes("y"), labels[rows])
        pixels = np.stack([table.numeric(name) for name in names[1:]], axis=1)
        np.testing.assert_array_equal(pixels, images[rows])
    # Every digit is in the test part often enough to be judged.
    assert np.bincount(test.codes("y")).min() >= 30


def test_iris_has_r_s_names(tmp_path: Path) -> None:
    _, table = _stored("iris", tmp_path)
    assert list(table.types.items()) == [
        ("Sepal.Length", "numeric"),
        ("Sepal.Width", "numeric"),
        ("Petal.Length", "numeric"),
        ("Petal.Width", "numeric"),
        ("Species", "factor"),
    ]
    assert table.levels("Species") == ("setosa", "versicolor", "virginica")
    # R's rows 1, 35 and 38 (the last two differ in the UCI file).
    assert [list(table.records(row, 1)[0].values())[:4] for row in (1, 35, 38)] == [
        [5.1, 3.5, 1.4, 0.2],
        [4.9, 3.1, 1.5, 0.2],
        [4.9, 3.6, 1.4, 0.1],
    ]


@pytest.mark.parametrize(
    ("name", "rows", "first", "outcome", "levels"),
    [
        ("wine", 178, "alcohol", "class", ("class_0", "class_1", "class_2")),
        ("breast_cancer", 569, "mean_radius", "diagnosis", ("malignant", "benign")),
        ("diabetes", 442, "age", "y", None),
    ],
)
def test_the_others_have_their_columns_first_and_the_outcome_last(
    tmp_path: Path,
    name: Builtin,
    rows: int,
    first: str,
    outcome: str,
    levels: tuple[str, ...] | None,
) -> None:
    ingested, table = _stored(name, tmp_path)
    assert ingested.n_rows == rows
    names = list(table.types)
    assert (names[0], names[-1]) == (first, outcome)
    assert table.levels(outcome) == levels
    assert not any(" " in column for column in names)
    assert {column.n_missing for column in ingested.columns} == {0}


def test_breast_cancer_has_357_benign(tmp_path: Path) -> None:
    _, table = _stored("breast_cancer", tmp_path)
    assert np.bincount(table.codes("diagnosis")).tolist() == [212, 357]


def test_diabetes_is_in_its_units(tmp_path: Path) -> None:
    _, table = _stored("diabetes", tmp_path)
    assert table.records(1, 1)[0]["age"] == 59
    assert table.numeric("y")[:2].tolist() == [151, 75]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_a_set_without_parts_has_no_test_part(tmp_path: Path, name: Builtin) -> None:
    with pytest.raises(InvalidSpec, match=f"'{name}', which has no parts"):
        _stored(name, tmp_path, "test")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_same_set_twice_is_the_same_file(tmp_path: Path) -> None:
    assert _stored("wine", tmp_path)[0].sha256 == _stored("wine", tmp_path)[0].sha256
