"""Correlations against pandas' own, where both are defined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from service.engine.tables import correlation as module
from service.engine.tables.correlation import correlation


def _table(reading: Any, frame: pd.DataFrame) -> Any:
    return reading.table(frame.to_csv(index=False, na_rep="NA"))


@pytest.mark.parametrize("block", [7, 10**9])
def test_every_pair_is_of_the_rows_that_have_both(
    reading: Any, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    # The rows are read in blocks; where they end must not matter.
    monkeypatch.setattr(module, "BLOCK_CELLS", block)
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))
    values[rng.random(values.shape) < 0.3] = np.nan
    frame = pd.DataFrame(values, columns=list("abcde"))
    found = correlation(_table(reading, frame), list("abcde"))
    np.testing.assert_allclose(found.r, frame.corr(), rtol=0, atol=1e-12)
    there = frame.notna().to_numpy().astype(int)
    np.testing.assert_array_equal(found.n, there.T @ there)


def test_an_offset_a_billion_times_the_spread_loses_little(reading: Any) -> None:
    rng = np.random.default_rng(4)
    first = rng.normal(size=200)
    second = first / 2 + rng.normal(size=200)
    # The sums are of values moved to their mean: what is lost is lost in storing 1e9 + x, 1e-7.
    frame = pd.DataFrame({"a": first + 1e9, "b": second + 1e9})
    found = correlation(_table(reading, frame), ["a", "b"])
    assert found.r[0, 1] == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-6)


def test_values_near_the_end_of_doubles_correlate(reading: Any) -> None:
    frame = pd.DataFrame({"a": [1e300, -1e300, 5e299], "b": [1.0, -1.0, 0.5]})
    assert correlation(_table(reading, frame), ["a", "b"]).r[0, 1] == pytest.approx(1)


def test_what_does_not_vary_or_has_one_row_is_undefined(reading: Any) -> None:
    table = reading.table("c,x,y\n0.1,1,NA\n0.1,2,5\n0.1,NA,6\n")
    found = correlation(table, ["c", "x", "y"])
    assert np.isnan(found.r[0]).all()
    assert np.isnan(found.r[1, 2])
    assert found.n[1, 2] == 1
    assert found.r[1, 1] == 1


def test_no_columns_are_an_empty_matrix(reading: Any) -> None:
    assert correlation(reading.table("t\nx\n"), []).r.shape == (0, 0)
