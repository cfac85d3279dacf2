"""Numbers marked R were computed with recipes 1.0.4 (golden facts G34, G40)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from service.domain.recipe import Center, Normalize, Scale
from service.engine.recipe import FittedRecipe, MemoryColumns, learn, prep
from service.engine.recipe.steps.standardize import Normalized
from service.engine.recipe.view import View

NORMALIZE = Normalize(step="normalize")
MTCARS_DISP = [
    160, 160, 108, 258, 360, 225, 360, 146.7, 140.8, 167.6, 167.6, 275.8, 275.8, 275.8, 472, 460,
    440, 78.7, 75.7, 71.1, 120.1, 318, 304, 350, 400, 79, 120.3, 95.1, 351, 145, 301, 121,
]  # fmt: skip
MTCARS_HP = [
    110, 110, 93, 110, 175, 105, 245, 62, 95, 123, 123, 180, 180, 180, 205, 215, 230, 66, 52, 65,
    97, 150, 150, 245, 175, 66, 91, 113, 264, 175, 335, 109,
]  # fmt: skip


def sds(fitted: FittedRecipe) -> dict[str, float]:
    step = fitted.steps[0]
    assert isinstance(step, Normalized)
    return dict(zip(step.columns, step.sds, strict=True))


def baked(step: Normalize | Center | Scale, train: list[float], new: list[float]) -> list[float]:
    fitted = learn([step], MemoryColumns({"a": train}), ["a"])
    values: list[float] = View(MemoryColumns({"a": new}), fitted.steps, None).numeric("a").tolist()
    return values


def test_normalize_gives_the_numbers_of_r() -> None:
    train = [1.0, 2.0, 3.0, 4.0]
    fitted = prep([NORMALIZE], MemoryColumns({"a": train}), ["a"])
    assert fitted.steps[0].learned()["mean"] == {"a": 2.5}
    # R prints 7 digits.
    assert sds(fitted) == {"a": pytest.approx(1.290994, abs=5e-7)}
    assert baked(NORMALIZE, train, train) == pytest.approx(
        [-1.1618950, -0.3872983, 0.3872983, 1.1618950], abs=5e-8
    )


def test_normalize_skips_missing_values_and_passes_them_through() -> None:
    train = [10.0, np.nan, 30.0, 40.0]
    assert baked(NORMALIZE, train, train) == pytest.approx(
        [-1.0910895, np.nan, 0.2182179, 0.8728716], abs=5e-8, nan_ok=True
    )


def test_normalize_takes_the_sd_of_a_constant_as_one_and_warns() -> None:
    fitted = prep([NORMALIZE], MemoryColumns({"b": [5.0] * 4, "c": [1, 2, 3, 4]}), ["b", "c"])
    view = View(MemoryColumns({"b": [5.0, 7.0], "c": [0.0, 0.0]}), fitted.steps, None)
    assert view.numeric("b").tolist() == [0, 2]
    (warning,) = fitted.warnings
    assert (warning.step, warning.columns, warning.code) == ("normalize", ("b",), "zero_variance")
    assert "'zv'" in warning.message


def test_normalize_gives_the_moments_of_mtcars() -> None:
    source = MemoryColumns({"disp": MTCARS_DISP, "hp": MTCARS_HP})
    fitted = prep([NORMALIZE], source, ["disp", "hp"])
    assert fitted.steps[0].learned()["mean"] == {"disp": 230.721875, "hp": 146.6875}
    assert sds(fitted) == {
        "disp": pytest.approx(123.938694, abs=5e-7),
        "hp": pytest.approx(68.562868, abs=5e-7),
    }


def test_normalize_is_scikit_learns_scaler_but_for_n_minus_one() -> None:
    draw = np.random.default_rng(1)
    matrix = draw.normal(100, 20, (50, 3))
    source = MemoryColumns(dict(zip("abc", matrix.T, strict=True)))
    fitted = prep([NORMALIZE], source, ["a", "b", "c"])
    view = View(source, fitted.steps, None)
    ours = np.column_stack([view.numeric(name) for name in "abc"])
    # StandardScaler divides by n where R divides by n-1.
    theirs = StandardScaler().fit_transform(matrix) * np.sqrt(49 / 50)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_an_sd_below_the_machine_epsilon_counts_as_zero_as_in_r() -> None:
    fitted = prep([NORMALIZE], MemoryColumns({"a": [1e-17, 2e-17, 3e-17]}), ["a"])
    assert [warning.code for warning in fitted.warnings] == ["zero_variance"]
    assert fitted.steps[0].learned()["sd"] == {"a": 1.0}


def test_fewer_than_two_values_leave_a_column_as_it_is_and_warn() -> None:
    source = MemoryColumns({"a": [np.nan, 3.0], "b": [np.nan, np.nan]})
    fitted = prep([NORMALIZE], source, ["a", "b"])
    assert [(warning.code, warning.columns) for warning in fitted.warnings] == [
        ("too_few_values", ("a", "b"))
    ]
    view = View(MemoryColumns({"a": [4.0], "b": [4.0]}), fitted.steps, None)
    assert view.numeric("a").tolist() == [1]
    assert view.numeric("b").tolist() == [4]


def test_center_subtracts_the_mean_only() -> None:
    step = Center(step="center")
    assert baked(step, [1.0, 2.0, 6.0], [1.0, np.nan, 4.0]) == pytest.approx(
        [-2, np.nan, 1], nan_ok=True
    )
    assert baked(step, [np.nan, np.nan], [4.0]) == [4]


def test_scale_divides_by_one_or_two_sds() -> None:
    values = [1.0, 2.0, 3.0]
    assert baked(Scale(step="scale"), values, [4.0]) == [4]
    assert baked(Scale(step="scale", factor=2), values, [4.0]) == [2]


def test_scale_divides_a_constant_by_one_whatever_the_factor() -> None:
    fitted = prep([Scale(step="scale", factor=2)], MemoryColumns({"a": [5.0, 5.0]}), ["a"])
    assert fitted.steps[0].learned() == {"divisor": {"a": 1.0}}
    assert [warning.code for warning in fitted.warnings] == ["zero_variance"]
