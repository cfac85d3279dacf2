"""Activations in numpy against Keras's own and the standard library's erf."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from service.domain.fit import KERAS3_ACTIVATIONS
from service.engine.activations import ACTIVATIONS, erf

# Every size of number that a layer may hold, both signs, and what lies at the edges.
POINTS = np.unique(
    np.concatenate(
        [
            np.linspace(-12, 12, 4801),
            np.geomspace(1e-30, 1e30, 400),
            -np.geomspace(1e-30, 1e30, 400),
            [-3, 3, 0, -88.7, 88.7, -103, 103],
        ]
    )
).astype(np.float32)


def of_keras(name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    layer = keras.layers.Activation(name)
    return np.asarray(keras.ops.convert_to_numpy(layer(x)), dtype=np.float32)


def test_there_is_one_for_each_that_a_spec_may_name() -> None:
    assert set(ACTIVATIONS) == set(KERAS3_ACTIVATIONS)


@pytest.mark.parametrize("name", sorted(set(KERAS3_ACTIVATIONS) - {"softmax"}))
def test_each_is_keras_s(name: str) -> None:
    x = POINTS[np.newaxis]
    ours, theirs = ACTIVATIONS[name](x.copy()), of_keras(name, x)
    assert ours.dtype == np.float32
    finite = np.isfinite(theirs)
    assert np.array_equal(finite, np.isfinite(ours))
    # A few float32 steps of the value, and of the 1 in the sums 1 + erf(x) and exp(x) - 1, of
    # which Keras keeps no more digits.
    allowed = 1e-6 * np.abs(theirs) + 1.2e-7 * np.clip(np.abs(x), 1, 10)
    assert np.all(np.abs(ours[finite] - theirs[finite]) <= allowed[finite])


def test_softmax_is_keras_s_and_sums_to_one() -> None:
    x = np.random.default_rng(1).normal(size=(200, 11)).astype(np.float32) * 20
    ours, theirs = ACTIVATIONS["softmax"](x), of_keras("softmax", x)
    assert np.all(np.abs(ours - theirs) <= 1e-6)
    assert np.all(np.abs(ours.sum(axis=1) - 1) <= 1e-6)


def test_softmax_of_huge_and_equal_numbers_does_not_overflow() -> None:
    rows = np.array([[3e38, -3e38, 3e38], [1e4, 1e4, 1e4], [-3e38] * 3], dtype=np.float32)
    third = 1 / 3
    expected = [[0.5, 0, 0.5], [third] * 3, [third] * 3]
    assert np.allclose(ACTIVATIONS["softmax"](rows), expected, atol=1e-6)


@pytest.mark.parametrize("name", KERAS3_ACTIVATIONS)
def test_nan_stays_nan_and_the_argument_is_not_written_into(name: str) -> None:
    x = np.array([[np.nan, 1.0, -2.0]], dtype=np.float32)
    kept = x.copy()
    assert np.isnan(ACTIVATIONS[name](x)[0, 0])
    assert np.array_equal(x, kept, equal_nan=True)


def test_erf_is_exact_to_float32() -> None:
    x = np.concatenate([POINTS, np.linspace(-4.1, 4.1, 20_011).astype(np.float32)])
    exact = np.array([math.erf(value) for value in x.tolist()])
    # Below 1.6e-8 absolutely and 2.1e-8 relatively, as its docstring says; half a float32 step
    # below 1 is 3.0e-8.
    assert np.max(np.abs(erf(x) - exact)) < 1.6e-8
    assert np.max(np.abs(erf(x) - exact) / np.maximum(np.abs(exact), 1e-300)) < 2.1e-8
    assert np.array_equal(erf(x).astype(np.float32), -erf(-x).astype(np.float32))


def test_erf_at_the_ends() -> None:
    ends = erf(np.array([-np.inf, -0.0, 0.0, np.inf, np.nan]))
    assert ends[:4].tolist() == [-1.0, -0.0, 0.0, 1.0]
    assert math.copysign(1, ends[1]) == -1
    assert np.isnan(ends[4])
