"""What differs between Keras's backends, behind one port: gradient, loop, compiler, transfer."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras

Tensor = Any
Program = Callable[..., Any]


def load() -> ModuleType:
    """Return the module for the backend that Keras runs on (environment variable KERAS_BACKEND).

    Each module offers
    `gradient(loss, parameters) -> (auxiliary, gradients)` with `loss(parameters) -> (scalar,
    auxiliary)`, `repeat(n, body, state) -> state` with `body(i, state) -> state`,
    `compiled(function) -> function`, `tensor(array)`, `array(tensor)` and `device() -> str`.

    Raises:
        RuntimeError: Keras runs on a backend other than tensorflow and jax.
    """
    name = keras.config.backend()
    if name == "tensorflow":
        from service.engine.training import backend_tensorflow

        return backend_tensorflow
    if name == "jax":
        from service.engine.training import backend_jax

        return backend_jax
    raise RuntimeError(
        f"Expected KERAS_BACKEND to be 'tensorflow' or 'jax'. Received '{name}'. Set it to one."
    )
