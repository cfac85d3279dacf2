"""Any table that csv writes is read as a plain reading of the rules says, at any block size."""

from __future__ import annotations

import csv
import io
import math
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.domain.datasets import ReadOptions
from service.domain.errors import UnreadableFile
from service.engine.tables.ingest import ingest
from service.engine.tables.storage import canonical_path
from service.engine.tables.table import Table

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
WORD = re.compile(r"[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
LOGICAL = {"TRUE": True, "T": True, "true": True, "FALSE": False, "F": False, "false": False}

_odd = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6)
_usual = st.sampled_from(
    ["", "NA", "0", "1", "-1", "255", "256", "0.5", "007", "1e3", "T", "FALSE", "true", "x", " 7 ",
     "nan", "+2", "-0", "0x1F", "1,5", "a\nb", '"', "inf", "9007199254740993", "1e400"]
)  # fmt: skip
_numeric = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers().map(str)
_column = st.sampled_from([_odd, _usual, _numeric, _usual | _numeric, _odd | _usual])


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Columns of cells, as they stand in the file."""
    n_rows = draw(st.integers(1, 12))
    strategies = draw(st.lists(_column, min_size=2, max_size=4))
    return [draw(st.lists(cells, min_size=n_rows, max_size=n_rows)) for cells in strategies]


class Infinite(Exception):
    """A numeric column with an infinite value."""


def expected(cells: list[str]) -> tuple[str, list[Any]]:
    """Return a column's type and values by readr's rules, one cell at a time."""
    values = [cell.strip(" \t") for cell in cells]
    present = [value for value in values if value not in ("", "NA")]
    if all(value in LOGICAL for value in present):
        return "logical", [LOGICAL.get(value) for value in values]
    if all(_is_number(value) for value in present):
        return "numeric", [float(value) if value in present else None for value in values]
    return "text", [value if value in present else None for value in values]


def _is_number(value: str) -> bool:
    if value[0] == "0" and len(value) > 1 and value[1] != ".":
        return False
    return bool(NUMBER.fullmatch(value) or WORD.fullmatch(value))


def _finished(kind: str, values: list[Any]) -> list[Any]:
    if kind != "numeric":
        return values
    if any(value is not None and math.isinf(value) for value in values):
        raise Infinite
    return [None if value is None or math.isnan(value) else value for value in values]


@settings(max_examples=150, deadline=None)
@given(columns=tables())
@example(columns=[["9007199254740993", "1"], ["1", "2"]])
@example(columns=[["nan", "NA"], ["x", "y"]])
def test_a_written_table_is_read_by_the_rules(columns: list[list[str]]) -> None:
    names = [f"c{at}" for at in range(len(columns))]
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    data = sink.getvalue().encode()
    want: dict[str, Any] | str = {}
    try:
        found = [expected(cells) for cells in columns]
        want = {
            name: (kind, _finished(kind, values))
            for name, (kind, values) in zip(names, found, strict=True)
        }
    except Infinite:
        want = "infinite"
    longest = max(len(line) for line in data.split(b"\n"))
    assert _read(data, 2**20) == _read(data, 4 * longest + 40) == want


def _read(data: bytes, block: int) -> dict[str, Any] | str:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "upload"
        source.write_bytes(data)
        try:
            stored = ingest(source, Path(folder), ReadOptions(), block_bytes=block)
        except UnreadableFile as error:
            return "infinite" if "a finite number" in error.detail else error.detail
        table = Table.open(canonical_path(Path(folder), stored.sha256))
        rows = table.records(1, table.n_rows)
        return {name: (kind, [row[name] for row in rows]) for name, kind in table.types.items()}
