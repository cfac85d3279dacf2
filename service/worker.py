"""The worker: claims jobs and carries each to its end, one a slot.

A slot is a thread with an executor of its own. The main thread beats for the worker, hands back
jobs of workers that are dead or whose lease has expired, and waits for SIGTERM: then no job is
claimed any more, running fits end with their epoch and go back to the queue.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from types import FrameType

from service import calibrations
from service.attempt import Attempt
from service.carrying import Carrying
from service.domain.errors import Unavailable
from service.executors.inline import InlineExecutor
from service.executors.port import Executor
from service.executors.process import ProcessExecutor
from service.lease import own_seconds
from service.lending import Lending
from service.presence import Presence, rescue_from_dead_workers
from service.settings import Settings
from service.store import claims, rescue, workers
from service.store.database import Database
from service.tuning.attempt import TuneAttempt

log = logging.getLogger(__name__)

_IDLE_SECONDS = 0.2
# How soon a dead worker of this folder is noticed, and how often the database is looked at.
_LOOK_SECONDS = 1.0
_SCAN_SECONDS = 5.0
# Who did not reach the database for so long lets the others beat first before it rescues: their
# leases ran out for the same reason.
_AWAY_SECONDS = 2 * _SCAN_SECONDS
_CALIBRATE_AFTER_SECONDS = 20.0
# A drain ends within 30 s; a carried job is handed back after 20 (`service.carrying`).
_LEAVE_SECONDS = 28.0


class _NotWanted(Exception):
    """Raised where a slot would wait for something that a draining worker needs no more."""


class Worker:
    """Slots that train, and the thread that looks after them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        device: str,
        *,
        executor: Callable[[], Executor] | None = None,
    ) -> None:
        """`executor` makes one for each slot; default: as the settings say."""
        self._settings = settings
        self._database = database
        self._device = device
        self._executor = executor or self._usual_executor
        with database.write() as session:
            self.id = workers.new_worker_id(session)
            # First: whoever knows the worker can tell whether it lives.
            self._presence = Presence(settings, self.id)
            workers.register(session, self.id, socket.gethostname(), os.getpid(), device)
        self.failed = False
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[int, str] = {}
        self._described = device
        self._reached_at = time.monotonic()
        self._scanned_at = self._reached_at - _SCAN_SECONDS
        self._lending = Lending(slots(settings, device))
        self._slots = [
            threading.Thread(target=self._slot, args=(index,), name=f"slot-{index}", daemon=True)
            for index in range(self._lending.count)
        ]

    @property
    def is_stopping(self) -> bool:
        """Whether `stop()` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Claim no more; running fits end with their epoch. Safe in a signal handler."""
        self._stopping.set()

    def run(self) -> bool:
        """Work until `stop()`; returns True when every slot has handed back its job.

        After 28 s it returns False: a slot is left behind, in a thread that may go on.
        """
        for slot in self._slots:
            slot.start()
        while not self._stopping.is_set():
            self._look_after()
            self._stopping.wait(_LOOK_SECONDS)
        deadline = time.monotonic() + _LEAVE_SECONDS
        for slot in self._slots:
            while slot.is_alive() and time.monotonic() < deadline:
                self._look_after()
                slot.join(_LOOK_SECONDS)
        if any(slot.is_alive() for slot in self._slots):
            log.error("A slot did not hand back its job in time and is left behind")
            return False
        with self._database.write() as session:
            workers.leave(session, self.id)
        self._presence.close()
        return True

    def _look_after(self) -> None:
        try:
            rescue_from_dead_workers(self._settings, self._database)
            if time.monotonic() - self._scanned_at >= _SCAN_SECONDS:
                self._scanned_at = time.monotonic()
                self._rescue()
                self._say()
        except (Unavailable, OSError) as error:
            log.warning("Neither rescued nor beaten: %s", error)

    def _rescue(self) -> None:
        with self._database.write() as session:
            # In the transaction, which may have waited long itself.
            away, self._reached_at = time.monotonic() - self._reached_at, time.monotonic()
            rescued = 0 if away > _AWAY_SECONDS else rescue.rescue(session)
        if rescued:
            log.warning("Jobs whose lease had expired were handed back", extra={"n": rescued})

    def _say(self) -> None:
        with self._lock:
            job_id = next(iter(self._running.values()), None)
        state: workers.WorkerState = "idle" if job_id is None else "busy"
        if self.is_stopping:
            state = "draining"
        with self._database.write() as session:
            workers.beat(
                session,
                self.id,
                socket.gethostname(),
                os.getpid(),
                self._described,
                state,
                job_id,
            )

    def _slot(self, index: int) -> None:
        executor = self._executor()
        try:
            self._described = executor.start(self._require_wanted).device
            self._lending.offer(index, executor)
            idle_since = time.monotonic()
            while not self._stopping.is_set():
                with self._lending.used(index, _IDLE_SECONDS) as mine:
                    carrying = self._claim() if mine else None
                    if carrying is not None:
                        self._carry(index, carrying, executor)
                    elif mine:
                        executor.look_after()
                        if index == 0 and time.monotonic() - idle_since > _CALIBRATE_AFTER_SECONDS:
                            self._calibrate(executor)
                            idle_since = float("inf")
                if carrying is not None:
                    idle_since = time.monotonic()
                else:
                    self._stopping.wait(_IDLE_SECONDS)
        except _NotWanted:
            log.info("Slot %d leaves before it was ready", index)
        except Exception:
            # A worker with a dead slot would claim too little for ever: whoever supervises it
            # starts another one.
            log.exception("Slot %d cannot train", index)
            self.failed = True
            self._stopping.set()
        finally:
            # A tune that has borrowed it hands its job back first.
            with self._lending.used(index, _LEAVE_SECONDS):
                executor.close()

    def _require_wanted(self) -> None:
        if self._stopping.is_set():
            raise _NotWanted

    def _calibrate(self, executor: Executor) -> None:
        """Measure once an environment what training costs, when nobody waits for this slot."""
        environment = executor.start(self._require_wanted)
        if calibrations.read(self._settings.data_dir, environment) is not None:
            return
        if environment.device == "cpu" and self._settings.executor == "process":
            # It counts the time of its own process, so that jobs may go on beside it.
            threading.Thread(target=self._calibrate_aside, name="calibrating", daemon=True).start()
        else:
            self._measure(executor)

    def _calibrate_aside(self) -> None:
        executor = self._executor()
        try:
            self._measure(executor)
        except _NotWanted:
            log.info("The worker leaves before it was calibrated")
        except Exception:
            log.exception("What training costs here could not be measured")
        finally:
            executor.close()

    def _measure(self, executor: Executor) -> None:
        calibrations.keep(self._settings.data_dir, executor.measure(self._require_wanted))

    def _claim(self) -> Carrying | None:
        claimed_at = own_seconds()
        try:
            with self._database.write() as session:
                claim = claims.claim(session, self.id)
        except Unavailable as error:
            log.warning("No job could be claimed: %s", error.detail)
            return None
        if claim is None:
            return None
        return Carrying(
            self._database, self._settings, claim, self._stopping.is_set, claimed_at=claimed_at
        )

    def _carry(self, index: int, carrying: Carrying, executor: Executor) -> None:
        with self._lock:
            self._running[index] = carrying.job.id
        try:
            match carrying.job.kind:
                case "tune":
                    with self._lending.borrowed(index) as others:
                        tune = TuneAttempt(self._database, self._settings, carrying)
                        tune.run((executor, *others))
                case "replay":
                    # In a process of its own: what a warm child remembers must not help it.
                    with closing(self._executor()) as fresh:
                        Attempt(self._database, self._settings, carrying).run(fresh)
                case _:
                    Attempt(self._database, self._settings, carrying).run(executor)
        finally:
            with self._lock:
                del self._running[index]

    def _usual_executor(self) -> Executor:
        if self._settings.executor == "inline":
            return InlineExecutor(device=self._device)
        return ProcessExecutor(device=self._device, log=log.error)


def slots(settings: Settings, device: str) -> int:
    """Return how many fits train at once: one a core on a CPU, one on a GPU, one inline."""
    if settings.executor == "inline":
        return 1
    if settings.slots is not None:
        return settings.slots
    if device.startswith("gpu:") or (device == "auto" and os.path.exists("/dev/nvidia0")):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_worker(settings: Settings, device: str = "auto") -> int:
    """Work until SIGTERM or SIGINT; a second one leaves at once. Returns the exit status.

    Args:
        settings: where the database and the storage are.
        device: "auto", "cpu", or "gpu:N".
    """
    os.environ["KERAS_BACKEND"] = settings.backend
    settings.staging_dir.mkdir(parents=True, exist_ok=True)
    database = Database.open(settings.database_url)
    worker = Worker(settings, database, device)

    def asked(signum: int, _frame: FrameType | None) -> None:
        if worker.is_stopping:
            os._exit(128 + signum)
        worker.stop()

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, asked)
    try:
        if not worker.run():
            os._exit(1)
    finally:
        database.close()
    return 1 if worker.failed else 0
