"""Keras's EarlyStopping as a value that each epoch turns into the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.domain.fit import EarlyStopping
from service.domain.history import higher_is_better


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """What Keras's callback remembers between epochs (keras.callbacks.EarlyStopping 3.15).

    `best` is the best monitored value so far, None before the first epoch; `wait` the epochs since;
    `improved` whether the last epoch set `best`; `stop` whether training ends here.
    """

    best: float | None = None
    best_epoch: int | None = None
    wait: int = 0
    improved: bool = False
    stop: bool = False


def after_epoch(stopping: Stopping, rule: EarlyStopping, epoch: int, current: float) -> Stopping:
    """Return the state after epoch `epoch` (1-based) whose monitored value is `current`.

    An improvement is `current < best - min_delta` (`>` and `+` where higher is better). Training
    stops when `patience` epochs brought none, but never at the first epoch.
    """
    wait = stopping.wait + 1
    if _improves(rule, current, stopping.best):
        return Stopping(best=current, best_epoch=epoch, wait=0, improved=True)
    return replace(stopping, wait=wait, improved=False, stop=wait >= rule.patience and epoch > 1)


def _improves(rule: EarlyStopping, current: float, best: float | None) -> bool:
    if best is None:
        return True
    if higher_is_better(rule.monitor):
        return current - rule.min_delta > best
    return current + rule.min_delta < best
