"""Answers: parsnip's column names, mirrored JSON, CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidSpec
from service.domain.fit import Mode
from service.engine.prediction_answers import Answer, answer, inert, kinds_of
from service.engine.predictor import Output

THREE = Output(
    raw=np.array([[0.25, 0.5, 0.25], [0.75, 0.125, 0.125]], dtype=np.float32),
    levels=("a", "b", "=c"),
    outcomes=("y",),
)
ONE = Output(raw=np.array([[1.5], [-2]], dtype=np.float32), levels=None, outcomes=("price",))
TWO = Output(raw=np.array([[1.5, 3]], dtype=np.float32), levels=None, outcomes=("u", "v"))


@pytest.mark.parametrize(
    ("output", "kinds", "row"),
    [
        (THREE, ["class"], {".pred_class": "b"}),
        (THREE, ["prob"], {".pred_a": 0.25, ".pred_b": 0.5, ".pred_=c": 0.25}),
        (
            THREE,
            ["prob", "class"],
            {".pred_a": 0.25, ".pred_b": 0.5, ".pred_=c": 0.25, ".pred_class": "b"},
        ),
        (THREE, ["raw"], {".raw_1": 0.25, ".raw_2": 0.5, ".raw_3": 0.25}),
        (ONE, ["numeric"], {".pred": 1.5}),
        (ONE, ["raw"], {".raw_1": 1.5}),
        (TWO, ["numeric"], {".pred_u": 1.5, ".pred_v": 3.0}),
    ],
)
def test_columns_are_named_as_parsnip_names_them(
    output: Output, kinds: list[str], row: dict[str, Any]
) -> None:
    mode: Mode = "regression" if output.levels is None else "classification"
    answered = answer(output, kinds_of(kinds, mode))
    assert answered.as_rows()[0] == row
    assert list(answered.as_rows()[0]) == list(row)
    assert answered.as_json("rows") == {"rows": answered.as_rows()}
    mirrored = answered.as_json("columns")
    assert mirrored["columns"] == list(row)
    assert mirrored["data"][0] == list(row.values())
    assert len(mirrored["data"]) == len(output.raw)


@pytest.mark.parametrize(("mode", "kind"), [("classification", "class"), ("regression", "numeric")])
def test_the_default_is_the_class_or_the_number(mode: Mode, kind: str) -> None:
    assert kinds_of([], mode) == (kind,)


@pytest.mark.parametrize(
    ("names", "mode", "words"),
    [
        (["probs"], "classification", "Received 'probs'. Did you mean 'prob'"),
        (["numeric"], "classification", "a classification has: class, prob, raw"),
        (["class"], "regression", "a regression has: numeric, raw"),
        (["prob", "prob"], "classification", "Received 'prob' twice"),
        (["\ud800" * 99], "classification", r"Received '\?+'"),
        ([""], "regression", "Received ''"),
    ],
)
def test_other_kinds_are_refused(names: list[str], mode: Mode, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words) as caught:
        kinds_of(names, mode)
    assert caught.value.errors[0].loc == ("type",)


def test_a_level_called_class_does_not_hide_the_class() -> None:
    output = Output(raw=THREE.raw, levels=("a", "class", "c"), outcomes=("y",))
    assert answer(output, ("prob",)).columns == (".pred_a", ".pred_class", ".pred_c")
    with pytest.raises(InvalidSpec, match=r"two columns '\.pred_class'"):
        answer(output, ("class", "prob"))


def test_what_is_not_finite_is_null_and_its_class_too() -> None:
    raw = np.array([[np.nan, np.inf], [0.5, 0.5]], dtype=np.float32)
    output = Output(raw=raw, levels=("a", "b"), outcomes=("y",))
    answered = answer(output, ("class", "prob"))
    json.dumps(answered.as_json("rows"), allow_nan=False)
    assert answered.as_rows()[0] == {".pred_class": None, ".pred_a": None, ".pred_b": None}
    assert answered.as_csv().splitlines()[1] == b",,"
    assert answered.as_rows()[1][".pred_a"] == 0.5


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5))
def test_numbers_come_back_to_the_bit_from_json_and_csv(values: list[float]) -> None:
    raw = np.array(values, dtype=np.float32).reshape(-1, 1)
    answered = answer(Output(raw=raw, levels=None, outcomes=("y",)), ("numeric",))
    rows = json.loads(json.dumps(answered.as_json("rows")))["rows"]
    lines = list(csv.reader(StringIO(answered.as_csv().decode(), newline="")))
    for texts in ([row[".pred"] for row in rows], [line[0] for line in lines[1:]]):
        assert np.array(texts, dtype=np.float64).astype(np.float32).tobytes() == raw.tobytes()


@given(st.text(st.characters(codec="utf-8"), max_size=5), st.sampled_from("=+-@\t\r\0"))
def test_no_cell_of_text_starts_a_formula(rest: str, first: str) -> None:
    levels = (f"{first}{rest}", "harmless")
    raw = np.array([[1, 0]], dtype=np.float32)
    answered = answer(Output(raw=raw, levels=levels, outcomes=("y",)), ("class", "prob"))
    header, row = list(csv.reader(StringIO(answered.as_csv().decode(), newline="")))
    assert all(name.startswith(".pred_") for name in header)
    try:
        float(row[0])
    except ValueError:
        assert row[0] == f"'{levels[0]}"
    assert row[1:] == ["1.0", "0.0"]


@pytest.mark.parametrize("text", ["-1", "+3", "-1.5e-3", "1", "a", "", "'=1"])
def test_a_level_that_is_a_number_and_harmless_text_are_left_alone(text: str) -> None:
    assert inert(text) == text


@pytest.mark.parametrize("text", ["=1+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "+a", "-", "-1\n=2"])
def test_a_formula_is_made_text(text: str) -> None:
    assert inert(text) == f"'{text}"


def test_csv_quotes_what_needs_it() -> None:
    odd = Answer(columns=("a,b",), values=(('say "hi"\n', "é"),))
    assert list(csv.reader(StringIO(odd.as_csv().decode(), newline=""))) == [
        ["a,b"],
        ['say "hi"\n'],
        ["é"],
    ]
