from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidData
from service.engine.recipe.moments import finite, moments


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=200))
def test_mean_and_sd_are_those_of_exact_arithmetic(values: list[float]) -> None:
    found = moments(np.array(values))
    # statistics works with fractions. Both passes round at the size of the largest value.
    size = max(abs(value) for value in values)
    assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-14, abs=1e-15 * size)
    assert found.sd == pytest.approx(statistics.stdev(values), rel=1e-12, abs=1e-14 * size)


def test_a_large_mean_does_not_drown_a_small_sd() -> None:
    # The one-pass formula loses every digit here: 1e18 against a variance of 1.
    found = moments(np.array([1e9 + 1, 1e9 + 2, 1e9 + 3]))
    assert found.mean == 1e9 + 2
    assert found.sd == 1


@pytest.mark.parametrize("value", [0.1, 1 / 3, -1e-300, 1e300, 0.0])
def test_a_constant_has_an_sd_of_exactly_zero(value: float) -> None:
    found = moments(np.full(10_001, value))
    assert (found.mean, found.sd) == (value, 0.0)


def test_missing_and_infinite_values_are_skipped() -> None:
    found = moments(np.array([10, np.nan, 30, np.inf, 40, -np.inf]))
    assert (found.n, found.min, found.max) == (3, 10, 40)
    assert found.mean == pytest.approx(80 / 3, rel=1e-15)


def test_one_value_has_a_mean_and_no_sd_and_no_values_have_neither() -> None:
    one = moments(np.array([np.nan, 7.0]))
    assert (one.n, one.mean) == (1, 7)
    assert math.isnan(one.sd)
    assert math.isnan(moments(np.array([np.nan])).mean)


def test_numbers_near_the_end_of_the_range_do_not_overflow() -> None:
    found = moments(np.array([1e308, 1.2e308, 1.4e308]))
    assert found.mean == pytest.approx(1.2e308, rel=1e-14)
    assert found.sd == pytest.approx(0.2e308, rel=1e-12)


def test_an_sd_beyond_a_double_is_refused() -> None:
    with pytest.raises(InvalidData, match="Divide them first"):
        moments(np.array([-1.7e308, 1.7e308]))


def test_finite_values_are_not_copied() -> None:
    values = np.array([1.0, 2.0])
    assert finite(values) is values
    overflowing = np.array([1.7e308, 1.7e308])
    np.testing.assert_array_equal(finite(overflowing), overflowing)
