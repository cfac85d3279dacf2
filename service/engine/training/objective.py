"""What the fits of a cohort share: mode, loss, metrics, optimizer and batch size."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.fit import Mode
from service.domain.optimizers import Optimizer


@dataclass(frozen=True)
class Objective:
    """What the fits of a cohort share: mode, loss, metrics, optimizer and batch size."""

    mode: Mode
    loss: str
    metrics: tuple[str, ...]
    optimizer: Optimizer
    batch_size: int
