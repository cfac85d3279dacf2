"""A column's spread: every value in one bin, quantiles as R's, skewness as scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import skew

from service.engine.tables.distribution import spread


@given(
    values=arrays(
        np.float64, st.integers(1, 60), elements=st.floats(-1e12, 1e12) | st.just(float("nan"))
    ),
    bins=st.none() | st.integers(1, 50),
)
def test_every_value_is_in_exactly_one_bin(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], bins: int | None
) -> None:
    found = spread(values, bins)
    known = values[~np.isnan(values)]
    assert sum(n for _, _, n in found.bins) == len(known)
    if len(known):
        assert found.bins[0][0] <= known.min()
        assert found.bins[-1][1] >= known.max()
        assert bins is None or len(found.bins) == bins
        cuts = [cut for _, cut in found.quantiles]
        assert cuts == sorted(cuts)


def test_skewness_is_the_third_standardised_moment_with_n() -> None:
    values = np.random.default_rng(5).gamma(2, size=500)
    assert spread(values).skewness == pytest.approx(skew(values), rel=1e-10)
    assert spread(values * 1e200).skewness == pytest.approx(skew(values), rel=1e-10)


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.1] * 7, [3.0]])
def test_a_constant_has_no_skewness_and_one_bin(values: list[float]) -> None:
    found = spread(np.array(values))
    assert found.skewness is None
    assert [n for _, _, n in found.bins] == [len(values)]


def test_without_values_there_is_nothing_to_tell() -> None:
    found = spread(np.array([np.nan, np.nan]))
    assert (found.quantiles, found.bins, found.skewness) == ((), (), None)
