"""TensorFlow: GradientTape, tf.while_loop, XLA by `jit_compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


def gradient(
    loss: Callable[[list[Any]], tuple[Any, Any]], parameters: list[Any]
) -> tuple[Any, list[Any]]:
    """Return `loss`'s auxiliary values and its gradient by each parameter."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(parameters)
        value, auxiliary = loss(parameters)
    return auxiliary, tape.gradient(
        value, parameters, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )


def repeat(n: int, body: Callable[[Any, Any], Any], state: Any) -> Any:
    """Return the state after `n` calls of `body(i, state)`, as one loop of the program."""

    def step(i: Any, *flat: Any) -> list[Any]:
        after = body(i, tf.nest.pack_sequence_as(state, flat))
        return [i + 1, *tf.nest.flatten(after)]

    out = tf.while_loop(
        lambda i, *_: i < n,
        step,
        [tf.constant(0, tf.int32), *tf.nest.flatten(state)],
        parallel_iterations=1,
    )
    return tf.nest.pack_sequence_as(state, list(out)[1:])


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` compiled by XLA into one program for each shape of its arguments."""
    program: Callable[..., Any] = tf.function(function, jit_compile=True, autograph=False)
    return program


def tensor(array: Any) -> Any:
    """Return `array` as a tensor on the device."""
    return tf.convert_to_tensor(array)


def array(tensor: Any) -> Any:
    """Return a tensor as a numpy array of its own."""
    return np.array(tensor.numpy())


def device() -> str:
    """Return the device that trains, in words: `gpu:0 (name)` or `cpu`."""
    devices = tf.config.list_logical_devices("GPU")
    if not devices:
        return "cpu"
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return f"gpu:0 ({details.get('device_name', 'unknown')})"
