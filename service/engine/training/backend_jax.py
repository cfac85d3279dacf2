"""JAX: value_and_grad, fori_loop, jit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def gradient(
    loss: Callable[[list[Any]], tuple[Any, Any]], parameters: list[Any]
) -> tuple[Any, list[Any]]:
    """Return `loss`'s auxiliary values and its gradient by each parameter."""
    (_, auxiliary), gradients = jax.value_and_grad(loss, has_aux=True)(parameters)
    return auxiliary, gradients


def repeat(n: int, body: Callable[[Any, Any], Any], state: Any) -> Any:
    """Return the state after `n` calls of `body(i, state)`, as one loop of the program."""
    return jax.lax.fori_loop(0, n, body, state)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` compiled by XLA into one program for each shape of its arguments."""
    program: Callable[..., Any] = jax.jit(function)
    return program


def tensor(array: Any) -> Any:
    """Return `array` as a tensor on the device."""
    return jnp.asarray(array)


def array(tensor: Any) -> Any:
    """Return a tensor as a numpy array of its own."""
    return np.array(tensor)


def device() -> str:
    """Return the device that trains, in words: `gpu:0 (name)` or `cpu`."""
    first = jax.devices()[0]
    return "cpu" if first.platform == "cpu" else f"{first.platform}:0 ({first.device_kind})"
