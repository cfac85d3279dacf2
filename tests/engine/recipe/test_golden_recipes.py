"""The numbers that real R gives and that this service promises: G36 to G45 of the golden facts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from service.domain.datasets import Column
from service.domain.recipe import Recipe
from service.domain.recipe_outcome import predictors_after
from service.engine.recipe import Category, FittedRecipe, MemoryColumns, bake, learn, preview
from service.engine.recipe.view import View

FIXTURE: dict[str, Any] = json.loads((Path(__file__).parent / "recipes_1_0_4.json").read_text())
SQUARES = np.arange(1.0, 11) ** 2
SIGNED = np.array([-3, -1, 0, 0.5, 2, 4, 8, 16, 32, 64])


def learned(
    steps: list[dict[str, Any]], source: MemoryColumns, rows: slice | None = None
) -> FittedRecipe:
    recipe = TypeAdapter(Recipe).validate_python(steps)
    return learn(recipe, source, list(source.types), rows)


def column(fitted: FittedRecipe, source: MemoryColumns, name: str) -> NDArray[np.float64]:
    return View(source, fitted.steps, None, fitted.levels).numeric(name)


def of_r(name: str) -> MemoryColumns:
    return MemoryColumns(
        {key: np.array(cells["values"], dtype=np.float64) for key, cells in FIXTURE[name].items()}
    )


def lambdas(step: str, source: MemoryColumns) -> dict[str, float]:
    found = learned([{"step": step}], source).steps[0].learned()["lambda"]
    assert isinstance(found, dict)
    return {name: float(value) for name, value in found.items()}  # type: ignore[arg-type]


def test_box_cox_g36() -> None:
    source = MemoryColumns({"x": SQUARES})
    # R's `optimize` stops within 1e-4 of lambda.
    assert lambdas("box_cox", source)["x"] == pytest.approx(0.360974, abs=1e-3)
    found = column(learned([{"step": "box_cox"}], source), source, "x")
    assert found[[1, 9]] == pytest.approx([1.7990429, 11.8337303], rel=1e-5)
    cars = lambdas("box_cox", of_r("mtcars"))
    assert cars == pytest.approx({"disp": 0.225308, "hp": 0.094084, "mpg": 0.029557}, abs=1e-3)


def test_yeo_johnson_g37() -> None:
    source = MemoryColumns({"squares": SQUARES, "signed": SIGNED})
    found = lambdas("yeo_johnson", source)
    assert found == pytest.approx({"squares": 0.332577, "signed": 0.336612}, abs=1e-3)
    baked = column(learned([{"step": "yeo_johnson"}], source), source, "signed")
    assert baked[[0, 9]] == pytest.approx([-5.4308804, 9.1385094], rel=1e-4)
    cars = lambdas("yeo_johnson", of_r("mtcars"))
    assert cars == pytest.approx({"disp": 0.222552, "hp": 0.087850, "mpg": -0.021231}, abs=1e-3)


def test_principal_components_g38() -> None:
    source = of_r("usarrests")
    steps: list[dict[str, Any]] = [{"step": "normalize"}, {"step": "pca"}]
    fitted = learned(steps, source)
    assert fitted.outputs == ("PC1", "PC2", "PC3", "PC4")
    said = fitted.steps[1].learned()
    variances = np.array(said["sd"]) ** 2
    # Seven digits are printed.
    np.testing.assert_allclose(variances, [2.4802416, 0.9897652, 0.3565632, 0.1734301], atol=6e-8)
    loadings = said["loadings"]["PC1"]  # type: ignore[index,call-overload]
    printed = [-0.5358995, -0.5831836, -0.2781909, -0.5434321]
    # Up to its sign, which R leaves to LAPACK: here the largest loading is positive.
    np.testing.assert_allclose(list(loadings.values()), -np.array(printed), atol=6e-8)  # type: ignore[union-attr]
    alabama = [abs(float(column(fitted, source, f"PC{place}")[0])) for place in (1, 2, 3)]
    assert alabama == pytest.approx([0.9756604, 1.1220012, 0.4398037], abs=6e-8)


@pytest.mark.parametrize(("threshold", "count"), [(0.6, 1), (0.9, 3), (0.99, 4), (1, 4)])
def test_as_many_components_as_hold_a_share_of_the_variance_g38(
    threshold: float, count: int
) -> None:
    steps: list[dict[str, Any]] = [
        {"step": "normalize"},
        {"step": "pca", "threshold": threshold},
    ]
    assert len(learned(steps, of_r("usarrests")).outputs) == count


def test_normalize_g40() -> None:
    said = learned([{"step": "normalize"}], of_r("mtcars")).steps[0].learned()
    assert said["mean"]["disp"] == pytest.approx(230.721875, rel=1e-12)  # type: ignore[index,call-overload]
    assert said["sd"]["disp"] == pytest.approx(123.938694, rel=1e-8)  # type: ignore[index,call-overload]
    assert said["mean"]["hp"] == pytest.approx(146.6875, rel=1e-12)  # type: ignore[index,call-overload]
    assert said["sd"]["hp"] == pytest.approx(68.562868, rel=1e-8)  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("step", "cells", "kind", "value"),
    [
        ("impute_mean", [1, 2, None, 4, 5, 6], "numeric", 3.6),
        ("impute_median", [1, 2, None, 4, 5, 6], "numeric", 4),
        ("impute_mean", [1, 2, None, 4, 5, 7], "integer", 4),
        # Half to even, as R rounds.
        ("impute_median", [2, None, 3], "integer", 2),
    ],
)
def test_one_value_for_all_gaps_g41(
    step: str, cells: list[float | None], kind: Any, value: float
) -> None:
    source = MemoryColumns({"x": np.array(cells, dtype=np.float64)}, {"x": kind})
    fitted = learned([{"step": step}], source)
    gap = cells.index(None)
    assert column(fitted, source, "x")[gap] == value


def test_values_from_neighbors_and_from_a_line_g41() -> None:
    source = MemoryColumns({"a": [1.0, 2, 3, 4, 5, np.nan], "b": [10.0, 20, 30, 40, 50, 31]})
    near = learned([{"step": "impute_knn", "columns": "a", "neighbors": 3}], source)
    assert column(near, source, "a")[5] == 3
    line = learned([{"step": "impute_linear", "columns": "a"}], source)
    assert column(line, source, "a")[5] == pytest.approx(3.1, rel=1e-14)


def test_dummy_columns_g42() -> None:
    levels = ["blue", "green", "red"]
    source = MemoryColumns({"colour": Category(["red", "blue", "green"], levels=levels)})
    new = MemoryColumns({"colour": Category(["red", "violet", None])})
    plain = learned([{"step": "dummy"}], source)
    assert plain.outputs == ("colour_green", "colour_red")
    np.testing.assert_array_equal(column(plain, new, "colour_green"), [0, np.nan, np.nan])
    np.testing.assert_array_equal(column(plain, new, "colour_red"), [1, np.nan, np.nan])
    every = learned([{"step": "novel"}, {"step": "unknown"}, {"step": "dummy"}], source)
    assert every.outputs == ("colour_green", "colour_red", "colour_new", "colour_unknown")
    np.testing.assert_array_equal(bake(every, new), [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def penguins(shared_data: Path) -> MemoryColumns:
    with (shared_data / "penguins.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if "NA" not in row.values()]
    numbers = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    return MemoryColumns(
        {
            name: [float(row[name]) for row in rows]
            if name in numbers
            else Category([row[name] for row in rows])
            for name in rows[0]
            if name != "year"
        }
    )


def test_columns_come_in_r_s_order_g45(shared_data: Path) -> None:
    source = penguins(shared_data)
    recipe = TypeAdapter(Recipe).validate_python([{"step": "dummy"}])
    body = preview(recipe, source, None, ["species"])
    assert [shown["name"] for shown in body["training"]["columns"]] == [
        "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "species",
        "island_Dream", "island_Torgersen", "sex_male",
    ]  # fmt: skip
    profile = [
        Column(name=name, type=kind, n_missing=0, n_unique=3,
               levels=source.category_levels(name) if kind == "factor" else None)
        for name, kind in source.types.items()
        if name != "species"
    ]  # fmt: skip
    foreseen = predictors_after(recipe, profile)
    assert (
        foreseen.names
        == learn(recipe, source, [name for name in source.types if name != "species"]).outputs
    )
