"""Numbers that Arrow's CSV reader makes are those that come of reading the cells as text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.datasets import ReadLimits, ReadOptions
from service.domain.errors import FitpointError
from service.engine.tables.conversion import convert
from service.engine.tables.csv_source import CsvSource
from service.engine.tables.storage import ColumnPlan

LIMITS = ReadLimits()
SMALL = 400
# More text than is looked at at once.
ROWS = 200_000


class _AsText(CsvSource):
    """The plain way: every cell is text first."""

    def parsing(self, plans: Sequence[ColumnPlan]) -> CsvSource:  # noqa: ARG002
        return self


class _Watched(CsvSource):
    """Counts the blocks that had numbers, and those that were text alone."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.seen: list[bool] = []

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        for block in super().blocks(columns, first_only=first_only):
            self.seen.append(any(str(array.type) != "string" for array in block))
            yield block


def _stored(kind: type[CsvSource], text: str, options: ReadOptions, block: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "upload"), Path(folder, "stored")
        source.write_bytes(text.encode())
        try:
            plans = convert(kind(source, options, LIMITS, block), options, LIMITS, target)
        except FitpointError as error:
            return str(error)
        return [(plan.name, plan.type, plan.storage, plan.because) for plan in plans], (
            target.read_bytes()
        )


_whole = st.sampled_from(["0", "1", "-1", "255", "256", "70000", "-0", "9007199254740993"])
_doubles = st.sampled_from(["0.5", "2.0", "1e3", ".5", "5.", "1e400", "1e-400", "-2.25"])
_odd = st.sampled_from(
    ["007", "0x1F", " 7", "7 ", "+5", "nan", "inf", "NA", "", "  ", " NA ", '"8"', '" 07"', "x",
     "nan(1)", "1_000", "-999", " -999", "TRUE", "\t1", "'", "0e5", "-07", "1,5"]
)  # fmt: skip


@st.composite
def _texts(draw: st.DrawFn) -> str:
    """Some plain lines, which the first block is of, and one that differs, and more of them."""
    plain = draw(st.lists(_whole | _doubles, min_size=3, max_size=3))
    other = draw(st.lists(_whole | _doubles | _odd, min_size=3, max_size=3))
    line = ";".join(plain) + "\n"
    before, after = draw(st.integers(0, 120)), draw(st.integers(0, 120))
    text = "a;b;c\n" + line * before + ";".join(other) + "\n" + line * after
    return text if draw(st.booleans()) else text.removesuffix("\n")


@settings(max_examples=200, deadline=None)
@given(
    text=_texts(),
    na=st.sampled_from([["NA", ""], [""], ["-999", "NA"], ["nan", ""]]),
    declared=st.booleans(),
)
def test_a_file_is_stored_as_if_every_cell_had_been_text(
    text: str, na: list[str], declared: bool
) -> None:
    columns = {"b": {"type": "numeric"}} if declared else {}
    options = ReadOptions.model_validate({"delim": ";", "na": na, "columns": columns})
    assert _stored(CsvSource, text, options, SMALL) == _stored(_AsText, text, options, SMALL)


@pytest.mark.parametrize(
    ("odd", "changes"),
    [("2", False), ("NA", False), ("", False), ("-07", False), ("007", True), ("+5", True)],
)
def test_blocks_are_numbers_until_some_cell_may_not_be_one(odd: str, changes: bool) -> None:
    text = "a,b\n" + "1,2.5\n" * ROWS + f"{odd},2.5\n" + "1,2.5\n" * ROWS
    with tempfile.TemporaryDirectory() as folder:
        source, options = Path(folder, "upload"), ReadOptions()
        source.write_text(text)
        watched = _Watched(source, options, LIMITS, 100 * SMALL)
        plans = [
            ColumnPlan(name="a", type="numeric", storage="int16", parsed="int16"),
            ColumnPlan(name="b", type="numeric", storage="float64", parsed="float64"),
        ]
        parsing = watched.parsing(plans)
        cells = [len(block[0]) for block in parsing.blocks([0, 1])]
    assert sum(cells) == 2 * ROWS + 1
    # A leading zero is seen before it is parsed, as far ahead as Arrow had time to read.
    assert watched.seen[0] or odd == "007"
    # Once text, always text; and never text without a reason.
    assert watched.seen == sorted(watched.seen, reverse=True)
    assert watched.seen[-1] is not changes


def test_a_word_for_missing_that_is_a_number_keeps_all_cells_text() -> None:
    text = "a\n" + "1\n" * 500 + " -999\n"
    options = ReadOptions(na=["-999"])
    [(_, kind, storage, _)], _ = _stored(CsvSource, text, options, SMALL)
    assert (kind, storage) == ("numeric", "uint8")
