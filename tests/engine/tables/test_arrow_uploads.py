"""Parquet and Arrow IPC: types are kept, bombs are refused by their footer, damage is refused."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.domain.datasets import ReadLimits
from service.domain.errors import FitpointError, InvalidSpec, TooLarge, UnreadableFile

Pack = Callable[[Any], bytes]


def _parquet(table: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=700)
    return sink.getvalue()


def _ipc_file(table: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    return sink.getvalue()


def _ipc_stream(table: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    return sink.getvalue()


@pytest.fixture(params=[_parquet, _ipc_file, _ipc_stream], ids=["parquet", "file", "stream"])
def pack(request: pytest.FixtureRequest) -> Pack:
    chosen: Pack = request.param
    return chosen


def test_every_known_type_keeps_its_meaning(reading: Any, pack: Pack) -> None:
    table = pa.table(
        {
            "i8": pa.array([1, None, -3], pa.int8()),
            "u64": pa.array([1, 2, 2**63 - 1], pa.uint64()),
            "f32": pa.array([0.5, None, float("nan")], pa.float32()),
            "whole": pa.array([1.0, 2.0, 300.0]),
            "b": pa.array([True, None, False]),
            "s": pa.array(["x", None, "NA"]),
            "ls": pa.array(["x", " y ", ""], pa.large_string()),
            "d": pa.DictionaryArray.from_arrays(
                pa.array([2, None, 0], pa.int8()), pa.array(["hi", "lo", "mid"])
            ),
            "n": pa.nulls(3),
            "Sepal.Length": pa.array([1.5, 2.5, 3.5]),
            "Sepal": pa.array([1, 2, 3]),
        }
    )
    stored = reading.table(pack(table))
    assert dict(stored.types) == {
        "i8": "integer",
        "u64": "integer",
        "f32": "numeric",
        "whole": "numeric",
        "b": "logical",
        "s": "text",
        "ls": "text",
        "d": "factor",
        "n": "logical",
        "Sepal.Length": "numeric",
        "Sepal": "integer",
    }
    assert stored.levels("d") == ("hi", "lo", "mid")
    assert stored.records(1, 3) == [
        {
            "i8": 1, "u64": 1, "f32": 0.5, "whole": 1, "b": True, "s": "x", "ls": "x",
            "d": "mid", "n": None, "Sepal.Length": 1.5, "Sepal": 1,
        },
        {
            "i8": None, "u64": 2, "f32": None, "whole": 2, "b": None, "s": None, "ls": " y ",
            "d": None, "n": None, "Sepal.Length": 2.5, "Sepal": 2,
        },
        {
            "i8": -3, "u64": 2**63 - 1, "f32": None, "whole": 300, "b": False, "s": "NA", "ls": "",
            "d": "hi", "n": None, "Sepal.Length": 3.5, "Sepal": 3,
        },
    ]  # fmt: skip


def test_a_table_is_the_same_file_whichever_way_it_came(reading: Any) -> None:
    rng = np.random.default_rng(11)
    n = 3000

    def holes() -> Any:
        return rng.random(n) < 0.1

    words = [str(rng.choice(["u", "v w", "ü"])) for _ in range(n)]
    table = pa.table(
        {
            "i": pa.array(rng.integers(-500, 70_000, n), mask=holes()),
            "f": pa.array(rng.normal(size=n), mask=holes()),
            "s": pa.array(np.array(words, dtype=object), pa.string(), mask=holes()),
            "b": pa.array(rng.random(n) < 0.5, mask=holes()),
        }
    )
    hashes = {reading.ingest(pack(table)).sha256 for pack in (_parquet, _ipc_file, _ipc_stream)}
    stored = reading.open(reading.ingest(_parquet(table)))
    said = {None: "NA", True: "T", False: "F"}
    lines = [
        f"{row['i'] if row['i'] is not None else 'NA'},"
        f"{row['f'] if row['f'] is not None else 'NA'},{row['s'] or 'NA'},{said[row['b']]}"
        for row in stored.records(1, n)
    ]
    csv = "i,f,s,b\n" + "\n".join(lines) + "\n"
    hashes.add(reading.ingest(csv, block=900, columns={"i": {"type": "integer"}}).sha256)
    assert len(hashes) == 1


def test_numbers_that_change_after_the_first_block_are_stored_right(
    reading: Any, pack: Pack
) -> None:
    values = np.concatenate((np.ones(70_000), [0.25]))
    stored = reading.table(pack(pa.table({"x": values, "y": np.arange(70_001)})))
    assert stored.numeric("x", slice(69_999, None)).tolist() == [1, 0.25]
    assert stored.numeric("y", np.array([70_000])).tolist() == [70_000]


def test_a_factor_gathers_the_levels_of_all_its_dictionaries(reading: Any) -> None:
    schema = pa.schema({"d": pa.dictionary(pa.int32(), pa.string())})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for words in (["b", "a"], ["c", "b"], ["unused", "a"]):
            codes = pa.array([0, 1], pa.int32())
            part = pa.DictionaryArray.from_arrays(codes, pa.array(words))
            writer.write_batch(pa.record_batch([part], schema=schema))
    stored = reading.table(sink.getvalue())
    assert stored.levels("d") == ("b", "a", "c", "unused")
    assert stored.strings("d") == ["b", "a", "c", "b", "unused", "a"]


def test_an_ordered_categorical_of_pandas_keeps_order_and_unused_levels(
    reading: Any, pack: Pack
) -> None:
    import pandas as pd

    kinds = pd.CategoricalDtype(["low", "mid", "high"], ordered=True)
    frame = pd.DataFrame({"y": pd.Series(["high", "low", None], dtype=kinds)})
    stored = reading.table(pack(pa.Table.from_pandas(frame, preserve_index=False)))
    assert stored.types["y"] == "ordered"
    assert stored.levels("y") == ("low", "mid", "high")
    assert stored.strings("y") == ["high", "low", None]


def test_a_declared_type_wins_over_the_file_s(reading: Any, pack: Pack) -> None:
    table = pa.table(
        {
            "digit": pa.array([5, 0, None], pa.int64()),
            "float": pa.array([3.0, 10.0, float("nan")]),
            "word": pa.array(["1", "2.5", "NA"]),
            "flag": pa.array([True, False, None]),
            "kind": pa.array(["b", "a", None]).dictionary_encode(),
            "whole": pa.array([1.0, 2.0, None]),
        }
    )
    levels = [str(digit) for digit in range(10)]
    stored = reading.table(
        pack(table),
        columns={
            "digit": {"type": "factor", "levels": levels},
            "float": {"type": "factor"},
            "word": {"type": "numeric"},
            "flag": {"type": "text"},
            "kind": {"type": "factor", "levels": ["a", "b", "c"]},
            "whole": {"type": "integer"},
        },
    )
    assert stored.levels("digit") == tuple(levels)
    assert stored.levels("float") == ("3", "10")
    assert stored.levels("kind") == ("a", "b", "c")
    assert stored.types["whole"] == "integer"
    assert stored.records(1, 3) == [
        {"digit": "5", "float": "3", "word": 1, "flag": "TRUE", "kind": "b", "whole": 1},
        {"digit": "0", "float": "10", "word": 2.5, "flag": "FALSE", "kind": "a", "whole": 2},
        dict.fromkeys(stored.types),
    ]


@pytest.mark.parametrize(
    ("values", "declared", "says"),
    [
        (pa.array([1, 2, 7]), {"type": "factor", "levels": ["1", "2"]}, "Received '7'"),
        (pa.array([1.0, 2.0, 2.5]), {"type": "integer"}, "a whole number"),
        (pa.array(["1", "2", "x"]), {"type": "numeric"}, "a number"),
        (pa.array([1.0, 2.0, float("inf")]), None, "a finite number"),
        (pa.array([1.0, 2.0, float("-inf")], pa.float32()), None, "a finite number"),
        (pa.array([1, 2, 2**63], pa.uint64()), None, "at most 2^63 - 1"),
        (pa.array(["a", "b", "c\0d"]), None, "a NUL character"),
        (pa.array(["a", "b", "c" * 65_537]), None, "at most 65536 bytes"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_row_and_column(
    reading: Any, pack: Pack, values: Any, declared: Any, says: str
) -> None:
    options = {} if declared is None else {"columns": {"v": declared}}
    with pytest.raises(UnreadableFile) as caught:
        reading.ingest(pack(pa.table({"v": values})), **options)
    assert caught.value.errors[0].loc == ("file", "row", 3, "column", "v")
    assert says in caught.value.detail
    assert reading.files() == []


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1], pa.duration("s")),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([b"x"]),
    ],
    ids=lambda values: str(values.type),
)
def test_other_types_are_refused_by_name(reading: Any, pack: Pack, values: Any) -> None:
    with pytest.raises(UnreadableFile) as caught:
        reading.ingest(pack(pa.table({"ok": [1], "odd": values})))
    assert caught.value.errors[0].loc == ("file", "column", "odd")
    assert "Convert column 'odd'" in caught.value.detail


def test_a_dictionary_of_other_values_is_refused_by_name(reading: Any) -> None:
    odd = pa.array([1.5]).dictionary_encode()
    with pytest.raises(UnreadableFile, match=r"Column 'odd': .* dictionary<values=double"):
        reading.ingest(_ipc_file(pa.table({"odd": odd})))


@pytest.mark.parametrize("names", [["a", "a"], ["a", ""], ["a", "n" * 257], ["a", "b\0c"]])
def test_bad_names_are_refused(reading: Any, names: list[str]) -> None:
    for pack in (_ipc_file, _ipc_stream):
        with pytest.raises(UnreadableFile, match="as column 2"):
            reading.ingest(pack(pa.table([[1], [2]], names=names)))


def test_more_than_4096_columns_are_refused(reading: Any, pack: Pack) -> None:
    wide = pa.table([[1]] * 4097, names=[f"x{n}" for n in range(4097)])
    with pytest.raises(UnreadableFile, match="at most 4096 columns"):
        reading.ingest(pack(wide))


def test_no_rows_are_refused(reading: Any, pack: Pack) -> None:
    with pytest.raises(UnreadableFile, match="Received none"):
        reading.ingest(pack(pa.table({"a": pa.array([], pa.int64())})))


def test_a_column_that_is_not_there_is_an_invalid_spec(reading: Any, pack: Pack) -> None:
    with pytest.raises(InvalidSpec, match="Did you mean 'species'"):
        reading.ingest(pack(pa.table({"species": ["a"]})), columns={"specie": {"type": "factor"}})


def test_a_parquet_bomb_is_refused_by_its_footer(reading: Any) -> None:
    # A hundred million rows in some 160 kB.
    bomb = io.BytesIO()
    pq.write_table(pa.table({"n": pa.nulls(100_000_000)}), bomb, row_group_size=100_000_000)
    data = bomb.getvalue()
    assert len(data) < 200_000
    with pytest.raises(TooLarge, match=r"at most 50000000 rows\. Received 100000000"):
        reading.ingest(data)
    assert reading.files() == []


def test_rows_and_bytes_of_an_ipc_upload_are_counted_while_it_is_read(reading: Any) -> None:
    schema = pa.schema({"n": pa.null()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for _ in range(10):
            writer.write_batch(pa.record_batch([pa.nulls(10_000_000)], schema=schema))
    assert len(sink.getvalue()) < 10_000
    with pytest.raises(TooLarge, match="at most 50000000 rows"):
        reading.ingest(sink.getvalue())
    packed = io.BytesIO()
    zeros = pa.table({"z": np.zeros(2_000_000)})
    with pa.ipc.new_file(
        packed, zeros.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(zeros)
    assert len(packed.getvalue()) < 100_000
    with pytest.raises(TooLarge, match="at most 1000000 bytes"):
        reading.ingest(packed.getvalue(), limits=ReadLimits(max_bytes=1_000_000))


def test_more_than_10000_row_groups_are_refused(reading: Any) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": np.zeros(10_001)}), sink, row_group_size=1)
    with pytest.raises(UnreadableFile, match="at most 10000 row groups"):
        reading.ingest(sink.getvalue())


def test_files_cut_short_are_refused(reading: Any, pack: Pack) -> None:
    data = pack(pa.table({"a": np.arange(1000), "s": ["word"] * 1000}))
    for kept in (8, 9, 40, len(data) // 2, len(data) - 9):
        with pytest.raises(UnreadableFile):
            reading.ingest(data[:kept])
    assert reading.files() == []


def test_ipc_indices_outside_their_dictionary_are_refused(reading: Any) -> None:
    words = pa.array(["a", "b"])
    bad = pa.DictionaryArray.from_arrays(pa.array([0, 7], pa.int32()), words, safe=False)
    with pytest.raises(UnreadableFile, match="a whole Arrow IPC file"):
        reading.ingest(_ipc_stream(pa.table({"d": bad})))


def test_text_that_is_not_utf8_inside_parquet_is_refused(reading: Any) -> None:
    # The same bytes as the binary column that they were written as, under the name of text.
    raw = pa.array([b"ok", b"caf\xe9"])
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    for pack in (_parquet, _ipc_file):
        with pytest.raises(UnreadableFile):
            reading.ingest(pack(pa.table({"s": text})))


@pytest.mark.parametrize("seed", range(4))
def test_ipc_with_flipped_bytes_is_read_or_refused(reading: Any, seed: int) -> None:
    """Arrow's IPC reader is memory-safe on what it validates; Parquet's turn is in a child."""
    rng = random.Random(seed)
    kinds = pa.array(["u", "v"] * 100).dictionary_encode()
    table = pa.table({"a": np.arange(200), "s": ["wort"] * 200, "d": kinds})
    data = (_ipc_file if seed % 2 else _ipc_stream)(table)
    outcomes = set()
    for _ in range(60):
        hurt = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            hurt[rng.randrange(len(hurt))] ^= 1 << rng.randrange(8)
        try:
            reading.ingest(bytes(hurt))
            outcomes.add("read")
        except FitpointError as error:
            outcomes.add(error.code)
    assert outcomes <= {"read", "unreadable-file", "too-large"}
    assert "unreadable-file" in outcomes
