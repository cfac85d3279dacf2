"""Epoch records and what they say together: epochs run, the best one, where a fit stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.domain.schema import Value


class EpochRecord(Value):
    """One epoch of one fit. `values` are the loss and metrics, which may be NaN or infinite.

    `trial` and `fold` are 1-based and 1 for a lone fit; `epoch` is 1-based.
    """

    trial: int = 1
    fold: int = 1
    epoch: int
    values: dict[str, float]
    seconds: float
    samples_per_second: float

    @property
    def diverged(self) -> bool:
        """Whether any value is not finite."""
        return not all(math.isfinite(value) for value in self.values.values())

    def as_row(self) -> dict[str, float | int | bool | None]:
        """Return the flat JSON form: a non-finite value is None, and then `diverged` is True."""
        row: dict[str, float | int | bool | None] = {
            "trial": self.trial,
            "fold": self.fold,
            "epoch": self.epoch,
        }
        for name, value in self.values.items():
            row[name] = value if math.isfinite(value) else None
        row["seconds"] = self.seconds
        row["samples_per_second"] = self.samples_per_second
        if self.diverged:
            row["diverged"] = True
        return row


def higher_is_better(monitor: str) -> bool:
    """Return whether a monitored value is better when it is higher (Keras's mode "auto")."""
    return monitor.removeprefix("val_") == "accuracy"


def monitored(monitor: str | None, validates: bool) -> str | None:
    """Return the value that decides the best epoch: the monitor, else `val_loss`, else None."""
    return monitor or ("val_loss" if validates else None)


def best_epoch(records: Sequence[EpochRecord], monitor: str | None) -> int | None:
    """Return the first epoch with the best finite monitored value, or None when there is none."""
    if monitor is None:
        return None
    sign = -1.0 if higher_is_better(monitor) else 1.0
    scored = [
        (sign * record.values[monitor], record.epoch)
        for record in records
        if monitor in record.values and math.isfinite(record.values[monitor])
    ]
    return min(scored)[1] if scored else None
