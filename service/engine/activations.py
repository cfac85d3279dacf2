"""Keras's activations in numpy: float32 in, float32 out, the definitions of Keras 3."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float32]

# Klambauer et al. (2017), equation 2 and appendix, as Keras has them.
SELU_ALPHA = np.float32(1.6732632423543772848170429916717)
SELU_SCALE = np.float32(1.0507009873554804934193349852946)

# erf is tabled on [0, 4]: beyond it differs from 1 by less than half a float32 step.
_ERF_END = 4
_ERF_STEPS = 4096


@cache
def _erf_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return erf at k / 4096 for k = 0..16384, 1 at the end, and the steps to the next value."""
    values = np.array([math.erf(k / _ERF_STEPS) for k in range(_ERF_END * _ERF_STEPS + 1)])
    values[-1] = 1.0
    return values, np.append(np.diff(values), 0.0)


def erf(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the error function, exact to float32.

    numpy has none. The standard library's is tabled every h = 1/4096 and joined by straight
    lines: the error is at most h^2/8 max|erf''| = 7.2e-9 absolutely (1.6e-8 where the table ends)
    and at most h^2/3 = 2.0e-8 relatively near 0; half a step of float32 is 3.0e-8 below 1.

    Args:
        x: any shape; NaN gives NaN, infinities give -1 and 1.
    """
    values, steps = _erf_table()
    place = np.minimum(np.abs(x).astype(np.float64), _ERF_END) * _ERF_STEPS
    # fmax reads NaN as cell 0, so that the index is one; the fraction carries the NaN on.
    cell = np.fmax(place, 0.0).astype(np.int64)
    size: NDArray[np.float64] = values[cell] + (place - cell) * steps[cell]
    return np.copysign(size, x.astype(np.float64))


def linear(x: Matrix) -> Matrix:
    """Return x."""
    return x


def softmax(x: Matrix) -> Matrix:
    """Return `exp(x_i) / sum_j exp(x_j)` along the last axis, the largest x taken off first."""
    # Numbers of both signs near float32's end differ by infinity, and exp(-infinity) is 0.
    with np.errstate(over="ignore"):
        x = x - x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def relu(x: Matrix) -> Matrix:
    """Return `max(x, 0)`."""
    result: Matrix = np.maximum(x, np.float32(0))
    return result


def elu(x: Matrix) -> Matrix:
    """Return `x` above 0, else `exp(x) - 1`."""
    below: Matrix = np.expm1(np.minimum(x, np.float32(0)))
    return np.where(x > 0, x, below)


def exponential(x: Matrix) -> Matrix:
    """Return `exp(x)`, infinite where float32 ends, as in Keras."""
    with np.errstate(over="ignore"):
        result: Matrix = np.exp(x)
    return result


def gelu(x: Matrix) -> Matrix:
    """Return `x / 2 (1 + erf(x / sqrt 2))`: Keras's default, not the tanh approximation."""
    # The sum is taken in float64: at x = -5 it is 6e-7, of which float32 would keep one digit.
    weight = 0.5 * (1 + erf(x.astype(np.float64) * math.sqrt(0.5)))
    return (x * weight).astype(np.float32)


def hard_sigmoid(x: Matrix) -> Matrix:
    """Return `min(max(x + 3, 0), 6) / 6`: Keras 3's, not Keras 2's `0.2 x + 0.5`."""
    result: Matrix = np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6)
    return result


def selu(x: Matrix) -> Matrix:
    """Return `scale x` above 0, else `scale alpha (exp(x) - 1)`."""
    below: Matrix = SELU_ALPHA * np.expm1(np.minimum(x, np.float32(0)))
    result: Matrix = SELU_SCALE * np.where(x > 0, x, below)
    return result


def sigmoid(x: Matrix) -> Matrix:
    """Return `1 / (1 + exp(-x))`, from `exp(-|x|)`, which cannot overflow."""
    small: Matrix = np.exp(-np.abs(x))
    result: Matrix = np.where(x >= 0, np.float32(1), small) / (np.float32(1) + small)
    return result


def softplus(x: Matrix) -> Matrix:
    """Return `log(1 + exp(x))`, as `max(x, 0) + log1p(exp(-|x|))`, which cannot overflow."""
    result: Matrix = np.maximum(x, np.float32(0)) + np.log1p(np.exp(-np.abs(x)))
    return result


def softsign(x: Matrix) -> Matrix:
    """Return `x / (1 + |x|)`."""
    size: Matrix = np.abs(x)
    result: Matrix = x / (size + np.float32(1))
    return result


def swish(x: Matrix) -> Matrix:
    """Return `x sigmoid(x)`."""
    return x * sigmoid(x)


def tanh(x: Matrix) -> Matrix:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


# One for each name in `service.domain.fit.KERAS3_ACTIVATIONS`.
ACTIVATIONS: Mapping[str, Callable[[Matrix], Matrix]] = MappingProxyType(
    {
        activation.__name__: activation
        for activation in (
            linear,
            softmax,
            relu,
            elu,
            exponential,
            gelu,
            hard_sigmoid,
            selu,
            sigmoid,
            softplus,
            softsign,
            swish,
            tanh,
        )
    }
)
