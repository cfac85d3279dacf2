from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.domain.recipe import (
    Center,
    Divide,
    NearZeroVariance,
    Normalize,
    Range,
    Remove,
    Scale,
    Select,
    Step,
    ZeroVariance,
)
from service.engine.recipe import Category, FittedRecipe, MemoryColumns, bake, learn, prep

EVERY_STEP: list[Step] = [
    Select(step="select", columns=["-d"]),
    Remove(step="remove", columns="c"),
    ZeroVariance(step="zv"),
    NearZeroVariance(step="nzv"),
    Normalize(step="normalize"),
    Center(step="center"),
    Scale(step="scale", factor=2),
    Range(step="range", min=-0.1, max=1 / 3),
    Divide(step="divide", by=0.7),
]


@given(
    arrays(np.float64, (12, 2), elements=st.floats(-1e9, 1e9), unique=True),
)
def test_json_keeps_every_bit(matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    source = MemoryColumns({"a": matrix[:, 0], "b": matrix[:, 1], "c": [0.0] * 12, "d": [1.0] * 12})
    fitted = prep(EVERY_STEP, source, ["a", "b", "c", "d"])
    again = FittedRecipe.from_json(fitted.to_json())
    assert again == fitted
    assert [type(step) for step in again.steps] == [type(step) for step in fitted.steps]
    assert again.to_json() == fitted.to_json()
    assert bake(again, source).tobytes() == bake(fitted, source).tobytes()


def test_json_is_plain_and_finite() -> None:
    source = MemoryColumns(
        {"a": [np.nan, np.inf, 1.0], "b": [np.nan] * 3, "f": Category(["u", None, "v"])}
    )
    recipe: list[Step] = [
        Normalize(step="normalize"),
        Center(step="center"),
        Range(step="range"),
        Scale(step="scale"),
    ]
    fitted = learn(recipe, source, ["a", "b", "f"])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    stored = json.loads(fitted.to_json(), parse_constant=refuse)
    assert stored["steps"][0]["step"] == "normalize"
    assert "null" not in fitted.to_json()
    assert FittedRecipe.from_json(fitted.to_json()) == fitted


def test_what_is_no_fitted_recipe_is_refused() -> None:
    fitted = prep([], MemoryColumns({"a": [1.0]}), ["a"])
    for text in ("{}", "[]", fitted.to_json().replace('"outputs"', '"output"')):
        with pytest.raises(ValueError, match="FittedRecipe"):
            FittedRecipe.from_json(text)


def test_required_columns_are_those_that_reach_an_output() -> None:
    source = MemoryColumns({"one": [1.0, 1.0], "a": [1.0, 2.0], "b": [1.0, 2.0], "c": [2.0, 1.0]})
    recipe: list[Step] = [
        ZeroVariance(step="zv"),
        Normalize(step="normalize"),
        Remove(step="remove", columns="b"),
    ]
    fitted = prep(recipe, source, ["one", "a", "b", "c"])
    assert fitted.required == ("a", "c")
