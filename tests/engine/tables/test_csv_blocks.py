"""What a first block promises and a later one breaks: the result must not depend on blocks."""

from __future__ import annotations

import gzip
import random
from typing import Any

import numpy as np
import pytest

from service.domain.errors import UnreadableFile

SMALL = 2_000


def _column(*parts: tuple[str, int]) -> str:
    return "".join(f"{cell},x\n" * times for cell, times in parts)


@pytest.mark.parametrize(
    ("parts", "kind", "storage", "last"),
    [
        ((("1", 3000), ("255", 1)), "numeric", "uint8", 255),
        ((("1", 3000), ("256", 1)), "numeric", "int16", 256),
        ((("1", 3000), ("-1", 1)), "numeric", "int16", -1),
        ((("1", 3000), ("70000", 1)), "numeric", "int32", 70000),
        ((("1", 3000), ("3000000000", 1)), "numeric", "int64", 3_000_000_000),
        ((("1", 3000), ("2.5", 3000)), "numeric", "double", 2.5),
        ((("1", 3000), ("2.0", 1)), "numeric", "uint8", 2),
        ((("1.5", 3000), ("2", 3000)), "numeric", "double", 2),
        ((("1", 3000), ("2.5", 3000), ("007", 1)), "text", "string", "007"),
        ((("007", 1), ("1", 3000)), "text", "string", "1"),
        ((("1", 3000), ("a", 1)), "text", "string", "a"),
        ((("NA", 3000), ("a", 1)), "text", "string", "a"),
        ((("NA", 3000), ("1", 1)), "numeric", "uint8", 1),
        ((("TRUE", 3000), ("T", 1)), "logical", "bool", True),
        ((("TRUE", 3000), ("yes", 1)), "text", "string", "yes"),
        ((("1", 3000), ("TRUE", 1)), "text", "string", "TRUE"),
        ((("1", 3000), ("NaN", 1)), "numeric", "uint8", None),
        ((("1", 3000), ("+5", 1)), "numeric", "uint8", 5),
        ((("1", 3000), ("inf", 1), ("word", 1)), "text", "string", "word"),
    ],
)
def test_a_column_that_changes_after_the_first_block_is_read_as_if_seen_whole(
    reading: Any, parts: tuple[tuple[str, int], ...], kind: str, storage: str, last: Any
) -> None:
    data = "v,w\n" + _column(*parts)
    small = reading.ingest(data, block=SMALL)
    table = reading.open(small)
    assert table.types["v"] == kind
    assert str(table.column("v").type) == storage
    assert table.records(table.n_rows, 1)[0]["v"] == last
    assert table.n_rows == sum(times for _, times in parts)
    assert reading.ingest(data).sha256 == small.sha256


def test_text_keeps_the_spelling_of_numbers_of_earlier_blocks(reading: Any) -> None:
    data = "v,w\n" + _column(("1.50", 2000), ("007", 2000), ("2", 2000), ("end", 1))
    table = reading.table(data, block=SMALL)
    assert sorted(set(table.strings("v"))) == ["007", "1.50", "2", "end"]


def test_levels_of_an_undeclared_factor_come_from_all_blocks(reading: Any) -> None:
    data = "v,w\n" + _column(("b", 2000), ("c", 2000), ("a", 2000))
    table = reading.table(data, block=SMALL, columns={"v": {"type": "factor"}})
    assert table.levels("v") == ("a", "b", "c")
    assert np.bincount(table.codes("v")).tolist() == [2000, 2000, 2000]


def test_an_error_in_a_later_block_names_the_row_of_the_file(reading: Any) -> None:
    data = "v,w\n" + _column(("1", 5000), ("bad", 1), ("1", 100))
    with pytest.raises(UnreadableFile) as caught:
        reading.ingest(data, block=SMALL, columns={"v": {"type": "numeric"}})
    assert caught.value.errors[0].loc == ("file", "row", 5001, "column", "v")
    with pytest.raises(UnreadableFile) as caught:
        reading.ingest(data, block=SMALL, columns={"v": {"type": "factor", "levels": ["1"]}})
    assert caught.value.errors[0].loc == ("file", "row", 5001, "column", "v")


def test_an_infinite_value_in_a_later_block_names_its_row(reading: Any) -> None:
    data = "v,w\n" + _column(("1", 5000), ("-Inf", 1), ("2", 3000))
    with pytest.raises(UnreadableFile) as caught:
        reading.ingest(data, block=SMALL)
    assert caught.value.errors[0].loc == ("file", "row", 5001, "column", "v")


def test_quoted_newlines_delimiters_and_quotes_survive_every_block_border(reading: Any) -> None:
    rng = random.Random(20240321)
    words = ["a", "b,c", "two\nlines", 'say "x"', "cr\r\nlf", " pad ", "", "ünïcode", "1"]
    rows = [[rng.choice(words) for _ in range(3)] for _ in range(3000)]

    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    data = "a,b,c\n" + "".join(",".join(map(quoted, row)) + "\n" for row in rows)
    expected = [[cell.strip(" \t") or None for cell in row] for row in rows]
    first = reading.ingest(data, block=701)
    table = reading.open(first)
    assert [list(row.values()) for row in table.records(1, 3000)] == expected
    assert {reading.ingest(data, block=size).sha256 for size in (1009, 65_537)} == {first.sha256}


def test_the_same_bytes_give_the_same_file_whatever_the_blocks_and_the_packing(
    reading: Any,
) -> None:
    rng = random.Random(7)
    kinds = ["3", "2.5", "NA", "-4", "1e3", "0.1"]
    lines = [
        f"{rng.choice(kinds)},{rng.choice(['T', 'F', 'NA'])},{rng.choice(['u', 'NA', 'w w'])}\n"
        for _ in range(5000)
    ]
    data = ("n,l,t\n" + "".join(lines)).encode()
    hashes = {reading.ingest(data, block=size).sha256 for size in (500, 1234, 50_000, 2**23)}
    hashes.add(reading.ingest(data).sha256)
    hashes.add(reading.ingest(gzip.compress(data)).sha256)
    hashes.add(reading.ingest(b"\xef\xbb\xbf" + data).sha256)
    hashes.add(reading.ingest(data.replace(b"\n", b"\r\n")).sha256)
    hashes.add(reading.ingest(data.replace(b"\n", b"\r")).sha256)
    hashes.add(reading.ingest(data.decode().encode("utf-16"), encoding="utf-16").sha256)
    hashes.add(reading.ingest(data.replace(b",", b";")).sha256)
    assert len(hashes) == 1
    assert [path.suffix for path in reading.files()] == [".arrow"]
