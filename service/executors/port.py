"""The port: where fits run. An executor trains one cohort at a time; a worker holds one a slot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from service.domain.cost import Calibration
from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.engine.task import CohortTask, FitOutcome

OnEpoch = Callable[[tuple[EpochRecord, ...]], None]
OnKept = Callable[[int], None]
OnEnded = Callable[[int, FitOutcome], None]
ShouldStop = Callable[[], bool]
Waiting = Callable[[], object]


class Executor(Protocol):
    """Runs fits. The same contract suite runs for every implementation."""

    def start(self, waiting: Waiting = lambda: None) -> Environment:
        """Make ready to train, so that the first fit does not wait for imports.

        `waiting` is called at least once a second meanwhile, by an executor that can; what it
        raises ends the start.
        """
        ...

    def run(
        self,
        task: CohortTask,
        on_epoch: OnEpoch,
        should_stop: ShouldStop,
        on_kept: OnKept = lambda _: None,
        on_ended: OnEnded = lambda _place, _outcome: None,
    ) -> tuple[FitOutcome, ...]:
        """Run the fits of a cohort to their end; return one outcome a fit, in order.

        Args:
            task: what to fit.
            on_epoch: told each epoch's records, in the calling thread. What it raises ends the
                fits at once and is raised here.
            should_stop: asked at least once a second, in the calling thread; True ends the fits
                after the epoch in progress ("cancelled"). What it raises ends them at once.
            on_kept: told the epoch of each checkpoint that is durable, as `on_epoch`.
            on_ended: told a fit's 0-based place and outcome as soon as it has ended, as `on_epoch`.

        Raises:
            FitpointError: the fit failed; its type says why.
            ChildDied, OutOfMemory: the process that trained ended without an answer.
            Hung: it made no progress and was ended.
        """
        ...

    def measure(self, waiting: Waiting = lambda: None) -> Calibration:
        """Measure what training costs where the fits run; takes some seconds. As for `start`."""
        ...

    def look_after(self) -> None:
        """Use a moment in which no fit runs to have a good process for the next; does not wait."""
        ...

    def close(self) -> None:
        """End what `start` began; a fit in progress is lost."""
        ...
