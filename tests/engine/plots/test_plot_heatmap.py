"""Correlations as a picture: the names and numbers that fit, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.plots.heatmap import MOST_LABELS, MOST_NUMBERS, heatmap

Texts = Callable[[bytes], list[str]]


def test_names_numbers_and_what_is_undefined_are_written(texts: Texts) -> None:
    r = np.array([[1, -0.004, np.nan], [-0.004, 1, 0.876], [np.nan, 0.876, np.nan]])
    words = texts(heatmap(r, ["a", "$b$", "<c>"]))
    assert {"a", "$b$", "<c>", "1.00", "0.00", "0.88", "NA"} <= set(words)
    assert "-0.00" not in words


@pytest.mark.parametrize("k", [0, 1, MOST_NUMBERS + 1, MOST_LABELS + 30])
def test_any_number_of_columns_is_drawn(k: int, texts: Texts) -> None:
    names = [f"column {at}" for at in range(k)]
    words = texts(heatmap(np.eye(k), names))
    assert len([word for word in words if word in names]) <= 2 * MOST_LABELS
    assert ("There is no numeric column." in words) == (k == 0)


def test_equal_matrices_give_equal_bytes() -> None:
    r = np.array([[1, 0.5], [0.5, 1]])
    assert heatmap(r, ["a", "b"]) == heatmap(r, ["a", "b"])
    assert heatmap(r, ["a", "b"], fmt="png") == heatmap(r, ["a", "b"], fmt="png")


def test_an_svg_of_very_many_columns_stays_small_and_the_same() -> None:
    r: NDArray[np.float64] = np.array(np.corrcoef(np.random.default_rng(1).normal(size=(784, 50))))
    names = [f"x{at}" for at in range(784)]
    drawn = heatmap(r, names)
    assert len(drawn) < 3_000_000
    assert heatmap(r, names) == drawn
