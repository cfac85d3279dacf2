"""Fits run in the worker's own process: simple to debug, no protection from a crash."""

from __future__ import annotations

from service.domain.cost import Calibration
from service.domain.jobs import Environment
from service.engine.task import CohortTask, FitOutcome
from service.executors.port import OnEnded, OnEpoch, OnKept, ShouldStop, Waiting

_THREADS = 1


class InlineExecutor:
    """The port without a process."""

    def __init__(self, *, device: str, threads: int = _THREADS) -> None:
        self._device = device
        self._threads = threads
        self._environment: Environment | None = None

    def start(self, waiting: Waiting = lambda: None) -> Environment:
        """Import the backend into this process."""
        from service.engine.training import runtime

        if self._environment is None:
            waiting()
            runtime.configure(device=self._device, threads=self._threads)
            self._environment = runtime.environment(self._threads)
        return self._environment

    def run(
        self,
        task: CohortTask,
        on_epoch: OnEpoch,
        should_stop: ShouldStop,
        on_kept: OnKept = lambda _: None,
        on_ended: OnEnded = lambda _place, _outcome: None,
    ) -> tuple[FitOutcome, ...]:
        """Run fits in the calling thread."""
        environment = self.start()
        from service.engine.training.fit import fit

        return fit(task, environment, on_epoch, should_stop, on_kept, on_ended=on_ended)

    def measure(self, waiting: Waiting = lambda: None) -> Calibration:
        """Measure in the calling thread."""
        environment = self.start(waiting)
        from service.engine.training import calibration

        return calibration.measure(environment)

    def look_after(self) -> None:
        """Nothing to look after."""

    def close(self) -> None:
        """Nothing to end."""
