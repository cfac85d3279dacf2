"""The rows that a cohort trains on, as arrays and on the device."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Tensor = Any
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows for training or validation.

    `x` is float32 (rows, predictors padded with zeros to `layout.padded`), `y` float32 (rows,
    outputs): one column a class with a single 1, or the outcomes. `weights` is float32 (rows,).
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """Training and validation rows as backend tensors; moved to the device once.

    The validation's are filled up with zeros to whole batches.
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
        rows=_tensors(engine, rows),
        validation=(
            _tensors(engine, _filled(validation, batch_size)) if validation is not None else None
        ),
    )


def filled(array: NDArray[T], length: int) -> NDArray[T]:
    """Return an array with zeros behind its last row, `length` rows in all."""
    return np.concatenate([array, np.zeros((length - len(array), *array.shape[1:]), array.dtype)])


def whole_batches(n_rows: int, batch_size: int) -> int:
    """Return how many places the batches of an epoch have, the last one filled up."""
    return -(-n_rows // batch_size) * batch_size


def _filled(rows: Rows, batch_size: int) -> Rows:
    length = whole_batches(len(rows.x), batch_size)
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
