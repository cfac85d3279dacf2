"""How an answer's format is chosen and written."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from service.api.answers import csv_text, encode, negotiate
from service.api.problem_kinds import NotAcceptable

JSON, CSV = "application/json", "text/csv"


def accepting(header: str | None) -> Request:
    headers = [] if header is None else [(b"accept", header.encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("text/*", CSV),
        ("application/json;q=0.5, text/csv;q=0.6", CSV),
        ("text/csv;q=0, */*", JSON),
        ("*/*;q=0.1, text/csv;q=0.05", JSON),
        ("application/json, text/csv", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/csv;q=nonsense, application/json;q=0.1", JSON),
    ],
)
def test_the_best_liked_of_the_offered_formats_is_chosen(header: str | None, expected: str) -> None:
    assert negotiate(accepting(header), JSON, CSV) == expected


@pytest.mark.parametrize("header", ["image/png", "text/csv;q=0", "*/*;q=0", "nonsense"])
def test_nothing_is_forced_on_a_client_that_likes_none(header: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(accepting(header), JSON, CSV)


@given(st.lists(st.floats(), min_size=1))
def test_json_has_no_number_that_is_none(values: list[float]) -> None:
    text = encode({"values": values}).decode()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert text.count("null") == sum(not math.isfinite(value) for value in values)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\0")),
)


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_csv_keeps_numbers_and_no_text_runs_in_a_spreadsheet(cells: list[Any]) -> None:
    header = [f"c{i}" for i in range(len(cells))]
    rows = list(csv.reader(io.StringIO(csv_text(header, [cells]), newline="")))
    for cell, written in zip(cells, rows[1], strict=True):
        if isinstance(cell, float):
            assert float(written) == cell
        elif isinstance(cell, str):
            assert written in (cell, f"'{cell}")
            assert not written.startswith(("=", "@", "\t"))
