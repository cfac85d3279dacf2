"""Train a cohort to its end: epochs, members that leave, states to keep. Values in, values out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from service.domain.history import EpochRecord
from service.engine.task import Ending
from service.engine.training import backend
from service.engine.training.cohort import Cohort
from service.engine.training.members import Member
from service.engine.training.objective import Objective
from service.engine.training.rows import Rows, on_device
from service.engine.training.states import MemberState, Trained, initial_state, result_of

# Keeping a state may cost this share of the training time.
_KEEPING_SHARE = 0.03
_FIRST_GUESS_SECONDS = 0.02
# A smaller cohort is another program: traced and compiled anew.
_REPACK_SECONDS = 2.0


def train(
    members: Sequence[Member],
    objective: Objective,
    shuffle_seed: int,
    rows: Rows,
    validation: Rows | None = None,
    *,
    on_epoch: Callable[[tuple[EpochRecord, ...]], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    max_seconds: float | None = None,
    states: Sequence[MemberState] | None = None,
    on_ended: Callable[[int, Trained], None] = lambda _place, _trained: None,
    keep: Callable[[tuple[MemberState, ...]], object] | None = None,
    until: int | None = None,
    idle: Collection[int] = (),
) -> tuple[Trained, ...]:
    """Train fits that share rows, shuffle seed and objective as one program.

    Args:
        members: the fits, all of one depth.
        objective: mode, loss, metrics, optimizer and batch size.
        shuffle_seed: decides every epoch's order (`seeding.order`).
        rows: what the networks learn from.
        validation: what each epoch is validated on.
        on_epoch: told after each epoch the records of the members that trained in it; `trial` is
            the member's 1-based place.
        should_stop: asked after each epoch; True ends the training ("cancelled").
        max_seconds: training ends at the first epoch's end after so many seconds ("max_seconds");
            those of the epochs that `states` hold are counted.
        states: where an interrupted training stood, as `keep` was given it; goes on from there to
            the same bits. Default: the beginning.
        on_ended: told a member's 0-based place and its result as soon as it has ended, once each.
        keep: given the members' states to make durable, as often as costs 3 % of the time; and
            once more when the training is stopped from outside, or paused.
        until: the epoch after which members that have not ended are paused ("paused"); whoever
            stands there already, or further, trains nothing. Default: no pause.
        idle: places of members that only keep their place in the program, as long as a smaller one
            would cost more than it saves; they have no state to keep, and no result.

    Returns:
        One result a member that is not idle, in order. Weights of a member that diverged hold NaN.
    """
    training = [place for place in range(len(members)) if place not in idle]
    begun = {} if states is None else dict(zip(training, states, strict=True))
    everyone = [
        begun.get(place) or initial_state(member, objective.optimizer)
        for place, member in enumerate(members)
    ]
    for place in idle:
        everyone[place] = replace(everyone[place], ending="paused")
    data = on_device(backend.load(), rows, validation, objective.batch_size)
    deadline = None if max_seconds is None else time.monotonic() + max_seconds - _spent(everyone)
    keeper = _Keeper(keep)
    results: dict[int, Trained] = {}

    def tell_ended() -> None:
        for place, state in enumerate(everyone):
            if state.ending is not None and place not in results and place not in idle:
                found = result_of(state, members[place], validates=validation is not None)
                results[place] = found
                on_ended(place, found)

    def kept() -> list[MemberState]:
        current = merged()
        return [current[place] for place in training]

    if until is not None:
        everyone = [_ended(each, "paused") if each.epoch >= until else each for each in everyone]
    tell_ended()
    company = set(idle)
    while any(state.ending is None for state in everyone):
        packed = [
            place
            for place, state in enumerate(everyone)
            if state.ending is None or place in company
        ]
        company = set()
        cohort = Cohort(
            [members[place] for place in packed],
            [everyone[place] for place in packed],
            [place + 1 for place in packed],
            objective,
            shuffle_seed,
            data,
        )
        merged = partial(_merged, everyone, packed, cohort)
        ended: Ending | None = None
        while ended is None and not _leaves(cohort, until):
            on_epoch(cohort.epoch())
            if len(results) + cohort.endings.count(None) < len(training):
                everyone = merged()
                tell_ended()
            if should_stop():
                ended = "cancelled"
            elif deadline is not None and time.monotonic() > deadline:
                ended = "max_seconds"
            elif until is not None and cohort.epochs_done >= until:
                ended = "paused"
            else:
                keeper.when_due(kept)
        everyone = merged()
        if ended in ("cancelled", "paused") and any(state.ending is None for state in everyone):
            keeper.now(kept())
        if ended is not None:
            everyone = [_ended(state, ended) for state in everyone]
            tell_ended()
    return tuple(results[place] for place in training)


def _ended(state: MemberState, ending: Ending) -> MemberState:
    return replace(state, ending=state.ending or ending)


def _spent(states: Sequence[MemberState]) -> float:
    """Return the seconds of the epochs that some states hold."""
    return max(sum(record.seconds for record in state.history) for state in states)


def _merged(
    everyone: Sequence[MemberState], active: Sequence[int], cohort: Cohort
) -> list[MemberState]:
    current = dict(zip(active, cohort.states(), strict=True))
    return [current.get(place, state) for place, state in enumerate(everyone)]


def _leaves(cohort: Cohort, until: int | None) -> bool:
    """Tell whether to leave a cohort: all have ended, or the rest is cheaper in a smaller one."""
    if None not in cohort.endings:
        return True
    saved = cohort.seconds_saved_by_repacking(until)
    return saved > _REPACK_SECONDS


class _Keeper:
    """Hands states to `keep` as often as its share of the time allows."""

    def __init__(self, keep: Callable[[tuple[MemberState, ...]], object] | None) -> None:
        self._keep = keep
        self._kept_at = time.monotonic()
        self._cost_seconds = _FIRST_GUESS_SECONDS

    def when_due(self, states: Callable[[], list[MemberState]]) -> None:
        due = time.monotonic() - self._kept_at >= self._cost_seconds / _KEEPING_SHARE
        if self._keep is not None and due:
            started = time.monotonic()
            self.now(states())
            self._kept_at = time.monotonic()
            self._cost_seconds = self._kept_at - started

    def now(self, states: Sequence[MemberState]) -> None:
        if self._keep is not None:
            self._keep(tuple(states))
