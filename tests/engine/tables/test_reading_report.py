"""What an upload's reading tells of itself: the format, the marks, how each column got its type."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.domain.errors import InvalidSpec, UnreadableFile


def test_every_column_says_how_it_got_its_type_and_which_cell_decided(reading: Any) -> None:
    text = "id;n;y;code;note\n1;2,5;a;007;x\n2;NA;b;12;\n"
    columns = {"y": {"type": "factor"}}
    told = reading.ingest(text, columns=columns, decimal=",", na=["NA", ""]).reading
    assert (told.format, told.delim, told.decimal, told.quote) == ("csv", ";", ",", '"')
    assert (told.encoding, told.skip, told.na) == ("utf-8", 0, ("NA", ""))
    assert [(c.name, c.type, c.how, c.because) for c in told.columns] == [
        ("id", "numeric", "guessed", None),
        ("n", "numeric", "guessed", None),
        ("y", "factor", "declared", None),
        ("code", "text", "guessed", "row 1 is '007'"),
        ("note", "text", "guessed", "row 1 is 'x'"),
    ]


def test_a_late_cell_that_makes_a_column_text_is_named(reading: Any) -> None:
    text = "a,b\n" + "1,2\n" * 5000 + "1,none\n"
    told = reading.ingest(text, block=1024).reading
    assert [(c.type, c.because) for c in told.columns] == [
        ("numeric", None),
        ("text", "row 5001 is 'none'"),
    ]


def test_a_files_own_types_are_told_apart_from_guesses(reading: Any) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"i": [1], "s": ["x"]}), sink)
    told = reading.ingest(sink.getvalue(), columns={"s": {"type": "factor"}}).reading
    assert (told.format, told.delim, told.decimal) == ("parquet", None, None)
    assert [(c.type, c.how) for c in told.columns] == [("integer", "file"), ("factor", "declared")]
    packed = reading.ingest(gzip.compress(b"a\n1\n"), na=["-9"]).reading
    assert (packed.format, packed.na) == ("csv.gz", ("-9",))


def test_another_quote_is_taken_as_declared(reading: Any) -> None:
    table = reading.table("a,b\n'x, y','it''s'\n'\"',2\n", quote="'")
    assert table.strings("a") == ["x, y", '"']
    assert table.strings("b") == ["it's", "2"]


def test_without_a_quote_every_quote_is_text(reading: Any) -> None:
    table = reading.table('a,b\n5" pipe,"\n6",x"y\n', quote="")
    assert table.strings("a") == ['5" pipe', '6"']
    assert table.strings("b") == ['"', 'x"y']


def test_a_quote_that_nobody_closes_is_found_with_its_own_mark(reading: Any) -> None:
    with pytest.raises(UnreadableFile, match="Line 3"):
        reading.ingest("a,b\n1,2\n3,'4\n5,6\n", quote="'")
    assert reading.table("a,b\n3,'4\n5,6\n").strings("b") == ["'4", "6"]


def test_the_quote_is_no_delimiter(reading: Any) -> None:
    with pytest.raises(InvalidSpec, match="delim"):
        reading.ingest("a'b\n1'2\n", quote="'", delim="'")
