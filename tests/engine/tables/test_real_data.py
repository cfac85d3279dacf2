"""The chapter's files and four others: every fact that golden.md states of them (G1 to G8)."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.datasets import Ingested, ReadOptions
from service.engine.looks import Look, look
from service.engine.tables.ingest import ingest
from service.engine.tables.storage import canonical_path
from service.engine.tables.table import Table

# The first test of each file also waits for its reading.
pytestmark = pytest.mark.timeout(60)

LEVELS = [str(digit) for digit in range(10)]
FACTOR = ReadOptions.model_validate({"columns": {"y": {"type": "factor", "levels": LEVELS}}})


def _runs(*runs: tuple[int, int]) -> list[str]:
    return [f"x{at}" for low, high in runs for at in range(low, high + 1)]


# G8
CONSTANT = _runs(
    (1, 12), (17, 32), (53, 58), (83, 86), (112, 113), (141, 142), (169, 169), (477, 477),
    (561, 561), (645, 646), (672, 674), (700, 702), (728, 731), (755, 760), (781, 784),
)  # fmt: skip


class Stored:
    """One of the chapter's files as it was stored."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.ingested: Ingested = ingest(source, folder, FACTOR)
        self.path = canonical_path(folder, self.ingested.sha256)
        self.table = Table.open(self.path)
        self.pixels = np.stack([self.table.numeric(f"x{at}") for at in range(1, 785)], axis=1)


@pytest.fixture(scope="module")
def train(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return Stored(shared_data / "mnist_train.csv.gz", tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def held_out(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return Stored(shared_data / "mnist_test.csv.gz", tmp_path_factory.mktemp("test"))


def test_g1_dims(train: Stored, held_out: Stored) -> None:
    assert (train.ingested.n_rows, len(train.ingested.columns)) == (60_000, 785)
    assert (held_out.ingested.n_rows, len(held_out.ingested.columns)) == (10_000, 785)


def test_g2_g3_g5_labels(train: Stored, held_out: Stored) -> None:
    counts = np.bincount(train.table.codes("y"))
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    counts = np.bincount(held_out.table.codes("y"))
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert "".join(str(label) for label in train.table.strings("y", slice(0, 10))) == "5041921314"
    assert train.table.strings("y", np.array([0, 2, 9, 99])) == ["5", "4", "4", "1"]
    assert held_out.table.strings("y", slice(0, 1)) == ["7"]
    assert train.table.levels("y") == tuple(LEVELS)


def test_g4_props(train: Stored, held_out: Stored) -> None:
    def props(stored: Stored) -> list[float]:
        counted = json.loads(look(stored.table, Look(what="tab", columns=("y",))))["data"]
        return [level["prop"] for level in counted]

    told = [0.0987, 0.1124, 0.0993, 0.1022, 0.0974, 0.09035, 0.0986, 0.1044, 0.0975, 0.09915]
    assert props(train) == pytest.approx(told, abs=5e-5)
    told = [0.0980, 0.1135, 0.1032, 0.1010, 0.0982, 0.0892, 0.0958, 0.1028, 0.0974, 0.1009]
    assert props(held_out) == pytest.approx(told, abs=1e-12)


def test_g6_g7_pixels(train: Stored, held_out: Stored) -> None:
    assert train.pixels[[0, 2, 9, 99]].sum(axis=1).tolist() == [27525, 19443, 21904, 12843]
    assert held_out.pixels[0].sum() == 18454
    assert (train.pixels.sum(), held_out.pixels.sum()) == (1567298545, 264923200)
    assert train.pixels.mean() == pytest.approx(33.318421, abs=5e-7)
    # Of 47 million pixels; here the fact is with n, not n - 1.
    assert train.pixels.std() == pytest.approx(78.567490, abs=5e-7)
    assert (train.pixels == 0).mean() == pytest.approx(0.8088, abs=5e-5)


def test_g8_g9_g11_profile(train: Stored, held_out: Stored) -> None:
    profile = {column.name: column for column in train.ingested.columns}
    assert [name for name, column in profile.items() if column.n_unique == 1] == CONSTANT
    assert all(profile[name].min == profile[name].max == 0 for name in CONSTANT)
    assert sum(column.n_unique == 1 for column in held_out.ingested.columns) == 116
    for name, mean, sd in (
        ("x435", 135.689433, 112.616132),
        ("x407", 130.26725, 113.728148),
        ("x379", 111.371833, 113.814008),
        ("x170", 0.000183, 0.032914),
        ("x13", 0.0021, 0.475324),
    ):
        assert profile[name].mean == pytest.approx(mean, abs=5e-7)
        assert profile[name].sd == pytest.approx(sd, abs=5e-7)


def test_g17_near_zero_variance_is_seen_in_the_profile(train: Stored) -> None:
    # recipes' rule: a ratio over 95/5 and at most 10 % distinct values.
    removed = [
        column.name
        for column in train.ingested.columns
        if column.is_numeric
        and (
            column.n_unique == 1
            or (column.top_counts[0] / column.top_counts[1] > 95 / 5 and column.n_unique <= 6000)
        )
    ]
    assert len(removed) == 535


def test_a_pixel_takes_a_byte(train: Stored) -> None:
    stored = {str(train.table.column(f"x{at}").type) for at in range(1, 785)}
    assert stored == {"uint8"}
    # 784 bytes and a label of 4 a row; schema and levels are little beside them.
    assert train.ingested.bytes < 60_000 * 788 * 1.01
    assert hashlib.sha256(train.path.read_bytes()).hexdigest() == train.ingested.sha256


def test_the_pixels_are_those_of_the_original_archive(
    train: Stored, held_out: Stored, shared_data: Path
) -> None:
    with np.load(shared_data / "mnist.npz", allow_pickle=False) as archive:
        for stored, part in ((train, "train"), (held_out, "test")):
            np.testing.assert_array_equal(stored.pixels, archive[f"x_{part}"].reshape(-1, 784))
            np.testing.assert_array_equal(stored.table.codes("y"), archive[f"y_{part}"])


def test_the_same_rows_unpacked_or_in_parquet_are_the_same_file(
    held_out: Stored, shared_data: Path, tmp_path: Path
) -> None:
    import pandas as pd

    plain = tmp_path / "plain"
    plain.write_bytes(gzip.decompress((shared_data / "mnist_test.csv.gz").read_bytes()))
    assert ingest(plain, tmp_path, FACTOR).sha256 == held_out.ingested.sha256
    frame = pd.read_csv(plain, dtype=np.float32)
    frame.to_parquet(tmp_path / "parquet")
    assert ingest(tmp_path / "parquet", tmp_path, FACTOR).sha256 == held_out.ingested.sha256


def _profile(shared_data: Path, name: str, folder: Path, **options: Any) -> dict[str, Any]:
    ingested = ingest(shared_data / name, folder, ReadOptions.model_validate(options))
    found: dict[str, Any] = {column.name: column for column in ingested.columns}
    found["rows"] = ingested.n_rows
    return found


def test_penguins(shared_data: Path, tmp_path: Path) -> None:
    found = _profile(shared_data, "penguins.csv", tmp_path)
    assert found.pop("rows") == 344
    assert {name: (column.type, column.n_missing) for name, column in found.items()} == {
        "species": ("text", 0),
        "island": ("text", 0),
        "bill_length_mm": ("numeric", 2),
        "bill_depth_mm": ("numeric", 2),
        "flipper_length_mm": ("numeric", 2),
        "body_mass_g": ("numeric", 2),
        "sex": ("text", 11),
        "year": ("numeric", 0),
    }
    assert found["sex"].levels == ("female", "male")
    assert found["body_mass_g"].mean == pytest.approx(4201.754385964912)


def test_ames_keeps_codes_with_leading_zeros_as_text(shared_data: Path, tmp_path: Path) -> None:
    found = _profile(shared_data, "ames.csv", tmp_path)
    assert found.pop("rows") == 2925
    assert len(found) == 82
    # readr reads both as character, too.
    assert (found["PID"].type, found["PID"].n_unique) == ("text", 2925)
    assert found["MS SubClass"].levels[:3] == ("020", "030", "040")
    assert (found["Alley"].type, found["Alley"].n_missing) == ("text", 2727)
    assert (found["Lot Frontage"].type, found["Lot Frontage"].n_missing) == ("numeric", 490)
    assert found["SalePrice"].type == "numeric"
    # Some cells of the file carry a blank at their end.
    assert "WD" in found["Sale Type"].levels


def test_adult(shared_data: Path, tmp_path: Path) -> None:
    train = _profile(shared_data, "adult_train.csv", tmp_path)
    assert train.pop("rows") == 32_561
    assert {column.n_missing for column in train.values()} == {0}
    assert train["income"].levels == ("<=50K", ">50K")
    assert train["workclass"].levels[0] == "?"
    asked = _profile(shared_data, "adult_train.csv", tmp_path, na=["?"])
    assert asked["workclass"].n_missing == 1836
    assert asked["age"].n_missing == 0


def test_concrete(shared_data: Path, tmp_path: Path) -> None:
    found = _profile(shared_data, "concrete.csv", tmp_path)
    assert found.pop("rows") == 1030
    assert {column.type for column in found.values()} == {"numeric"}
    assert found["age"].n_unique == 14
    assert found["cement"].max == 540
