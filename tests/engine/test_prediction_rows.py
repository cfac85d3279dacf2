"""JSON bodies of predictions: both shapes, what is a number, what is refused and how it is told."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.datasets import Column
from service.domain.errors import InvalidData
from service.engine.prediction_columns import InputColumns, PredictionRows
from service.engine.prediction_rows import from_json


def number(name: str) -> Column:
    return Column(name=name, type="numeric", n_missing=0, n_unique=9)


NUMBERS = InputColumns(columns=(number("x1"), number("x2")), na=("", "NA"))
SPECIES = Column(
    name="species", type="factor", n_missing=0, n_unique=3, levels=("Adelie", "1", "2.5")
)
HOME = Column(name="home", type="logical", n_missing=0, n_unique=2, levels=("FALSE", "TRUE"))
MIXED = InputColumns(columns=(SPECIES, number("x1"), HOME), na=("", "NA"))

finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)


@given(st.lists(st.tuples(finite | st.none(), finite | st.none()), max_size=5))
def test_both_shapes_give_the_numbers_that_were_sent(cells: list[tuple[Any, Any]]) -> None:
    rows = {"rows": [{"x2": b, "x1": a, "other": "ignored"} for a, b in cells]}
    columns = {"columns": ["other", "x2", "x1"], "data": [[None, b, a] for a, b in cells]}
    wanted = np.array(
        [[math.nan if cell is None else float(cell) for cell in row] for row in cells]
    ).reshape(-1, 2)
    for body, layout in ((rows, "rows"), (columns, "columns")):
        read = from_json(json.loads(json.dumps(body)), NUMBERS)
        assert read.layout == layout
        assert np.array_equal(read.numbers, wanted, equal_nan=True)
        assert read.n_rows == len(cells)


def test_the_rows_are_a_column_source() -> None:
    read = from_json(
        {
            "rows": [
                {"species": "Adelie", "x1": 3, "home": True},
                {"species": None, "x1": None, "home": "FALSE"},
            ]
        },
        MIXED,
    )
    assert dict(read.types) == {"species": "factor", "x1": "numeric", "home": "logical"}
    assert read.numeric("x1").tolist()[0] == 3
    assert np.isnan(read.numeric("x1", slice(1, 2))).all()
    assert read.codes("species").tolist() == [0, -1]
    assert read.codes("home", np.array([1, 0])).tolist() == [0, 1]
    assert read.category_levels("species") == ("Adelie", "1", "2.5")


@pytest.mark.parametrize(
    ("cell", "code"), [("1", 1), (1, 1), (1.0, 1), (2.5, 2), ("2.5", 2), (None, -1)]
)
def test_a_number_is_the_level_that_its_text_is(cell: Any, code: int) -> None:
    read = from_json({"rows": [{"species": cell, "x1": 0, "home": False}]}, MIXED)
    assert read.codes("species").tolist() == [code]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("adelie", r"'adelie'\. Did you mean 'Adelie'"),
        (2, r"row 1\. Received 2\."),
        (True, "Received true"),
        ([1], "Received a list"),
        ({}, "Received an object"),
        pytest.param(10**5000, "Received an integer of thousands of digits", id="5000 digits"),
        ("\ud800", r"Received the text '\?'"),
    ],
)
def test_what_is_no_level_is_refused(cell: Any, words: str) -> None:
    with pytest.raises(InvalidData, match=words) as caught:
        from_json({"rows": [{"species": cell, "x1": 0, "home": False}]}, MIXED)
    assert caught.value.errors[0].loc == ("rows", 0, "species")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("12", "Received the text '12': send numbers without quotes"),
        ("twelve", r"Received the text 'twelve'\.$"),
        ("", r"Received the text ''\.$"),
        ("nan", r"Received the text 'nan'\.$"),
        (True, r"Received true\."),
        (False, r"Received false\."),
        ([1.0], r"Received a list\."),
        ({"x": 1}, r"Received an object\."),
        (math.nan, "Received NaN: send null"),
        (math.inf, "beyond 1.8e308"),
        (-math.inf, "beyond 1.8e308"),
        (10**400, "beyond 1.8e308"),
        pytest.param(10**5000, "beyond 1.8e308", id="5000 digits"),
    ],
)
@pytest.mark.parametrize("shape", ["rows", "data"])
def test_what_is_no_number_is_refused_by_row_and_column(shape: str, cell: Any, words: str) -> None:
    good = [[1, 2.5]] * 3
    bodies: dict[str, Any] = {
        "rows": {"rows": [*({"x1": a, "x2": b} for a, b in good), {"x1": None, "x2": cell}]},
        "data": {"columns": ["x1", "x2"], "data": [*good, [None, cell]]},
    }
    with pytest.raises(InvalidData, match=words) as caught:
        from_json(bodies[shape], NUMBERS)
    assert "row 4 of column 'x2'" in caught.value.detail
    assert caught.value.errors[0].loc == (shape, 3, "x2")
    caught.value.detail.encode()


def test_what_the_model_does_not_read_is_not_looked_at() -> None:
    body = {"columns": ["x2", "note", "x1"], "data": [[1, {"any": ["thing", 10**400]}, 2]]}
    assert from_json(body, NUMBERS).numbers.tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([{"x1": 1, "x2": 2}], r"Received a list\. Send \{\"rows\""),
        ([[1, 2]], r"Received a list\. Send"),
        ("rows", "Received the text 'rows'"),
        (None, "Received null"),
        (3, "Received a number"),
        ({}, "Received an empty object"),
        ({"row": []}, r"Received 'row'\. Did you mean 'rows'"),
        ({"instances": [[1, 2]]}, r"Received 'instances'.*Send \{\"rows\""),
        ({"dataframe_split": {}}, "Received 'dataframe_split'"),
        ({"rows": [], "columns": []}, "Received 'columns' and 'rows'"),
        ({"columns": ["x1", "x2"]}, "Received 'columns'"),
        ({"rows": [], "\ud800": 1}, r"Received '\?'"),
        ({"rows": {"x1": [1]}}, "a list in 'rows'. Received an object"),
        ({"rows": None}, "a list in 'rows'. Received null"),
        ({"columns": True, "data": []}, "a list in 'columns'. Received true"),
        ({"rows": [[1, 2]]}, r"an object in row 1\. Received a list"),
        ({"rows": [{"x1": 1, "x2": 1}, None]}, r"an object in row 2\. Received null"),
        ({"rows": [{"x1": 1, "x2": 1}, {"x1": 1, "X2": 1}]}, "'x2' in row 2.* nearest is 'X2'"),
        ({"rows": [{}]}, "'x1' in row 1.*As many as 2 are missing, also 'x2'"),
        ({"columns": ["x1"], "data": []}, r"a column 'x2'\. Received none of this name\.$"),
        ({"columns": ["x1", "x2", "x1"], "data": []}, "each column once. Received 'x1' twice"),
        ({"columns": ["x1", 2], "data": []}, "names in 'columns'. Received a number"),
        ({"columns": ["x1", "x2"], "data": [[1, 2], [1]]}, "2 values.* in row 2. Received 1"),
        ({"columns": ["x1", "x2"], "data": [[1, 2, 3]]}, "2 values.* in row 1. Received 3"),
        ({"columns": ["x1", "x2"], "data": [{"x1": 1}]}, "list in row 1 of 'data'"),
        ({"columns": ["x1", "x2"], "index": [0], "data": [[1, 2]]}, r"index=False"),
    ],
)
def test_another_shape_is_refused_with_ours_shown(body: Any, words: str) -> None:
    with pytest.raises(InvalidData, match=words) as caught:
        from_json(body, NUMBERS)
    caught.value.detail.encode()


def test_ten_thousand_wide_rows_take_seconds_at_most() -> None:
    names = [f"x{place}" for place in range(784)]
    inputs = InputColumns(columns=tuple(map(number, names)), na=())
    row = dict.fromkeys(names, 0.5)
    for body in (
        {"rows": [row] * 10_000},
        {"columns": names, "data": [list(row.values())] * 10_000},
    ):
        started = time.process_time()
        assert from_json(body, inputs).numbers.shape == (10_000, 784)
        # 0.6 s where it was measured, of processor time; a quadratic search would take minutes.
        assert time.process_time() - started < 6


def test_a_slice_of_the_matrix_is_a_view() -> None:
    read = from_json({"rows": [{"x1": 1, "x2": 2}]}, NUMBERS)
    assert isinstance(read, PredictionRows)
    assert np.shares_memory(read.matrix(("x1", "x2"), slice(0, 1)), read.numbers)
    assert read.matrix(("x2", "x1"), slice(0, 1)).tolist() == [[2, 1]]
