from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_selection import VarianceThreshold

from service.domain.recipe import NearZeroVariance, ZeroVariance
from service.engine.recipe import Category, FittedRecipe, MemoryColumns, learn, prep

ZV = ZeroVariance(step="zv")


def dropped(fitted: FittedRecipe) -> dict[str, str]:
    return {removal.column: removal.reason for removal in fitted.removed}


def test_zv_drops_what_has_one_value_or_none() -> None:
    source = MemoryColumns(
        {
            "varies": [1.0, 2.0, 1.0],
            "zero": [0.0, -0.0, 0.0],
            "one_and_missing": [3.0, np.nan, 3.0],
            "missing": [np.nan, np.nan, np.nan],
            "infinite": [1.0, np.inf, 1.0],
            "f": Category(["a", "a", None], levels=["a", "b"]),
            "g": Category(["a", "b", None]),
            "h": Category([None, None, None], levels=["a"]),
        }
    )
    fitted = learn([ZV], source, list(source.types))
    assert fitted.outputs == ("varies", "infinite", "g")
    assert dropped(fitted) == {
        "zero": "It has a single value: 0.",
        "one_and_missing": "It has a single value: 3.",
        "missing": "It has no values.",
        "f": "It has a single value.",
        "h": "It has no values.",
    }
    assert fitted.warnings == ()


def test_zv_looks_at_the_analysis_rows_only() -> None:
    source = MemoryColumns({"a": [1.0, 1.0, 2.0], "b": [1.0, 2.0, 2.0]})
    assert prep([ZV], source, ["a", "b"], slice(0, 2)).outputs == ("b",)
    assert prep([ZV], source, ["a", "b"], np.array([2, 1])).outputs == ("a",)


def test_zv_agrees_with_scikit_learn() -> None:
    draw = np.random.default_rng(5)
    matrix = draw.integers(0, 2, (6, 200)).astype(float)
    names = [f"x{place}" for place in range(200)]
    source = MemoryColumns(dict(zip(names, matrix.T, strict=True)))
    kept = VarianceThreshold().fit(matrix).get_support()
    expected = [name for name, keeps in zip(names, kept, strict=True) if keeps]
    assert len(expected) < 200
    assert prep([ZV], source, names).outputs == tuple(expected)


def near_constant(values: list[float], freq_cut: float = 95 / 5, unique_cut: float = 10) -> bool:
    source = MemoryColumns({"a": values, "other": np.arange(float(len(values)))})
    step = NearZeroVariance(step="nzv", freq_cut=freq_cut, unique_cut=unique_cut)
    return "a" not in prep([step], source, ["a", "other"]).outputs


@pytest.mark.parametrize(
    ("values", "drops"),
    [
        ([0.0] * 999 + [1.0], True),
        ([0.0] * 95 + [1.0] * 5, False),
        ([0.0] * 96 + [1.0] * 4, True),
        ([0.5] * 96 + [0.25] * 4, True),
        # Many distinct values beside a common one: more than 10 percent of the rows.
        ([0.0] * 80 + [float(place) for place in range(1, 21)], False),
        ([7.0] * 50, True),
        ([np.nan] * 50, True),
        # Missing values are rows: 2 of 20 are 10 percent, which is not above the cut.
        ([1.0] * 2 + [2.0] + [np.nan] * 17, False),
        ([np.inf] * 39 + [1.0], True),
        ([1e300] * 39 + [-1e300], True),
    ],
)
def test_nzv_follows_the_rule_of_recipes(values: list[float], drops: bool) -> None:
    assert near_constant(values) is drops


def test_nzv_takes_its_cuts() -> None:
    values = [0.0] * 90 + [1.0] * 10
    assert not near_constant(values)
    assert near_constant(values, freq_cut=8.9)
    assert not near_constant(values, freq_cut=8.9, unique_cut=1.9)


def test_nzv_counts_levels_and_says_why() -> None:
    source = MemoryColumns({"f": Category(["a"] * 99 + ["b"]), "x": np.arange(100.0)})
    fitted = prep([NearZeroVariance(step="nzv")], source, ["f", "x"])
    assert dropped(fitted) == {
        "f": "Its most common value occurs 99 times as often as the next, "
        "and 2 of 100 values are distinct."
    }
