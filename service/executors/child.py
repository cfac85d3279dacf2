"""The child: a process that has the backend imported and trains what its parent sends.

Messages are our own frozen values over a pipe that only these two processes hold. Parent to
child: a `CohortTask`, `Stop`, `Measure` or `Leave`. Child to parent: `Ready`, `Epochs`, `Kept`,
`Trained`, `Ended`, `Finished`, `Failed`, `Measured`.
"""

from __future__ import annotations

import os
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from service.domain.cost import Calibration
from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.engine.task import CohortTask, FitOutcome
from service.executors.failing import failure_of
from service.executors.lifeline import die_with_parent

if TYPE_CHECKING:
    from service.engine.training.compiled import Compiled


@dataclass(frozen=True)
class Stop:
    """End the fit after the epoch in progress."""


@dataclass(frozen=True)
class Measure:
    """Measure what training costs here."""


@dataclass(frozen=True)
class Leave:
    """Exit."""


@dataclass(frozen=True)
class Ready:
    """The backend is imported."""

    environment: Environment


@dataclass(frozen=True)
class Epochs:
    """An epoch ended."""

    records: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class Kept:
    """A checkpoint of everything up to an epoch is durable."""

    epoch: int


@dataclass(frozen=True)
class Trained:
    """A fit had its last epoch; it is judged and written next."""


@dataclass(frozen=True)
class Ended:
    """One of the fits has ended."""

    place: int
    outcome: FitOutcome


@dataclass(frozen=True)
class Finished:
    """The fits ended by themselves."""

    outcomes: tuple[FitOutcome, ...]


@dataclass(frozen=True)
class Measured:
    """What training costs here."""

    calibration: Calibration


@dataclass(frozen=True)
class Failed:
    """The fit raised. `stored` is the error as a job keeps it; `trace` is for the log only.

    `worn`: this process should train nothing more.
    """

    stored: dict[str, Any]
    trace: str
    worn: bool


def main(connection: Connection, parent: int, device: str, threads: int) -> None:
    """Train what comes through `connection` until the parent says `Leave` or is gone."""
    die_with_parent(parent)
    # The terminal's Ctrl-C and a drain's SIGTERM are the parent's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    from service.engine.training import runtime
    from service.engine.training.compiled import compiled_programs

    with compiled_programs() as programs:
        runtime.configure(device=device, threads=threads)
        environment = runtime.environment(threads)
        programs.fetch(environment.fingerprint)
        _serve(connection, environment, programs)


def _serve(connection: Connection, environment: Environment, programs: Compiled) -> None:
    from service.engine.training.fit import fit

    connection.send(Ready(environment))
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if isinstance(message, Leave):
            return
        if isinstance(message, CohortTask):
            connection.send(_answer(fit, message, environment, connection))
            programs.share()
        if isinstance(message, Measure):
            from service.engine.training import calibration

            connection.send(Measured(calibration.measure(environment)))
            programs.keep()
        # A Stop that arrives after its fit has ended means nothing any more.


def _answer(
    fit: Any, task: CohortTask, environment: Environment, connection: Connection
) -> Finished | Failed:
    def should_stop() -> bool:
        return connection.poll() and isinstance(connection.recv(), Stop)

    try:
        return Finished(
            fit(
                task,
                environment,
                lambda records: connection.send(Epochs(records)),
                should_stop,
                lambda epoch: connection.send(Kept(epoch)),
                lambda: connection.send(Trained()),
                lambda place, outcome: connection.send(Ended(place, outcome)),
            )
        )
    except Exception as error:
        known, worn = failure_of(error, environment.device)
        trace = "" if known is error else traceback.format_exc()
        return Failed(known.as_stored(), trace, worn)
