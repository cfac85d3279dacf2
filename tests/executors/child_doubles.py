"""Programs in the child's place, which do wrong what a backend can do wrong, without its import.

Each speaks the pipe's language. What a fit does is asked for by its name in the spec.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.domain.network import weights_sha256
from service.engine import artifact
from service.engine.task import CohortTask, FitOutcome, FitTask, FittedNetwork
from service.executors import child
from service.executors.lifeline import die_with_parent
from tests.engine.fitted_models import fitted_model

ENVIRONMENT = Environment(device="cpu", versions={"backend": "none"})
# A group of the kernel's whose memory is limited, for the child that must die for want of it.
SMALL_GROUP = Path("/sys/fs/cgroup/memory/fitpoint-test")


def program(connection: Connection, parent: int, _device: str, _threads: int) -> None:
    """Stand in for `service.executors.child.main`."""
    die_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.send(child.Ready(ENVIRONMENT))
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if isinstance(message, child.Leave):
            return
        if isinstance(message, CohortTask):
            (fit,) = message.fits
            act = _ACTS.get(str(fit.spec.name), _train)
            connection.send(act(connection, fit))


def slow_to_wake(connection: Connection, parent: int, device: str, threads: int) -> None:
    """As `program`, but ready only once the file that its environment names is there."""
    die_with_parent(parent)
    while not os.path.exists(os.environ["WAKE"]):
        time.sleep(0.01)
    program(connection, parent, device, threads)


def stillborn(_connection: Connection, _parent: int, _device: str, _threads: int) -> None:
    """Exit before the backend is there."""
    sys.exit(9)


def _tell(connection: Connection, epoch: int) -> None:
    record = EpochRecord(epoch=epoch, values={"loss": 0.5}, seconds=0.01, samples_per_second=100.0)
    connection.send(child.Epochs((record,)))


def _train(connection: Connection, fit: FitTask) -> child.Finished:
    epochs = fit.spec.model.epochs
    for epoch in range(1, epochs + 1):
        _tell(connection, epoch)
        if connection.poll() and isinstance(connection.recv(), child.Stop):
            return _finished("cancelled", epoch, None)
    connection.send(child.Trained())
    return _finished("completed", epochs, _published(fit))


def _train_slowly(connection: Connection, _fit: FitTask) -> child.Finished:
    """One epoch, and the next only when it is told to stop: then that one ends, too."""
    _tell(connection, 1)
    connection.recv()
    _tell(connection, 2)
    connection.send(child.Kept(2))
    return _finished("cancelled", 2, None)


def _finished(ending: str, epochs: int, fitted: FittedNetwork | None) -> child.Finished:
    outcome = FitOutcome(
        ending=ending,  # type: ignore[arg-type]
        epochs_run=epochs,
        stopped_epoch=None,
        best_epoch=None,
        fitted=fitted,
        bit_exact=True,
        log=(),
    )
    return child.Finished((outcome,))


def _published(fit: FitTask) -> FittedNetwork:
    assert fit.staging is not None
    made = fitted_model()
    artifact.write(fit.staging, made)
    return FittedNetwork(
        mode=made.mode,
        outcomes=made.outcomes,
        levels=made.levels,
        predictors=made.recipe.outputs,
        n_parameters=made.network.n_parameters,
        weights_sha256=weights_sha256(made.weights),
        dataset_sha256=fit.training.dataset.sha256,
        evaluations=(),
    )


def _kill_itself(connection: Connection, _fit: FitTask) -> child.Finished:
    _tell(connection, 1)
    _tell(connection, 2)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives it")


def _exit(connection: Connection, _fit: FitTask) -> child.Finished:
    _tell(connection, 1)
    os._exit(7)


def _stop_itself(connection: Connection, _fit: FitTask) -> child.Finished:
    _tell(connection, 1)
    os.kill(os.getpid(), signal.SIGSTOP)
    raise AssertionError("nobody lets it go on")


def _hold_the_interpreter(connection: Connection, _fit: FitTask) -> child.Finished:
    _tell(connection, 1)
    # One call of C code that lasts for hours and lets no other thread run.
    sum(range(10**15))
    raise AssertionError("nobody waits for it")


def _never_begin(_connection: Connection, _fit: FitTask) -> child.Finished:
    signal.pause()
    raise AssertionError("no signal that it catches comes")


def _judge_long(connection: Connection, fit: FitTask) -> child.Finished:
    _tell(connection, 1)
    connection.send(child.Trained())
    time.sleep(1.5)
    return _finished("completed", 1, _published(fit))


def _want_memory(connection: Connection, _fit: FitTask) -> child.Finished:
    _tell(connection, 1)
    (SMALL_GROUP / "cgroup.procs").write_text(str(os.getpid()))
    held = [np.ones(2**22) for _ in range(100)]
    raise AssertionError(f"it got {len(held)} times 32 MiB")


def _fail_worn(_connection: Connection, _fit: FitTask) -> child.Failed:
    from service.executors.failing import failure_of

    error, worn = failure_of(MemoryError("Unable to allocate 9 EiB"), "cpu")
    return child.Failed(error.as_stored(), "", worn)


def _grow(connection: Connection, fit: FitTask) -> child.Finished:
    _HELD.append(np.ones(2**23))
    return _train(connection, fit)


_HELD: list[object] = []
_ACTS: dict[str, Callable[[Connection, FitTask], object]] = {
    "poison": _kill_itself,
    "exits": _exit,
    "stops": _stop_itself,
    "spins": _hold_the_interpreter,
    "never-begins": _never_begin,
    "judges-long": _judge_long,
    "wants-memory": _want_memory,
    "fails-worn": _fail_worn,
    "grows": _grow,
    "trains-slowly": _train_slowly,
}
