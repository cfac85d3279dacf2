"""The rows that a cohort trains on, as arrays and on the device."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Tensor = Any
T = TypeVar("T", bound=np.generic)

_LANES = 8  # of very small products and sums the compiler makes another program in company


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows for training or validation.

    `x` is float32 (rows, `layout.padded(predictors)`): the predictors, a column of ones, zeros. `y`
    is float32 (rows, outputs): one column a class with a single 1, or the outcomes. `weights` is
    float32 (rows,).
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """Training and validation rows as backend tensors; moved to the device once.

    Both are filled up with zeros to whole batches, the validation's to batches of `places`: folds
    whose numbers of rows differ by a few run the same compiled program.
    """

    n_rows: int
    n_validation: int
    rows: tuple[Tensor, Tensor, Tensor | None]
    validation: tuple[Tensor, Tensor, Tensor | None] | None


def on_device(engine: ModuleType, rows: Rows, validation: Rows | None, batch_size: int) -> Data:
    """Move rows to the device that trains."""
    return Data(
        n_rows=rows.x.shape[0],
        n_validation=validation.x.shape[0] if validation is not None else 0,
        rows=_tensors(engine, _filled(rows, batch_size)),
        validation=(
            _tensors(engine, _filled(validation, places(batch_size)))
            if validation is not None
            else None
        ),
    )


def filled(array: NDArray[T], length: int) -> NDArray[T]:
    """Return an array with zeros behind its last row, `length` rows in all."""
    return np.concatenate([array, np.zeros((length - len(array), *array.shape[1:]), array.dtype)])


def places(batch_size: int) -> int:
    """Return how many places a batch takes in the program; those behind `batch_size` are empty."""
    return -(-batch_size // _LANES) * _LANES


def in_batches(visits: NDArray[T], batch_size: int) -> NDArray[T]:
    """Return what is visited, in order along the first axis, as (steps, places, ...).

    The last batch and the places behind `batch_size` are filled up with zeros.
    """
    steps = -(-len(visits) // batch_size)
    whole = filled(visits, steps * batch_size).reshape(steps, batch_size, *visits.shape[1:])
    spare = np.zeros((steps, places(batch_size) - batch_size, *visits.shape[1:]), visits.dtype)
    return np.concatenate([whole, spare], axis=1)


def _filled(rows: Rows, batch: int) -> Rows:
    length = -(-len(rows.x) // batch) * batch
    if length == len(rows.x):
        return rows
    return Rows(
        x=filled(rows.x, length),
        y=filled(rows.y, length),
        weights=None if rows.weights is None else filled(rows.weights, length),
    )


def _tensors(engine: ModuleType, rows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
    return (
        engine.tensor(rows.x),
        engine.tensor(rows.y),
        None if rows.weights is None else engine.tensor(rows.weights),
    )
