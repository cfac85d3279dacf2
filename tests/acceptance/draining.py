"""SIGTERM of a worker at random moments of a training: what it was doing goes on elsewhere.

    python -m tests.acceptance.draining --times 200 [--seed 1]

One long fit is carried by one real worker after the other. Each is sent SIGTERM at a random moment,
preparing and compiling included; every second one twice. After one SIGTERM the worker must exit
within 30 s, the job must be queued, nothing may be counted against it, and of the epochs that were
told at most one may be missing from the checkpoint. After the second SIGTERM the worker must be
gone within 2 s. At the end the history must have no gap. Prints the figures as JSON; exits 1 when
one is wrong. `test_draining.py` runs a few in the gate.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import select

from service.store.audit import audit
from service.store.database import Database
from service.store.tables import JobRow
from tests.acceptance.rescue_times import FIT
from tests.acceptance.running import RunningService, until
from tests.acceptance.running_worker import RunningWorker

DRAIN_SECONDS = 30.0
LEAVE_SECONDS = 2.0


@dataclass
class Tally:
    """What came of the signals; seconds from the last SIGTERM to the exit."""

    drains: int = 0
    slowest_drain: float = 0.0
    leaves: int = 0
    slowest_leave: float = 0.0
    epochs: int = 0
    most_epochs_lost: int = 0
    wrong: list[str] = field(default_factory=list)


def experiment(folder: Path, times: int, seed: int) -> Tally:
    """Drain workers `times` times."""
    draws, tally = random.Random(seed), Tally()
    service = RunningService(folder, "--no-worker")
    try:
        service.call(
            "POST", "/v1/datasets", json={"name": "digits", "builtin": "digits", "part": "test"}
        )
        job_id = service.call("POST", "/v1/jobs", json=FIT)["id"]
        with closing(Database.open(f"sqlite:///{folder / 'fitpoint.sqlite'}")) as database:
            for number in range(1, times + 1):
                _one(folder, database, job_id, draws, tally, twice=number % 2 == 0)
            with database.read() as s:
                tally.wrong += [str(breach) for breach in audit(s)]
    finally:
        service.stop()
    return tally


def _one(
    folder: Path,
    database: Database,
    job_id: str,
    draws: random.Random,
    tally: Tally,
    *,
    twice: bool,
) -> None:
    def job() -> JobRow:
        with database.read() as s:
            return s.scalars(select(JobRow).where(JobRow.id == job_id)).one()

    attempt = job().attempt
    worker = RunningWorker(folder, 1, FITPOINT_SLOTS="1")
    until(lambda: job().attempt > attempt, 120)
    time.sleep(draws.uniform(0, 6))
    if twice:
        losses = job().losses
        os.kill(worker.pid, signal.SIGTERM)
        time.sleep(draws.uniform(0, 0.05))
    began = time.monotonic()
    status = worker.stop()
    seconds = time.monotonic() - began
    after = job()
    if twice and after.state == "running":
        tally.leaves += 1
        tally.slowest_leave = max(tally.slowest_leave, seconds)
        if status != 128 + signal.SIGTERM or seconds > LEAVE_SECONDS or after.losses != losses:
            tally.wrong.append(f"left with status {status} after {seconds:.1f} s")
        return
    tally.drains += 1
    tally.slowest_drain = max(tally.slowest_drain, seconds)
    # An epoch that was told and is not in the checkpoint is trained again.
    lost = after.epoch - (after.ckpt_epoch or 0)
    tally.epochs = max(tally.epochs, after.epoch)
    tally.most_epochs_lost = max(tally.most_epochs_lost, lost)
    counted = after.stalls + after.errors
    # A second signal may come when the worker is gone already.
    if (status != 0 and not twice) or seconds > DRAIN_SECONDS or lost > 1 or counted:
        tally.wrong.append(
            f"status {status} after {seconds:.1f} s, {lost} epochs lost, {counted} counted"
        )
    if after.state != "queued":
        tally.wrong.append(f"the job is {after.state}")


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = experiment(Path(folder) / "data", asked.times, asked.seed)
    print(json.dumps(asdict(tally)))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
