"""Columns drawn once, and recipes learned on them and baked, for tests that compare with others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from service.domain.recipe import Recipe
from service.engine.recipe import FittedRecipe, MemoryColumns, learn
from service.engine.recipe.view import View

DRAW = np.random.default_rng(9)
X = MemoryColumns({f"x{place}": DRAW.normal(place, 2 + place, 200) for place in range(6)})
GAPS = MemoryColumns(
    {name: np.where(DRAW.random(200) < 0.1, np.nan, X.numeric(name)) for name in X.types}
)


def learned(steps: list[dict[str, Any]], source: MemoryColumns) -> FittedRecipe:
    return learn(TypeAdapter(Recipe).validate_python(steps), source, list(source.types))


def baked(fitted: FittedRecipe, source: MemoryColumns) -> NDArray[np.float64]:
    view = View(source, fitted.steps, None, fitted.levels)
    return np.array([view.numeric(name) for name in fitted.outputs]).T


def matrix(source: MemoryColumns) -> NDArray[np.float64]:
    return np.array([source.numeric(name) for name in source.types]).T


def warned(fitted: FittedRecipe) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(warning.step, warning.code, warning.columns) for warning in fitted.warnings]
