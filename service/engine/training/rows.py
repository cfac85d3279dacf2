"""The rows that a cohort trains on, as arrays and on the device."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = Any


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
    """Training and validation rows as backend tensors; moved to the device once."""

    n_rows: int
    n_validation: int
    rows: tuple[Tensor, Tensor, Tensor | None]
    validation: tuple[Tensor, Tensor, Tensor | None] | None


def on_device(engine: ModuleType, rows: Rows, validation: Rows | None) -> Data:
    """Move rows to the device that trains."""
    return Data(
        n_rows=rows.x.shape[0],
        n_validation=validation.x.shape[0] if validation is not None else 0,
        rows=_tensors(engine, rows),
        validation=_tensors(engine, validation) if validation is not None else None,
    )


def _tensors(engine: ModuleType, rows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
    return (
        engine.tensor(rows.x),
        engine.tensor(rows.y),
        None if rows.weights is None else engine.tensor(rows.weights),
    )
