"""Dummy columns are worked on by their few values: the same comes of them as row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.engine.recipe import Category, FittedRecipe, MemoryColumns, bake
from service.engine.recipe.coded import Coded, Places
from service.engine.recipe.moments import moments
from service.engine.recipe.view import View
from tests.engine.recipe.drawn import baked, learned

DRAWS = np.random.default_rng(3)
WORDS = np.array(["a", "b", "c", "d", None], dtype=object)


def _words(rows: int, odds: list[float]) -> list[str | None]:
    return [str(word) if word else None for word in DRAWS.choice(WORDS, rows, p=odds)]


FACTORS = MemoryColumns(
    {
        "f": Category(
            _words(500, [0.5, 0.3, 0.1, 0.05, 0.05]), levels=["a", "b", "never", "c", "d"]
        ),
        "o": Category(_words(500, [0.2, 0.3, 0.3, 0.2, 0.0]), type="ordered"),
        "g": Category(_words(500, [0.6, 0.4, 0, 0, 0])),
    }
)
AFTER: dict[str, list[dict[str, Any]]] = {
    "normalize": [{"step": "normalize"}],
    "center, scale": [{"step": "center"}, {"step": "scale", "factor": 2}],
    "zv": [{"step": "zv"}, {"step": "normalize"}],
    "nzv": [{"step": "nzv"}],
    "range": [{"step": "range"}],
    "divide": [{"step": "divide", "by": 0.7}],
    "log": [{"step": "log", "offset": 1.5}],
    "inverse": [{"step": "inverse", "offset": 2.5}],
    "sqrt": [{"step": "range"}, {"step": "sqrt"}],
    "logit": [{"step": "range", "min": 0.1, "max": 0.9}, {"step": "logit"}],
    "yeo_johnson": [{"step": "yeo_johnson", "num_unique": 2}],
    "impute": [{"step": "impute_mean"}, {"step": "normalize"}],
    "pca": [{"step": "impute_median"}, {"step": "normalize"}, {"step": "pca", "num_comp": 3}],
    "interact": [{"step": "interact", "columns": ["g_b", "f_b", "o_1"]}, {"step": "normalize"}],
}


def _dense() -> MemoryColumns:
    """Return the dummy columns as any numbers, of which no step knows that few are different."""
    dummies = learned([{"step": "dummy"}], FACTORS)
    return MemoryColumns(dict(zip(dummies.outputs, baked(dummies, FACTORS).T, strict=True)))


@pytest.mark.parametrize("steps", AFTER.values(), ids=AFTER)
def test_steps_after_dummy_give_what_they_give_of_the_same_numbers_row_by_row(
    steps: list[dict[str, Any]],
) -> None:
    coded = learned([{"step": "dummy"}, *steps], FACTORS)
    plain = learned(steps, _dense())
    assert coded.outputs == plain.outputs
    assert [each.reason for each in coded.removed if each.step != "dummy"] == [
        each.reason for each in plain.removed
    ]
    ours, theirs = baked(coded, FACTORS), baked(plain, _dense())
    # The sums are of counts times values here, and of the values pair by pair there.
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("steps", AFTER.values(), ids=AFTER)
def test_what_was_learned_row_by_row_gives_the_same_bits_from_codes(
    steps: list[dict[str, Any]],
) -> None:
    plain = learned(steps, _dense())
    dummy = learned([{"step": "dummy"}], FACTORS)
    both = FittedRecipe(
        inputs=dummy.inputs,
        steps=(*dummy.steps, *plain.steps),
        outputs=plain.outputs,
        levels=dummy.levels,
    )
    np.testing.assert_array_equal(baked(both, FACTORS), baked(plain, _dense()))


def test_the_matrix_is_the_columns_rounded_once() -> None:
    fitted = learned([{"step": "impute_mode"}, {"step": "dummy"}, {"step": "normalize"}], FACTORS)
    np.testing.assert_array_equal(bake(fitted, FACTORS), baked(fitted, FACTORS).astype(np.float32))


def test_columns_after_dummy_are_coded_and_share_their_factor_s_places() -> None:
    fitted = learned([{"step": "dummy"}, {"step": "normalize"}], FACTORS)
    view = View(FACTORS, fitted.steps, None, fitted.levels)
    first, second = view.column("f_b"), view.column("f_c")
    assert isinstance(first, Coded)
    assert isinstance(second, Coded)
    assert first.places is second.places


def test_moments_of_counted_values_are_those_of_the_rows() -> None:
    places = DRAWS.integers(0, 5, 1000)
    places[places == 3] = 2
    values = np.array([np.nan, 0.1, 1e9, 5.0, np.inf])
    coded = moments(Coded(values=values, places=Places(places)))
    plain = moments(values[places])
    assert (coded.n, coded.min, coded.max) == (plain.n, plain.min, plain.max)
    # Sums of a thousand equals round differently from one product.
    assert coded.mean == pytest.approx(plain.mean, rel=1e-13)
    assert coded.sd == pytest.approx(plain.sd, rel=1e-13)


def test_a_constant_column_has_an_sd_of_exactly_zero_when_counted() -> None:
    found = moments(Coded(values=np.array([0.1, 1 / 3]), places=Places(np.ones(10_001, np.intp))))
    assert (found.mean, found.sd) == (1 / 3, 0.0)
