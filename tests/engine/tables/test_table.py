"""A stored table answers for any rows, in any order, from one batch or many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from service.domain.errors import InvalidSpec
from service.engine.recipe.source import ColumnSource
from service.engine.tables.storage import ColumnPlan
from service.engine.tables.table import Table
from service.engine.tables.writer import CanonicalWriter

N = 150_000  # three batches


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    rng = np.random.default_rng(42)
    holes = rng.random(N) < 0.2
    small = rng.integers(0, 250, N)
    real = rng.normal(size=N)
    code = rng.integers(0, 3, N)
    flag = rng.random(N) < 0.5
    word = np.array(["b", "ä", "a c"], dtype=object)[rng.integers(0, 3, N)]
    plans = [
        ColumnPlan(name="small", type="numeric", storage="uint8"),
        ColumnPlan(name="big", type="integer", storage="int64"),
        ColumnPlan(name="real", type="numeric", storage="float64"),
        ColumnPlan(name="kind", type="factor", storage="codes", levels=("z", "never", "y")),
        ColumnPlan(name="flag", type="logical", storage="bool"),
        ColumnPlan(name="word", type="text", storage="string"),
    ]
    arrays = [
        pa.array(small.astype(np.uint8), mask=holes),
        pa.array(np.arange(N) + 2**53),
        pa.array(real, mask=np.roll(holes, 1)),
        pa.array((code // 2 * 2).astype(np.int32), mask=np.roll(holes, 2)),
        pa.array(flag, mask=np.roll(holes, 3)),
        pa.array(word, pa.string(), mask=np.roll(holes, 4)),
    ]
    path = tmp_path_factory.mktemp("table") / "t.arrow"
    with CanonicalWriter(path, plans) as writer:
        writer.add(arrays)
    levels = ("z", "never", "y")
    expected = {plan.name: array.to_pylist() for plan, array in zip(plans, arrays, strict=True)}
    expected["kind"] = [None if code is None else levels[code] for code in expected["kind"]]
    return path, expected


@pytest.fixture(scope="module")
def table(written: tuple[Path, dict[str, list[Any]]]) -> Table:
    return Table.open(written[0])


SELECTIONS: list[slice | np.ndarray[Any, np.dtype[np.int64]] | None] = [
    None,
    slice(0, 5),
    slice(65_530, 65_545),
    slice(-3, None),
    slice(140_000, 20, -9_999),
    slice(5, 5),
    np.array([], dtype=np.int64),
    np.array([149_999, 0, 65_536, 65_535, 0, 131_072]),
    np.random.default_rng(1).permutation(N)[:5000],
]


def _picked(values: list[Any], rows: Any) -> list[Any]:
    if isinstance(rows, np.ndarray):
        return [values[row] for row in rows]
    return values[slice(None) if rows is None else rows]


@pytest.mark.parametrize("rows", SELECTIONS, ids=range(len(SELECTIONS)))
def test_any_rows_of_any_column(
    table: Table, written: tuple[Path, dict[str, list[Any]]], rows: Any
) -> None:
    _, expected = written
    for name in ("small", "big", "real", "flag"):
        want = np.array(_picked(expected[name], rows), dtype=np.float64)
        have = table.numeric(name, rows)
        assert have.dtype == np.float64
        np.testing.assert_array_equal(have, want)
    for name, levels in (
        ("kind", ["z", "never", "y"]),
        ("word", ["a c", "b", "ä"]),
        ("flag", [False, True]),
    ):
        have_codes = table.codes(name, rows)
        assert have_codes.dtype == np.int32
        want_codes = [
            -1 if value is None else levels.index(value) for value in _picked(expected[name], rows)
        ]
        np.testing.assert_array_equal(have_codes, want_codes)
    assert table.strings("kind", rows) == _picked(expected["kind"], rows)
    assert table.strings("word", rows) == _picked(expected["word"], rows)


def test_a_table_is_the_column_source_that_recipes_read(table: Table) -> None:
    source: ColumnSource = table
    assert source.n_rows == N
    assert list(source.types) == ["small", "big", "real", "kind", "flag", "word"]


def test_levels_are_declared_and_category_levels_are_for_every_nominal_column(
    table: Table,
) -> None:
    assert table.levels("kind") == ("z", "never", "y")
    assert table.levels("word") is None
    assert table.levels("real") is None
    assert table.category_levels("kind") == ("z", "never", "y")
    assert table.category_levels("word") == ("a c", "b", "ä")
    assert table.category_levels("flag") == ("FALSE", "TRUE")
    assert table.levels("word") is None


def test_records_are_json_values_of_1_based_rows(table: Table) -> None:
    (row,) = table.records(2, 1)
    kinds = {name: type(value) for name, value in row.items() if value is not None}
    assert kinds.get("small", int) is int
    assert row["big"] == 2**53 + 1
    assert kinds.get("real", float) is float
    assert kinds.get("flag", bool) is bool
    assert table.records(N, 10) == [table.records(N, 1)[0]]
    assert table.records(N + 1, 10) == []
    assert table.records(1, 0) == []
    across = table.records(65_535, 3)
    assert [record["big"] for record in across] == [2**53 + at for at in (65_534, 65_535, 65_536)]


def test_whole_numbers_have_no_decimals_as_text_or_json(reading: Any) -> None:
    stored = reading.table("x,y\n1.0,2.5\n3,12\n")
    assert stored.strings("x") == ["1", "3"]
    assert stored.strings("y") == ["2.5", "12"]
    assert [type(row["y"]) for row in stored.records(1, 2)] == [float, int]
    assert stored.strings("y", np.array([1, 0])) == ["12", "2.5"]


def test_logical_values_are_text_as_r_prints_them(reading: Any) -> None:
    stored = reading.table("x,y\nT,1\nNA,1\ntrue,1\n")
    assert stored.strings("x") == ["TRUE", None, "TRUE"]
    assert stored.category_levels("x") == ("TRUE",)
    assert stored.codes("x").tolist() == [0, -1, 0]


@pytest.mark.parametrize("row", [-1, N])
def test_a_position_outside_the_table_is_an_index_error(table: Table, row: int) -> None:
    with pytest.raises(IndexError, match="row positions from 0 to 149999"):
        table.numeric("small", np.array([0, row]))


def test_what_is_not_there_or_of_another_kind_is_refused(table: Table) -> None:
    with pytest.raises(InvalidSpec, match="Did you mean 'small'"):
        table.numeric("smal")
    with pytest.raises(InvalidSpec, match=r"a column of numbers\. Received 'word', which is text"):
        table.numeric("word")
    with pytest.raises(InvalidSpec, match=r"a column of categories\. Received 'real'"):
        table.codes("real")
    with pytest.raises(InvalidSpec, match="start from 1"):
        table.records(0, 5)


def test_reading_a_table_imports_neither_pandas_nor_the_parsers(
    written: tuple[Path, dict[str, list[Any]]],
) -> None:
    program = f"""
import sys
import numpy as np
from pathlib import Path
from service.engine.tables.table import Table
assert "pyarrow" not in sys.modules
table = Table.open(Path({str(written[0])!r}))
rows = np.array([5, 140_000])
table.numeric("small", rows), table.numeric("real"), table.codes("word"), table.codes("flag")
table.strings("word", rows), table.records(1, 5), table.category_levels("kind")
print(sorted({{"pandas", "scipy", "sklearn", "pyarrow.parquet", "pyarrow.csv"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
