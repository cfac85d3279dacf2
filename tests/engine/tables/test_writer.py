"""The canonical file: its batches, its bytes under nulls, and how it gets its name."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from service.engine.tables.storage import FIELD_KEY, ColumnPlan, batch_rows, narrowest
from service.engine.tables.table import Table
from service.engine.tables.writer import CanonicalWriter, publish, scratch_file


def _write(path: Path, plans: list[ColumnPlan], blocks: Iterable[list[Any]]) -> Path:
    with CanonicalWriter(path, plans) as writer:
        for block in blocks:
            writer.add(block)
    return path


def test_batches_of_a_wide_table_are_smaller_and_do_not_depend_on_the_blocks(
    tmp_path: Path,
) -> None:
    plans = [ColumnPlan(name=f"x{n}", type="numeric", storage="float64") for n in range(4000)]
    # 64 MiB of 4,000 doubles are 2,097 rows.
    assert batch_rows(plans) == 2097
    values = pa.array(np.random.default_rng(3).normal(size=2200))
    whole = _write(tmp_path / "whole", plans, [[values] * 4000])
    cuts = [0, 1, 700, 2096, 2097, 2200]
    blocks = [
        [values.slice(start, stop - start)] * 4000 for start, stop in itertools.pairwise(cuts)
    ]
    cut = _write(tmp_path / "cut", plans, blocks)
    assert whole.read_bytes() == cut.read_bytes()
    table = Table.open(whole)
    assert [len(chunk) for chunk in table.column("x7").chunks] == [2097, 103]
    rows = np.array([2199, 0, 2096, 2097, 0])
    expected = values.to_numpy()[rows].tolist()
    assert table.numeric("x3999", rows).tolist() == expected


@pytest.mark.parametrize(
    ("low", "high", "storage"),
    [
        (0, 0, "uint8"),
        (0, 255, "uint8"),
        (0, 256, "int16"),
        (-1, 255, "int16"),
        (-32768, 32767, "int16"),
        (-32769, 0, "int32"),
        (0, 2**31 - 1, "int32"),
        (0, 2**31, "int64"),
        (-(2**63), 2**63 - 1, "int64"),
    ],
)
def test_whole_numbers_are_stored_as_narrow_as_they_fit(low: int, high: int, storage: str) -> None:
    assert narrowest(low, high) == storage


@pytest.mark.parametrize(
    ("plan", "one", "other"),
    [
        (
            ColumnPlan(name="v", type="numeric", storage="int16"),
            pa.array(np.array([1, 777, 3], np.int16), mask=np.array([False, True, False])),
            pa.array([1, None, 3], pa.int16()),
        ),
        (
            ColumnPlan(name="v", type="text", storage="string"),
            # A null that hides three bytes: offsets 0, 1, 4, 5.
            pa.Array.from_buffers(
                pa.string(),
                3,
                [
                    pa.py_buffer(b"\x05"),
                    pa.py_buffer(np.array([0, 1, 4, 5], np.int32)),
                    pa.py_buffer(b"axyzb"),
                ],
            ),
            pa.array(["a", None, "b"]),
        ),
        (
            ColumnPlan(name="v", type="text", storage="string"),
            # Bytes before the first offset and after the last.
            pa.Array.from_buffers(
                pa.string(),
                2,
                [None, pa.py_buffer(np.array([2, 3, 4], np.int32)), pa.py_buffer(b"zzabzz")],
            ),
            pa.array(["a", "b"]),
        ),
        (
            ColumnPlan(name="v", type="logical", storage="bool"),
            pa.Array.from_buffers(pa.bool_(), 3, [pa.py_buffer(b"\x05"), pa.py_buffer(b"\xff")]),
            pa.array([True, None, True]),
        ),
        (
            ColumnPlan(name="v", type="factor", storage="codes", levels=("a", "b")),
            pa.array(np.array([1, 9, 0], np.int32), mask=np.array([False, True, False])),
            pa.array([1, None, 0], pa.int32()),
        ),
    ],
)
def test_what_lies_under_a_null_does_not_change_the_bytes(
    tmp_path: Path, plan: ColumnPlan, one: Any, other: Any
) -> None:
    assert one.to_pylist() == other.to_pylist()
    first = _write(tmp_path / "one", [plan], [[one]])
    second = _write(tmp_path / "other", [plan], [[other]])
    assert first.read_bytes() == second.read_bytes()


def test_the_schema_says_our_types_and_levels(tmp_path: Path) -> None:
    plans = [
        ColumnPlan(name="y", type="ordered", storage="codes", levels=("lo", "hé")),
        ColumnPlan(name="x.1", type="integer", storage="uint8"),
    ]
    block = [pa.array([1], pa.int32()), pa.array([7], pa.uint8())]
    schema = pa.ipc.open_file(str(_write(tmp_path / "t", plans, [block]))).schema
    said = [json.loads(field.metadata[FIELD_KEY]) for field in schema]
    assert said == [{"type": "ordered", "levels": ["lo", "hé"]}, {"type": "integer"}]
    assert schema.field("y").type == pa.dictionary(pa.int32(), pa.string(), ordered=True)


def test_a_published_file_is_named_by_its_content_and_publishing_again_changes_nothing(
    tmp_path: Path,
) -> None:
    plan = ColumnPlan(name="v", type="numeric", storage="uint8")
    names = set()
    for _ in range(2):
        with scratch_file(tmp_path) as path:
            _write(path, [plan], [[pa.array([1, 2], pa.uint8())]])
            sha256, size = publish(path, tmp_path)
        target = tmp_path / sha256[:2] / f"{sha256}.arrow"
        assert hashlib.sha256(target.read_bytes()).hexdigest() == sha256
        assert target.stat().st_size == size
        names.add(target)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == list(names)


def test_no_file_is_left_of_a_writing_that_fails(tmp_path: Path) -> None:
    plan = ColumnPlan(name="v", type="numeric", storage="uint8")

    def half() -> Iterator[list[Any]]:
        yield [pa.array([1], pa.uint8())]
        raise RuntimeError("half way")

    def write() -> None:
        with scratch_file(tmp_path) as path:
            _write(path, [plan], half())

    with pytest.raises(RuntimeError, match="half way"):
        write()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
