"""Every step against real R: recipes_1_0_4.R wrote the numbers, with R 4.2.2 and recipes 1.0.4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from service.domain.datasets import ColumnType
from service.domain.recipe import Recipe
from service.engine.recipe import Category, FittedRecipe, MemoryColumns, learn, training_rows
from service.engine.recipe.source import Rows
from service.engine.recipe.view import View

R: dict[str, Any] = json.loads((Path(__file__).parent / "recipes_1_0_4.json").read_text())
MEDIAN = {"step": "impute_median"}

RECIPES: dict[str, list[dict[str, Any]]] = {
    "normalize": [{"step": "normalize", "columns": ["a", "b"]}],
    "range": [{"step": "range", "columns": ["a", "b"], "min": -1, "max": 2}],
    "corr": [{"step": "corr", "columns": ["a", "b", "c", "d", "e"], "threshold": 0.8}],
    "corr_spearman": [
        {
            "step": "corr",
            "columns": ["a", "b", "c", "d", "e"],
            "threshold": 0.7,
            "method": "spearman",
        }
    ],
    "corr_pairwise": [
        {"step": "corr", "columns": ["a", "b", "c", "d", "e", "k"], "threshold": 0.6}
    ],
    "lincomb": [{"step": "lincomb", "columns": ["a", "b", "c", "d", "e"]}],
    "filter_missing": [{"step": "filter_missing", "threshold": 0.12}],
    "naomit": [
        {"step": "naomit", "columns": ["a", "b", "f"]},
        {"step": "center", "columns": ["a", "b"]},
    ],
    "box_cox": [{"step": "box_cox", "columns": ["a", "b", "c"]}],
    "yeo_johnson": [{"step": "yeo_johnson", "columns": ["a", "b", "c", "d"]}],
    "log": [
        {"step": "log", "columns": "a", "base": 2},
        {"step": "log", "columns": "b", "offset": 1},
        {"step": "log", "columns": "d", "signed": True},
        {"step": "log", "columns": "e", "base": 10},
    ],
    "sqrt": [{"step": "sqrt", "columns": ["a", "b", "k"]}],
    "inverse": [{"step": "inverse", "columns": ["a", "b"], "offset": 0.5}],
    "logit": [{"step": "logit", "columns": "c"}],
    "spatialsign": [{"step": "spatialsign", "columns": ["a", "b", "c"]}],
    "pca": [
        {"step": "normalize", "columns": ["a", "b", "c", "d"]},
        {"step": "pca", "columns": ["a", "b", "c", "d"], "num_comp": 3},
    ],
    "pca_threshold": [
        {
            "step": "pca",
            "columns": ["a", "b", "c", "d"],
            "threshold": 0.99,
            "prefix": "comp_",
            "keep_original_cols": True,
        }
    ],
    "dummy": [{"step": "dummy", "columns": ["f", "o", "g"]}],
    "dummy_one_hot": [
        {"step": "dummy", "columns": ["f", "g"], "one_hot": True, "keep_original_cols": True}
    ],
    "dummy_ordered_one_hot": [{"step": "dummy", "columns": "o", "one_hot": True}],
    "dummy_missing": [{"step": "dummy", "columns": ["f", "o"]}],
    "novel_unknown": [
        {"step": "novel", "columns": ["f", "g"]},
        {"step": "unknown", "columns": "f"},
        {"step": "dummy", "columns": ["f", "g"]},
    ],
    "other": [
        {"step": "other", "columns": "f", "threshold": 0.2},
        {"step": "dummy", "columns": "f"},
    ],
    "other_count": [{"step": "other", "columns": ["f", "g"], "threshold": 17, "other": "rest"}],
    "impute_mean": [{"step": "impute_mean", "columns": ["a", "b", "k"]}],
    "impute_mean_trim": [{"step": "impute_mean", "columns": ["a", "b", "k"], "trim": 0.1}],
    "impute_median": [{"step": "impute_median", "columns": ["a", "b", "k"]}],
    "impute_mode": [{"step": "impute_mode", "columns": "f"}],
    "impute_linear": [
        {"step": "impute_linear", "columns": ["a", "k"], "impute_with": ["c", "d", "g"]}
    ],
    "impute_knn": [
        {
            "step": "impute_knn",
            "columns": ["a", "k"],
            "neighbors": 3,
            "impute_with": ["a", "b", "c", "g", "o", "k"],
        }
    ],
    "impute_knn_factor": [
        {
            "step": "impute_knn",
            "columns": "f",
            "neighbors": 1,
            "impute_with": ["b", "c", "k", "g"],
        }
    ],
    "novel_new": [
        {"step": "novel", "columns": "f"},
        {"step": "unknown", "columns": "f"},
        {"step": "dummy", "columns": "f"},
    ],
    "other_new": [
        {"step": "other", "columns": "f", "threshold": 0.2},
        {"step": "dummy", "columns": "f"},
    ],
    "unknown_new": [
        {"step": "unknown", "columns": "f"},
        {"step": "dummy", "columns": "f"},
    ],
    "discretize": [{"step": "discretize", "columns": ["a", "b"], "min_unique": 5}],
    "discretize_missing": [
        {"step": "discretize", "columns": "a", "num_breaks": 3, "min_unique": 4, "prefix": "cut"}
    ],
    "ns": [{"step": "ns", "columns": ["a", "b"]}],
    "ns_four": [{"step": "ns", "columns": "a", "deg_free": 4}],
    "ns_one": [{"step": "ns", "columns": "a", "deg_free": 1}],
    "ns_eleven": [{"step": "ns", "columns": "b", "deg_free": 11}],
    "poly": [{"step": "poly", "columns": ["a", "b"]}],
    "poly_five": [{"step": "poly", "columns": "a", "degree": 5}],
    "ratio": [{"step": "ratio", "columns": ["a", "b", "c"], "denom": ["b", "d"]}],
    "ratio_only": [
        {"step": "ratio", "columns": ["a", "c"], "denom": "b", "keep_original_cols": False}
    ],
    "interact": [{"step": "interact", "columns": ["a", "b", "c"]}],
    "interact_selected": [
        {"step": "dummy", "columns": "f"},
        {"step": "interact", "terms": [["a", "starts_with:f_"]]},
    ],
    "interact_three": [{"step": "interact", "terms": "~ c:a + b:a:c", "sep": "_by_"}],
    "date": [{"step": "date"}, {"step": "remove", "columns": "w"}],
    "date_all": [
        {
            "step": "date",
            "features": ["doy", "week", "decimal", "quarter", "semester", "dow", "month"],
            "label": False,
            "keep_original_cols": False,
        }
    ],
    "date_words": [
        {"step": "date", "features": ["month", "dow"], "abbr": False, "keep_original_cols": False}
    ],
    "date_ordinal": [
        {"step": "date", "features": ["dow"], "ordinal": True, "keep_original_cols": False},
        {"step": "dummy", "columns": "w_dow"},
    ],
    "several": [
        {"step": "remove", "columns": ["w", "e"]},
        MEDIAN,
        {"step": "unknown", "columns": ["f", "o"]},
        {"step": "dummy"},
        {"step": "zv"},
        {"step": "normalize"},
    ],
}


def source(columns: dict[str, Any]) -> MemoryColumns:
    """Return a table of the fixture; its dates are days."""
    made: dict[str, Any] = {}
    types: dict[str, ColumnType] = {}
    for name, column in columns.items():
        if "levels" in column:
            made[name] = Category(column["values"], levels=column["levels"], type=column["type"])
        else:
            made[name] = np.array(column["values"], dtype=np.float64)
            types[name] = column["type"]
    return MemoryColumns(made, types)


def assert_same(
    fitted: FittedRecipe, data: MemoryColumns, rows: Rows, baked: dict[str, Any]
) -> None:
    view = View(data, fitted.steps, rows, fitted.levels)
    for name in fitted.outputs:
        expected = baked[name]
        if "levels" in expected:
            levels = view.levels(name)
            found = [levels[code] if code >= 0 else None for code in view.codes(name).tolist()]
            # A level that only the rows baked here have is no level of the training rows.
            assert [level for level in expected["levels"] if not level.endswith("_missing")] == [
                level for level in levels if not level.endswith("_missing")
            ]
            assert [
                None if value is not None and value not in levels else value
                for value in expected["values"]
            ] == found, name
            continue
        numbers = np.array(expected["values"], dtype=np.float64)
        found_numbers = view.numeric(name)
        if name.startswith(("PC", "comp_")) and found_numbers[0] * numbers[0] < 0:
            numbers = -numbers
        # Both compute in doubles, and add in another order.
        np.testing.assert_allclose(found_numbers, numbers, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("case", RECIPES)
def test_the_step_gives_the_names_and_the_numbers_of_r(case: str) -> None:
    expected = R["cases"][case]
    gaps = "_na" if expected["gaps"] else ""
    training, new = source(R[f"train{gaps}"]), source(expected.get("new_data") or R[f"new{gaps}"])
    recipe = TypeAdapter(Recipe).validate_python(RECIPES[case])
    fitted = learn(recipe, training, [name for name in training.types if name != "y"])
    in_order = list(expected["training"])
    # R has the outcome between the columns that were there and those that steps made.
    assert list(fitted.outputs) == [name for name in in_order if name != "y"]
    assert_same(fitted, training, training_rows(fitted, training), expected["training"])
    if case == "naomit":
        # R's bake skips the step, as bake does here.
        assert len(expected["new"]["a"]["values"]) == new.n_rows
    again = FittedRecipe.from_json(fitted.to_json())
    assert_same(again, new, None, expected["new"])


def test_every_case_of_the_fixture_is_looked_at() -> None:
    assert set(RECIPES) == set(R["cases"])
    assert (R["recipes"], R["r"][:15]) == ("1.0.4", "R version 4.2.2")
