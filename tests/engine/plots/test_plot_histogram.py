"""The histogram: no value lost, whole numbers shared fairly, extremes survived."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.plots.histogram import histogram
from service.engine.tables.bins import LARGEST, MOST_BINS, bins_of


@given(st.lists(st.floats(-LARGEST, LARGEST), min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_the_bins_rise_and_hold_every_value(values: list[float]) -> None:
    finite = np.array(values)
    edges = bins_of(finite)
    assert 1 <= len(edges) - 1 <= MOST_BINS
    assert np.all(np.diff(edges) > 0)
    assert np.histogram(finite, edges)[0].sum() == finite.size


@pytest.mark.parametrize("high", [1, 9, 16, 59, 60, 255, 999])
def test_each_bin_of_whole_numbers_holds_equally_many_numbers(high: int) -> None:
    counts, _ = np.histogram(np.arange(high + 1.0), bins_of(np.arange(high + 1.0)))
    assert set(counts[:-1]) <= {counts[0]}
    assert counts[-1] <= counts[0]


def test_one_far_outlier_does_not_ask_for_a_million_bins() -> None:
    values = np.r_[np.linspace(0, 1, 1000) ** 2, 1e12 + 0.5]
    assert len(bins_of(values)) - 1 <= MOST_BINS


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0, np.nan], "2 rows, 1 to 2, mean 1.5, 1 missing"),
        ([1e308, -1e308, 1.5], "1 row, 1.5 to 1.5, mean 1.5, 2 beyond 1e+300"),
        ([np.nan], "0 rows, 1 missing"),
        ([], "0 rows"),
        ([0.0] * 50, "50 rows, 0 to 0, mean 0"),
    ],
)
def test_the_headline_accounts_for_every_row(
    values: list[float], words: str, texts: Callable[[bytes], list[str]]
) -> None:
    assert words in texts(histogram(np.array(values, dtype=np.float64), column="x"))


def test_equal_values_give_equal_bytes() -> None:
    values = np.linspace(0, 1, 200) ** 3
    assert histogram(values, column="x") == histogram(values.copy(), column="x")
    assert histogram(values, column="x", fmt="png").startswith(b"\x89PNG")


def test_years_are_labelled_by_whole_years_and_large_numbers_in_groups(
    texts: Callable[[bytes], list[str]],
) -> None:
    words = texts(histogram(np.array([2007.0, 2008.0, 2009.0] * 9), column="year"))
    assert {"2007", "2008", "2009"} <= set(words)
    assert not [word for word in words if word.endswith(".5")]
    words = texts(histogram(np.array([12_285.0, 1_484_705.0, 400_000.5]), column="weight"))
    assert "3 rows, 12,285 to 1,484,705, mean 632,330" in words
    assert {"500,000", "1,000,000"} <= set(words)
