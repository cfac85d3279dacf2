"""What holds for every step: row by row, by name, from the training rows alone, kept by JSON."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter

from service.domain.recipe import Recipe
from service.domain.recipe import Step as AnyStep
from service.domain.selectors import Kind, kind_of
from service.engine.recipe import (
    Category,
    FittedRecipe,
    MemoryColumns,
    bake,
    learn,
    prep,
    training_rows,
)
from service.engine.recipe.view import View

ROWS = 60
ANALYSIS = 40
MEDIAN = {"step": "impute_median"}
UNKNOWN = {"step": "unknown"}
# Each step where it has something to do; the last steps make the result ready for a network.
RECIPES: dict[str, list[dict[str, Any]]] = {
    "zv": [{"step": "zv"}],
    "nzv": [{"step": "nzv", "freq_cut": 1, "unique_cut": 50}],
    "normalize": [{"step": "normalize"}],
    "center": [{"step": "center"}],
    "scale": [{"step": "scale", "factor": 2}],
    "range": [{"step": "range"}],
    "divide": [{"step": "divide", "by": 0.7}],
    "select": [{"step": "select", "columns": ["c", "f", "a"]}],
    "remove": [{"step": "remove", "columns": "-k"}],
    "corr": [{"step": "corr", "threshold": 0.1}],
    "lincomb": [MEDIAN, {"step": "ratio", "columns": "a", "denom": "c"}, {"step": "lincomb"}],
    "filter_missing": [{"step": "filter_missing", "threshold": 0.12}],
    "naomit": [{"step": "naomit"}, {"step": "normalize"}],
    "spatialsign": [{"step": "spatialsign"}],
    "box_cox": [{"step": "box_cox"}],
    "yeo_johnson": [{"step": "yeo_johnson"}],
    "log": [{"step": "log", "offset": 100}],
    "sqrt": [{"step": "sqrt", "columns": "c"}],
    "inverse": [{"step": "inverse", "offset": 1000.0}],
    "logit": [{"step": "range", "min": 0.1, "max": 0.9}, {"step": "logit"}],
    "impute_mean": [{"step": "impute_mean", "trim": 0.1}],
    "impute_median": [MEDIAN],
    "impute_mode": [{"step": "impute_mode"}],
    "impute_knn": [{"step": "impute_knn"}],
    "impute_linear": [{"step": "impute_linear", "impute_with": ["c", "k", "f"]}],
    "impute_lower": [{"step": "impute_lower", "columns": "c"}],
    "dummy": [{"step": "dummy"}],
    "novel": [{"step": "novel"}],
    "unknown": [UNKNOWN],
    "other": [{"step": "other", "threshold": 0.3}],
    "discretize": [{"step": "discretize", "min_unique": 2}],
    "date": [{"step": "date", "features": ["dow", "month", "year", "decimal"]}],
    "pca": [MEDIAN, {"step": "normalize"}, {"step": "pca", "num_comp": 2}],
    "ns": [{"step": "ns", "columns": ["a", "b"], "deg_free": 3}],
    "poly": [{"step": "poly", "columns": ["a", "b"], "degree": 3}],
    "ratio": [{"step": "ratio", "columns": ["a", "b"], "denom": "c"}],
    "interact": [MEDIAN, {"step": "interact", "columns": ["a", "b", "c"]}],
}
FINISH: list[dict[str, Any]] = [
    {"step": "remove", "columns": "all_date_predictors"},
    {"step": "novel", "new_level": "never seen"},
    {"step": "unknown", "new_level": "not known"},
    {"step": "dummy"},
    MEDIAN,
    {"step": "zv"},
]
steps = pytest.mark.parametrize("name", RECIPES)


def columns(seed: int) -> dict[str, Any]:
    """Return columns of every kind, with gaps; the rows after the first hold what is new."""
    draw = np.random.default_rng(seed)
    gaps = [draw.random(ROWS) < share for share in (0.1, 0.15, 0.1, 0.1)]
    words = ["u", "v", "w", "a b"]
    text = [str(word) for word in draw.choice(words, ROWS)]
    text[ANALYSIS + 1] = "only in later rows"
    made: dict[str, Any] = {
        "a": np.where(gaps[0], np.nan, draw.normal(3, 10, ROWS)),
        "b": np.where(gaps[1], np.nan, draw.exponential(2, ROWS)),
        "c": draw.uniform(0.5, 8, ROWS),
        "k": np.where(gaps[2], np.nan, draw.integers(0, 6, ROWS)),
        "f": Category([str(word) for word in draw.choice(words, ROWS)], levels=words),
        "t": Category(
            [None if gap else word for gap, word in zip(gaps[3], text, strict=True)], type="text"
        ),
        "o": Category(
            [str(word) for word in draw.choice(words[:3], ROWS)], levels=words[:3], type="ordered"
        ),
        "w": draw.integers(15_000, 21_000, ROWS).astype(np.float64),
    }  # fmt: skip
    # What is rare must be there at all, for factors to have their levels.
    for place, word in enumerate(words):
        made["f"].values[place] = word
        made["t"].values[place] = word
        made["o"].values[place] = words[place % 3]
    return made


def table(made: dict[str, Any]) -> MemoryColumns:
    return MemoryColumns(made, {"k": "integer", "w": "date"})


TYPES = table(columns(0)).types


def recipe_of(name: str, finish: list[dict[str, Any]] | None = None) -> Recipe:
    return TypeAdapter(Recipe).validate_python([*RECIPES[name], *(finish or [])])


def learned(name: str, source: MemoryColumns) -> FittedRecipe:
    return learn(recipe_of(name), source, list(source.types), slice(0, ANALYSIS))


def values(
    fitted: FittedRecipe, source: MemoryColumns, rows: slice | NDArray[np.int64] | None = None
) -> dict[str, NDArray[Any]]:
    """Return every output, in doubles or codes."""
    kinds: dict[str, Kind] = {name: kind_of(TYPES[name]) for name in fitted.inputs}
    for step in fitted.steps:
        kinds = step.after(kinds)
    view = View(source, fitted.steps, rows, fitted.levels)
    return {
        name: view.codes(name) if kind == "nominal" else view.numeric(name)
        for name, kind in kinds.items()
    }


def assert_same_bits(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    assert list(found) == list(expected)
    for name, column in found.items():
        assert column.tobytes() == expected[name].tobytes(), name


def test_every_step_has_its_recipe_here() -> None:
    specs = get_args(get_args(AnyStep)[0])
    assert {get_args(spec.model_fields["step"].annotation)[0] for spec in specs} == set(RECIPES)


@steps
@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.lists(st.integers(0, ROWS - 1), max_size=30),
    part=st.slices(ROWS),
)
def test_a_row_has_the_same_bits_in_any_company(
    name: str, seed: int, rows: list[int], part: slice
) -> None:
    source = table(columns(seed))
    fitted = learned(name, source)
    whole = values(fitted, source)
    positions = np.array(rows, dtype=np.int64)
    for chosen in (positions, part):
        expected = {output: column[chosen] for output, column in whole.items()}
        assert_same_bits(values(fitted, source, chosen), expected)


@steps
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_learning_twice_gives_the_same_bits_and_json_keeps_them(name: str, seed: int) -> None:
    source = table(columns(seed))
    fitted = learned(name, source)
    assert learned(name, source).to_json() == fitted.to_json()
    again = FittedRecipe.from_json(fitted.to_json())
    assert again == fitted
    assert again.to_json() == fitted.to_json()
    assert_same_bits(values(again, source), values(fitted, source))
    assert [step.learned() for step in again.steps] == [step.learned() for step in fitted.steps]


@steps
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_but_the_training_rows_decides_what_is_learned(name: str, seed: int) -> None:
    made = columns(seed)
    fitted = learned(name, table(made))
    draw = np.random.default_rng(seed + 1)
    for column, cells in made.items():
        if isinstance(cells, Category):
            values_after = ["poison" if column == "t" else "u"] * (ROWS - ANALYSIS)
            values_ = [*cells.values[:ANALYSIS], *values_after]
            made[column] = cells._replace(values=values_)
        else:
            cells[ANALYSIS:] = draw.choice([np.nan, np.inf, -1e300, 0.0], ROWS - ANALYSIS)
    assert learned(name, table(made)).to_json() == fitted.to_json()


@steps
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_columns_are_found_by_name_whatever_their_order_and_company(name: str, seed: int) -> None:
    made = columns(seed)
    fitted = learned(name, table(made))
    other = {"extra": np.full(ROWS, np.nan), **dict(reversed(made.items()))}
    assert_same_bits(values(fitted, table(other)), values(fitted, table(made)))
    needed = {column: made[column] for column in fitted.required}
    assert_same_bits(values(fitted, table(needed)), values(fitted, table(made)))


@steps
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_reaches_the_network_is_finite_and_rounded_once(name: str, seed: int) -> None:
    source = table(columns(seed))
    rows = slice(0, ANALYSIS)
    fitted = prep(recipe_of(name, FINISH), source, list(source.types), rows)
    left = training_rows(fitted, source, rows)
    matrix = bake(fitted, source, left)
    view = View(source, fitted.steps, left, fitted.levels)
    expected = np.array([view.numeric(output) for output in fitted.outputs]).T
    assert matrix.tobytes() == np.ascontiguousarray(expected, dtype=np.float32).tobytes()
    # The rows that only come later have new levels and are baked all the same.
    assert np.isfinite(bake(fitted, source)).all()
