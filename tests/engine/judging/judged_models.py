"""Answers of made-up models, and tables that a fitted one can be asked about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.engine.metrics.scoring import Judged, judged
from service.engine.recipe import Category, MemoryColumns
from tests.engine.fitted_models import training

LEVELS = ("a", "b", "c")


def classified(
    seed: int = 1, n: int = 200, k: int = 3, skill: float = 2.0, weights: bool = False
) -> Judged:
    """Return probabilities of k classes; `skill` is how much the true class stands out."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, k, n)
    score = draw.normal(size=(n, k)) + skill * np.eye(k)[truth]
    prob = np.exp(score)
    # Rounded, so that there are ties.
    prob = np.round(prob / prob.sum(axis=1, keepdims=True), 2) + 1e-3
    prob /= prob.sum(axis=1, keepdims=True)
    weigh = draw.uniform(0.2, 3, n) if weights else None
    return judged(truth, prob, "abcdefghij"[:k], "classification", weigh)


def measured(seed: int = 1, n: int = 200, error: float = 1.0) -> Judged:
    """Return estimates of one number."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(10, 3, n)
    return judged(truth, truth + draw.normal(0, error, n), None, "regression")


def table(rows: int = 60, columns: int = 4) -> tuple[dict[str, NDArray[np.float64]], MemoryColumns]:
    """Return numeric predictors x1, ... and the same with an outcome y of the three levels."""
    predictors = training(rows, columns)
    levels = [LEVELS[row % 3] for row in range(rows)]
    return predictors, MemoryColumns({**predictors, "y": Category(levels, LEVELS)})
