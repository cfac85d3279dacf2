"""Numbers marked R were computed with recipes 1.0.4 (golden fact G35)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from service.domain.errors import InvalidData
from service.domain.recipe import Divide, Range
from service.engine.recipe import MemoryColumns, learn
from service.engine.recipe.view import View

RANGE = Range(step="range")


def baked(step: Range | Divide, train: list[float], new: list[float]) -> list[float]:
    fitted = learn([step], MemoryColumns({"a": train}), ["a"])
    values: list[float] = View(MemoryColumns({"a": new}), fitted.steps, None).numeric("a").tolist()
    return values


def test_range_gives_the_numbers_of_r() -> None:
    train = [1.0, 2.0, 3.0, 4.0]
    assert baked(RANGE, train, train) == pytest.approx([0, 1 / 3, 2 / 3, 1], rel=1e-15)
    assert baked(RANGE, train, [0.0, 10.0]) == [0, 1]
    unclipped = Range(step="range", clipping=False)
    assert baked(unclipped, train, [0.0, 10.0]) == pytest.approx([-1 / 3, 3.0], rel=1e-15)


def test_range_maps_to_any_interval_and_passes_missing_values_through() -> None:
    step = Range(step="range", min=-1, max=3)
    assert baked(step, [0.0, np.nan, 10.0], [5.0, np.nan, -np.inf, 99.0]) == pytest.approx(
        [1, np.nan, -1, 3], nan_ok=True
    )


def test_range_maps_a_constant_to_the_lower_bound_and_warns() -> None:
    source = MemoryColumns({"a": [5.0, 5.0], "b": [np.nan, np.nan]})
    fitted = learn([Range(step="range", min=2, max=3)], source, ["a", "b"])
    (warning,) = fitted.warnings
    assert (warning.step, warning.columns, warning.code) == ("range", ("a", "b"), "zero_range")
    view = View(MemoryColumns({"a": [5.0, 5.25, 9.0], "b": [0.0, 1.0, 0.5]}), fitted.steps, None)
    assert view.numeric("a").tolist() == [2, 2.25, 3]
    assert view.numeric("b").tolist() == [2, 3, 2.5]


def test_range_agrees_with_scikit_learn() -> None:
    draw = np.random.default_rng(2)
    train, new = draw.normal(size=40), draw.normal(size=40) * 3
    expected = MinMaxScaler((-2, 5), clip=True).fit(train[:, None]).transform(new[:, None])
    ours = baked(Range(step="range", min=-2, max=5), train.tolist(), new.tolist())
    np.testing.assert_allclose(ours, expected[:, 0], rtol=1e-12, atol=1e-12)


def test_a_range_beyond_a_double_is_refused_by_column() -> None:
    with pytest.raises(InvalidData, match="column 'a'"):
        learn([RANGE], MemoryColumns({"a": [-1.7e308, 1.7e308]}), ["a"])


def test_divide_divides_and_does_not_multiply_by_the_reciprocal() -> None:
    pixels = [float(value) for value in range(256)]
    assert baked(Divide(step="divide", by=255), pixels, pixels) == [x / 255 for x in pixels]


def test_divide_may_overflow_without_a_word_as_bake_will_refuse_it() -> None:
    assert baked(Divide(step="divide", by=1e-300), [1.0], [1e300]) == [np.inf]
