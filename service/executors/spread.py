"""Cohorts of a plan spread over executors, one a slot: who is free takes the next one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from service.domain.history import EpochRecord
from service.engine.task import CohortTask, FitOutcome
from service.executors.port import Executor, OnEpoch, ShouldStop

_TICK_SECONDS = 0.5


class _Abandoned(Exception):
    """Raised inside a slot's callback when another slot, or the caller, has failed."""


@dataclass
class _Shared:
    """What the slots' threads and the caller's thread share."""

    waiting: queue.SimpleQueue[tuple[int, CohortTask]] = field(default_factory=queue.SimpleQueue)
    told: queue.SimpleQueue[Callable[[], None]] = field(default_factory=queue.SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)


def spread(
    cohorts: Sequence[CohortTask],
    executors: Sequence[Executor],
    on_epoch: OnEpoch,
    should_stop: ShouldStop,
    on_kept: Callable[[int, int], None] = lambda _cohort, _epoch: None,
    on_ended: Callable[[int, int, FitOutcome], None] = lambda _cohort, _fit, _outcome: None,
) -> tuple[tuple[FitOutcome, ...], ...]:
    """Run cohorts on executors at the same time; return each one's outcomes, in order.

    Every callback is called in the calling thread, so that it may write to a database.

    Args:
        cohorts: what to run, the costliest first.
        executors: one a slot, at least one.
        on_epoch: told each epoch's records. What it raises ends everything at once.
        should_stop: asked at least once a second; True ends every cohort after the epoch in
            progress, and those that have not begun after their first one.
        on_kept: told the cohort's 0-based place and the epoch of each durable checkpoint.
        on_ended: told the cohort's 0-based place, the fit's in it, and the outcome of each fit
            that has ended.

    Raises:
        FitpointError, ChildDied: the first failure of a cohort; the others are ended at once.
    """
    shared, outcomes = _Shared(), dict[int, tuple[FitOutcome, ...]]()
    for executor in executors:
        # Here and not in a slot's thread: a child dies with the thread that started it.
        executor.start()
    for numbered in enumerate(cohorts):
        shared.waiting.put(numbered)

    def ended(place: int, found: tuple[FitOutcome, ...]) -> None:
        outcomes[place] = found

    failures: list[BaseException] = []
    threads = [
        threading.Thread(
            target=_slot,
            args=(executor, shared, on_epoch, on_kept, on_ended, ended, failures.append),
            name=f"fitpoint-slot-{number}",
        )
        for number, executor in enumerate(executors)
    ]
    for thread in threads:
        thread.start()
    try:
        while len(outcomes) < len(cohorts) and not failures:
            if should_stop():
                shared.stop.set()
            try:
                tell = shared.told.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            tell()
    finally:
        shared.abandoned.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return tuple(outcomes[place] for place in range(len(cohorts)))


def _slot(
    executor: Executor,
    shared: _Shared,
    on_epoch: OnEpoch,
    on_kept: Callable[[int, int], None],
    on_ended: Callable[[int, int, FitOutcome], None],
    on_finished: Callable[[int, tuple[FitOutcome, ...]], None],
    on_failure: Callable[[BaseException], None],
) -> None:
    """Take cohorts until none waits; hand what they tell to the caller's thread."""

    def tell(callback: Callable[..., None], *told: Any) -> None:
        if shared.abandoned.is_set():
            raise _Abandoned
        shared.told.put(partial(callback, *told))

    def should_stop() -> bool:
        if shared.abandoned.is_set():
            raise _Abandoned
        return shared.stop.is_set()

    def epochs(records: tuple[EpochRecord, ...]) -> None:
        tell(on_epoch, records)

    while True:
        try:
            place, cohort = shared.waiting.get_nowait()
        except queue.Empty:
            return
        try:
            found = executor.run(
                cohort,
                epochs,
                should_stop,
                partial(tell, on_kept, place),
                partial(tell, on_ended, place),
            )
            tell(on_finished, place, found)
        except _Abandoned:
            return
        except BaseException as error:
            shared.told.put(partial(on_failure, error))
            return
