from __future__ import annotations

import json

import numpy as np
import pytest

from service.domain.errors import InvalidData, InvalidSpec
from service.domain.recipe import Normalize, Step, ZeroVariance
from service.engine.recipe import Category, MemoryColumns, preview

RECIPE: list[Step] = [ZeroVariance(step="zv"), Normalize(step="normalize")]
TRAINING = MemoryColumns(
    {
        "y": Category(["no", "yes", "no"], levels=["yes", "no"]),
        "a": [1.0, 2.0, np.nan],
        "one": [1.0, 1.0, 1.0],
        "text": Category(["u", "w", None], type="text"),
    }
)
NEW = MemoryColumns({"text": Category(["v", "w", "u"], type="text"), "a": [1.5, np.inf, 3.5]})


def test_the_body_is_json_with_what_was_learned_and_dropped() -> None:
    body = preview(RECIPE, TRAINING, None, ["y"])
    json.dumps(body, allow_nan=False)
    assert body["steps"][0] == {"step": "zv", "learned": {"removed": ["one"]}}
    assert body["steps"][1]["learned"]["mean"] == {"a": 1.5}
    assert body["removed"] == [
        {"column": "one", "step": "zv", "reason": "It has a single value: 1."}
    ]
    assert body["warnings"] == []
    assert body["new_data"] is None


def test_columns_come_as_r_bakes_them_with_their_profile() -> None:
    training = preview(RECIPE, TRAINING, None, ["y"], count=2)["training"]
    assert (training["n_rows"], training["n_columns"]) == (3, 3)
    a, text, y = training["columns"]
    assert (a["name"], a["type"], a["n_missing"]) == ("a", "numeric", 1)
    assert (a["mean"], a["sd"]) == (pytest.approx(0, abs=1e-15), pytest.approx(1))
    assert text == {
        "name": "text", "type": "factor", "n_missing": 1, "levels": ["u", "w"],
        "mean": None, "sd": None, "min": None, "max": None,
    }  # fmt: skip
    assert (y["name"], y["type"], y["levels"]) == ("y", "factor", ["yes", "no"])
    assert training["rows"] == [
        {"a": pytest.approx(-np.sqrt(0.5)), "text": "u", "y": "no"},
        {"a": pytest.approx(np.sqrt(0.5)), "text": "w", "y": "yes"},
    ]


def test_new_data_need_no_outcome_and_unseen_text_is_missing() -> None:
    new = preview(RECIPE, TRAINING, NEW, ["y"])["new_data"]
    assert [column["name"] for column in new["columns"]] == ["a", "text"]
    assert new["columns"][1]["levels"] == ["u", "w"]
    assert new["columns"][1]["n_missing"] == 1
    assert [row["text"] for row in new["rows"]] == [None, "w", "u"]
    # An infinite value is no number of JSON; it is not missing either.
    assert [row["a"] for row in new["rows"]] == [0, None, pytest.approx(2 / np.sqrt(0.5))]
    assert new["columns"][0]["n_missing"] == 0


def test_whole_numbers_are_shown_as_whole_numbers() -> None:
    body = preview([], MemoryColumns({"y": [12.0, 0.5], "x": [1.0, -0.0]}), None, ["y"])
    assert json.dumps(body["training"]["rows"]) == '[{"x": 1, "y": 12}, {"x": 0, "y": 0.5}]'


def test_new_data_without_what_the_recipe_reads_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"none called 'a'\."):
        preview(RECIPE, TRAINING, MemoryColumns({"text": Category(["u"])}), ["y"])
    swapped = MemoryColumns({"a": Category(["u"]), "text": Category(["u"])})
    with pytest.raises(InvalidData, match=r"'a' of new data to be numeric.*factor"):
        preview(RECIPE, TRAINING, swapped, ["y"])
    outcome = MemoryColumns({"a": [1.0], "text": Category(["u"]), "y": [1.0]})
    with pytest.raises(InvalidData, match=r"'y' of new data to be factor.*numeric"):
        preview(RECIPE, TRAINING, outcome, ["y"])


def test_an_outcome_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidSpec, match="Did you mean 'text'"):
        preview(RECIPE, TRAINING, None, ["texts"])
