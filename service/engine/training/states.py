"""A member's state between two epochs: all that decides how it goes on, and what it results in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from service.domain.history import EpochRecord, best_epoch, monitored
from service.domain.optimizers import Optimizer
from service.engine.task import Ending
from service.engine.training import optimizers
from service.engine.training.members import Member
from service.engine.training.network import Weights, initial_weights
from service.engine.training.stopping import Stopping, after_epoch


@dataclass(frozen=True, kw_only=True)
class MemberState:
    """Where a member stands after its last epoch, whoever trained beside it.

    `slots` are the optimizer's variables, each a tuple like `weights`; `shared` is the optimizer's
    value that all weights share (Nadam's product). `restored` are the best epoch's weights where
    the stopping rule keeps them. `ending` is None while it trains.
    """

    weights: Weights
    slots: tuple[Weights, ...]
    shared: float = 1.0
    stopping: Stopping = field(default_factory=Stopping)
    history: tuple[EpochRecord, ...] = ()
    restored: Weights | None = None
    ending: Ending | None = None

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training left of one member.

    `stopped_epoch` is None unless early stopping ended it; `best_epoch` is the first epoch with
    the best monitored value (the stopping rule's monitor, else `val_loss`), None without either.
    """

    weights: Weights
    history: tuple[EpochRecord, ...]
    ending: Ending
    stopped_epoch: int | None
    best_epoch: int | None


def initial_state(member: Member, optimizer: Optimizer) -> MemberState:
    """Return a member's state before its first epoch."""
    weights = initial_weights(member.network, member.seeds)
    by_weight = [optimizers.initial_slots(optimizer, array.shape) for array in weights]
    slots = tuple(tuple(slot) for slot in zip(*by_weight, strict=True))
    return MemberState(weights=weights, slots=slots)


def after_record(
    state: MemberState, member: Member, record: EpochRecord, weights: Weights | None
) -> MemberState:
    """Return the state with an epoch's record added and judged: does the member end here?

    `weights`, `slots` and `shared` stay as they were; the cohort knows the new ones. The argument
    `weights` are those after the epoch where the stopping rule restores the best, else None.
    """
    state = replace(state, history=(*state.history, record))
    rule = member.early_stopping
    if member.terminate_on_nan and not math.isfinite(record.values["loss"]):
        return replace(state, ending="diverged")
    if rule is not None:
        stopping = after_epoch(state.stopping, rule, record.epoch, record.values[rule.monitor])
        state = replace(state, stopping=stopping)
        if rule.restore_best_weights and stopping.improved:
            state = replace(state, restored=weights)
        if stopping.stop:
            return replace(state, ending="early_stopping")
    return replace(state, ending="completed") if record.epoch >= member.epochs else state


def result_of(state: MemberState, member: Member, *, validates: bool) -> Trained:
    """Return what an ended member results in."""
    assert state.ending is not None, "results are read after the last epoch"
    rule = member.early_stopping
    return Trained(
        weights=state.restored or state.weights,
        history=state.history,
        ending=state.ending,
        stopped_epoch=state.epoch if state.ending == "early_stopping" else None,
        best_epoch=best_epoch(state.history, monitored(rule.monitor if rule else None, validates)),
    )
