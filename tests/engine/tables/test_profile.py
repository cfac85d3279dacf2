"""Profiles: moments as R gives them, levels, and how often the most common values occur."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest

from service.domain.datasets import Column


def _columns(reading: Any, data: str, **options: Any) -> dict[str, Column]:
    return {column.name: column for column in reading.ingest(data, **options).columns}


def test_moments_are_r_s(reading: Any) -> None:
    # golden.md G34 and G41: sd with n - 1.
    found = _columns(reading, "a,b,c\n1,5,1\n2,5,2\n3,5,NA\n4,5,6\n")
    assert found["a"].mean == 2.5
    assert found["a"].sd == pytest.approx(1.290994, abs=5e-7)
    assert (found["b"].mean, found["b"].sd, found["b"].n_unique) == (5, 0, 1)
    assert (found["c"].mean, found["c"].min, found["c"].max) == (3, 1, 6)
    assert (found["c"].n_missing, found["c"].n_unique) == (1, 3)


def test_an_offset_a_million_times_the_spread_loses_no_digits(reading: Any) -> None:
    rng = np.random.default_rng(9)
    values = [float(f"{1e9 + value:.6f}") for value in rng.normal(size=2000)]
    found = _columns(reading, "x\n" + "".join(f"{value!r}\n" for value in values))["x"]
    assert found.mean is not None
    assert found.sd is not None
    # Exact rational arithmetic is the oracle; 1e-15 and 1e-12 are what doubles leave.
    assert found.mean == pytest.approx(statistics.mean(values), rel=1e-15)
    assert found.sd == pytest.approx(statistics.stdev(values), rel=1e-12)


def test_numbers_at_the_edge_of_doubles_have_finite_moments_or_none(reading: Any) -> None:
    found = _columns(reading, "big,tiny\n1e308,1e-300\n1.5e308,3e-300\n-1e308,2e-300\n")
    assert found["big"].mean == pytest.approx(5e307)
    assert found["big"].sd is not None
    assert found["big"].sd == pytest.approx(1.3228756555322954e308)
    assert found["tiny"].mean == pytest.approx(2e-300)
    extremes = _columns(reading, "x\n1.7e308\n-1.7e308\n")["x"]
    assert extremes.mean == 0
    # sqrt(2) * 1.7e308 is beyond a double.
    assert extremes.sd is None
    assert all(
        value is None or math.isfinite(value)
        for value in (extremes.min, extremes.max, extremes.mean, extremes.sd)
    )


def test_top_counts_are_of_the_two_most_common_values(reading: Any) -> None:
    rows = ["1,a,T,9.5"] * 5 + ["2,b,F,9.5"] * 3 + ["3,b,F,9.5", "NA,NA,NA,NA"]
    found = _columns(reading, "n,t,l,c\n" + "\n".join(rows) + "\n")
    assert found["n"].top_counts == (5, 3)
    assert found["t"].top_counts == (5, 4)
    assert found["l"].top_counts == (5, 4)
    assert found["c"].top_counts == (9, 0)
    assert [found[name].n_unique for name in "ntlc"] == [3, 2, 2, 1]
    assert [found[name].n_missing for name in "ntlc"] == [1, 1, 1, 1]


def test_levels_are_a_factor_s_own_or_the_distinct_values(reading: Any) -> None:
    found = _columns(
        reading,
        "f,t,l,n\nb,ö,F,1\nb,z,T,2\n",
        columns={"f": {"type": "factor", "levels": ["c", "b", "a"]}},
    )
    assert found["f"].levels == ("c", "b", "a")
    assert (found["f"].n_unique, found["f"].top_counts) == (1, (2, 0))
    assert found["t"].levels == ("z", "ö")
    assert found["l"].levels == ("FALSE", "TRUE")
    assert found["n"].levels is None
    assert found["t"].mean is None


@pytest.mark.parametrize(("distinct", "known"), [(10_000, True), (10_001, False)])
def test_text_of_very_many_values_has_no_levels(reading: Any, distinct: int, known: bool) -> None:
    found = _columns(reading, "t,n\n" + "".join(f"w{at},{at}.5\n" for at in range(distinct)))
    assert (found["t"].levels is not None) == known
    assert found["t"].n_unique == found["n"].n_unique == distinct
    assert found["t"].top_counts == (1, 1)


def test_a_column_without_values_has_a_profile(reading: Any) -> None:
    found = _columns(reading, "n,l,x\nNA,NA,1\nNA,NA,2\n", columns={"n": {"type": "numeric"}})
    assert (found["n"].type, found["n"].n_missing, found["n"].n_unique) == ("numeric", 2, 0)
    assert (found["n"].mean, found["n"].sd, found["n"].min, found["n"].max) == (None,) * 4
    assert (found["l"].type, found["l"].levels, found["l"].top_counts) == ("logical", (), (0, 0))


def test_one_value_has_no_sd(reading: Any) -> None:
    found = _columns(reading, "x\n7\n")["x"]
    assert (found.mean, found.sd) == (7, None)


def test_distinct_large_integers_are_not_confused(reading: Any) -> None:
    # As doubles the two would be one.
    found = _columns(reading, f"x\n{2**53}\n{2**53 + 1}\n", columns={"x": {"type": "integer"}})["x"]
    assert found.n_unique == 2
