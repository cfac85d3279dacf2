"""Fits run in a warm, spawned child: a crash of the backend costs one fit, not the worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from service.domain.cost import Calibration
from service.domain.errors import ChildDied, from_stored
from service.domain.jobs import Environment
from service.engine.task import CohortTask, FitOutcome
from service.executors import child
from service.executors.port import OnEnded, OnEpoch, OnKept, ShouldStop

_TICK_SECONDS = 0.5
_START_SECONDS = 300.0


class ProcessExecutor:
    """The port over one child process, started again when it has died."""

    def __init__(
        self,
        *,
        device: str,
        threads: int = 1,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._device = device
        self._threads = threads
        self._log = log
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._environment: Environment | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None before `start`."""
        return self._process.pid if self._process is not None else None

    def start(self) -> Environment:
        """Start the child and wait until it has imported its backend."""
        if self._process is not None and self._process.is_alive() and self._environment:
            return self._environment
        self.close()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=child.main,
            args=(theirs, os.getpid(), self._device, self._threads),
            name="fitpoint-child",
        )
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        message = self._receive(time.monotonic() + _START_SECONDS, lambda: None)
        if not isinstance(message, child.Ready):
            raise self._died()
        self._environment = message.environment
        return message.environment

    def run(
        self,
        task: CohortTask,
        on_epoch: OnEpoch,
        should_stop: ShouldStop,
        on_kept: OnKept = lambda _: None,
        on_ended: OnEnded = lambda _place, _outcome: None,
    ) -> tuple[FitOutcome, ...]:
        """Send the fits to the child and relay what it tells."""
        self.start()
        connection = self._connection
        assert connection is not None, "start() sets it"
        stop_sent = False

        def tick() -> None:
            nonlocal stop_sent
            if should_stop() and not stop_sent:
                connection.send(child.Stop())
                stop_sent = True

        ended = False
        try:
            connection.send(task)
            while True:
                message = self._receive(None, tick)
                match message:
                    case child.Epochs(records):
                        on_epoch(records)
                        tick()
                    case child.Kept(epoch):
                        on_kept(epoch)
                    case child.Ended(place, outcome):
                        on_ended(place, outcome)
                    case child.Finished(outcomes):
                        ended = True
                        return outcomes
                    case child.Failed(stored, trace):
                        ended = True
                        if trace:
                            self._log(trace)
                        raise from_stored(stored)
                    case _:
                        raise self._died()
        except OSError as error:
            raise self._died() from error
        finally:
            if not ended:
                self._kill()

    def measure(self) -> Calibration:
        """Have the child measure."""
        self.start()
        connection = self._connection
        assert connection is not None, "start() sets it"
        try:
            connection.send(child.Measure())
        except OSError as error:
            raise self._died() from error
        message = self._receive(time.monotonic() + _START_SECONDS, lambda: None)
        if not isinstance(message, child.Measured):
            raise self._died()
        return message.calibration

    def close(self) -> None:
        """Ask the child to leave; end it when it does not."""
        process, connection = self._process, self._connection
        if process is not None and connection is not None:
            with suppress(OSError):
                connection.send(child.Leave())
            process.join(timeout=2)
            self._kill()
        self._environment = None

    def _receive(self, deadline: float | None, tick: Callable[[], None]) -> object:
        """Return the child's next message, or None when it died or the deadline passed."""
        process, connection = self._process, self._connection
        assert process is not None, "start() sets it"
        assert connection is not None, "start() sets it"
        while deadline is None or time.monotonic() < deadline:
            ready = wait([connection, process.sentinel], timeout=_TICK_SECONDS)
            if connection in ready:
                try:
                    return connection.recv()
                except (EOFError, OSError):
                    return None
            if ready:
                return None
            tick()
        return None

    def _died(self) -> ChildDied:
        """End what is left of the child and say how it died."""
        process = self._process
        assert process is not None, "only a child that was started can die"
        process.join(timeout=5)
        code = process.exitcode
        self._kill()
        if code is not None and code < 0:
            how = f"signal {signal.Signals(-code).name}"
            cause = " The kernel kills so when memory runs out." if code == -signal.SIGKILL else ""
        else:
            how, cause = f"exit status {code}", ""
        return ChildDied(
            f"The process that trained ended without an answer, by {how}.{cause} "
            "Submit the job again, or a smaller one."
        )

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
