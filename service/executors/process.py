"""Fits run in a warm, spawned child: a crash of the backend costs one fit, not the worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.domain.cost import Calibration
from service.domain.errors import FitpointError, Hung, from_stored
from service.domain.jobs import Environment
from service.engine.task import CohortTask, FitOutcome
from service.executors import child
from service.executors.patience import Patience, Watch
from service.executors.port import OnEnded, OnEpoch, OnKept, ShouldStop, Waiting
from service.executors.spawned import TICK_SECONDS, Program, Spawned

_MEASURE_SECONDS = 300.0
# A fresh child that did not come up is not tried again at once.
_PAUSE_SECONDS = 30.0
_DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True, kw_only=True)
class Wear:
    """When a child is replaced by a fresh one.

    It costs some seconds of a core and the programs that were compiled: over 100 jobs less than
    0.1 s a job. A gibibyte is more than a child has when it is fresh, so that replacing one that
    has grown by it halves what the slot holds.
    """

    jobs: int = 100
    grown_bytes: int = 2**30


_DEFAULT_WEAR = Wear()


class ProcessExecutor:
    """The port over one child process, started again when it has died.

    A worn child serves on until a fresh one is ready, so that no fit waits for an import.
    """

    def __init__(
        self,
        *,
        device: str,
        threads: int = 1,
        log: Callable[[str], None] = lambda _: None,
        patience: Patience = _DEFAULT_PATIENCE,
        wear: Wear = _DEFAULT_WEAR,
        program: Program = child.main,
    ) -> None:
        self._device = device
        self._threads = threads
        self._log = log
        self._patience = patience
        self._wear = wear
        self._program = program
        self._child: Spawned | None = None
        self._fresh: Spawned | None = None
        self._paused_until = 0.0

    @property
    def pid(self) -> int | None:
        """The child's process id, None before `start`."""
        return self._child.pid if self._child is not None else None

    def start(self, waiting: Waiting = lambda: None) -> Environment:
        """Start the child and wait until it has imported its backend."""
        return self._ready(waiting)[1]

    def run(
        self,
        task: CohortTask,
        on_epoch: OnEpoch,
        should_stop: ShouldStop,
        on_kept: OnKept = lambda _: None,
        on_ended: OnEnded = lambda _place, _outcome: None,
    ) -> tuple[FitOutcome, ...]:
        """Send the fits to the child and relay what it tells."""
        self.look_after()
        trainer, _ = self._ready(should_stop)
        watch = Watch(self._patience, asked_every=TICK_SECONDS)
        stop_sent = False

        def tick() -> None:
            nonlocal stop_sent
            if should_stop() and not stop_sent:
                trainer.send(child.Stop())
                stop_sent = True

        def wait() -> None:
            tick()
            if watch.is_over():
                raise Hung(
                    f"Expected progress within {watch.seconds:.0f} s. The training process told "
                    "nothing for longer and was ended (deadline)."
                )

        usable = False
        try:
            trainer.send(task)
            while True:
                message = trainer.receive(wait)
                match message:
                    case child.Epochs(records):
                        on_epoch(records)
                        watch.epoch(records)
                        tick()
                    case child.Kept(epoch):
                        on_kept(epoch)
                        watch.sign()
                    case child.Trained():
                        watch.trained()
                    case child.Ended(place, outcome):
                        on_ended(place, outcome)
                        watch.sign()
                    case child.Finished(outcomes):
                        usable = True
                        trainer.jobs += 1
                        return outcomes
                    case child.Failed(stored, trace, worn):
                        usable = not worn
                        trainer.jobs += 1
                        if trace:
                            self._log(trace)
                        raise from_stored(stored)
                    case _:
                        raise self._died(trainer)
        finally:
            if not usable:
                self._kill()

    def measure(self, waiting: Waiting = lambda: None) -> Calibration:
        """Have the child measure."""
        measurer, _ = self._ready(waiting)
        measurer.send(child.Measure())
        try:
            message = measurer.receive(waiting, time.monotonic() + _MEASURE_SECONDS)
        except BaseException:
            self._kill()
            raise
        if not isinstance(message, child.Measured):
            raise self._died(measurer)
        return message.calibration

    def look_after(self) -> None:
        """Have a fresh child ready in time for one that is worn or has died; does not wait."""
        if self._child is not None and not self._child.is_alive():
            self._log(f"A child ended that had nothing to do: {self._died(self._child)}")
        worn = self._child is not None and (
            self._child.jobs >= self._wear.jobs or self._child.grown_bytes >= self._wear.grown_bytes
        )
        if self._fresh is None:
            if (worn or self._child is None) and time.monotonic() >= self._paused_until:
                self._fresh = self._spawned()
            return
        if self._fresh.is_ready():
            self._kill()
            self._child, self._fresh = self._fresh, None
        elif not self._fresh.is_alive():
            self._log(f"A fresh child did not come up: {self._fresh.end()}")
            self._fresh = None
            self._paused_until = time.monotonic() + _PAUSE_SECONDS

    def close(self) -> None:
        """Ask the child to leave; end it when it does not."""
        for each in (self._child, self._fresh):
            if each is not None:
                each.leave()
        self._child = self._fresh = None

    def _ready(self, waiting: Waiting) -> tuple[Spawned, Environment]:
        """Return a child that can train, after `waiting` for its imports where there is none."""
        if self._child is None or not self._child.is_alive():
            self._kill()
            self._child, self._fresh = self._fresh or self._spawned(), None
        current = self._child
        environment = current.await_ready(waiting)
        if environment is None:
            raise self._died(current)
        return current, environment

    def _spawned(self) -> Spawned:
        return Spawned(self._program, self._device, self._threads)

    def _died(self, dead: Spawned) -> FitpointError:
        """End what is left of a child, forget it and return how it died."""
        self._child = None
        return dead.end()

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None
