"""A job that kills or stops the process that trains it, among others that do not: poison.

    python -m tests.acceptance.stalled_jobs [--hang] [--others 30]

A real API and two real workers with a Keras child each. Small fits are submitted one after the
other, first alone, then beside a long one whose child gets SIGKILL whenever it reaches epoch 2;
with `--hang` SIGSTOP, and the deadline of a minute must end it. That job must be `failed` as poison
after at most four starts, with what happened in its error and its log, and every other fit must
succeed. Prints as JSON how long the others took from POST to their end, alone and beside it; exits
1 when something else came of it. It takes some two minutes; six with `--hang`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from tests.acceptance.rescue_times import FIT, Scene, child_of, scene
from tests.acceptance.running_worker import RunningWorker

SMALL: dict[str, Any] = {**FIT, "model": {"hidden_units": 8, "epochs": 5, "seeds": [1, 2, 3]}}
MOST_STARTS = 4


def sabotage(here: Scene, job_id: str, sent: signal.Signals) -> None:
    """Send a signal to the child of a job each time that it reaches epoch 2, until it has ended."""
    query = """SELECT jobs.state, attempt, epoch, pid FROM jobs
               LEFT JOIN workers ON workers.id = lease_owner WHERE jobs.id = :id"""
    met = 0
    while True:
        state, attempt, epoch, worker = here.rows(query, id=job_id)[0]
        if state not in ("queued", "running"):
            return
        if state == "running" and epoch >= 2 and attempt > met:
            met = attempt
            with suppress(ProcessLookupError):
                os.kill(child_of(worker), sent)
        time.sleep(0.01)


def small_fit(here: Scene) -> float:
    """Submit a small fit; return the seconds to its end, which must be good."""
    began = time.monotonic()
    job = here.service.finished(here.service.call("POST", "/v1/jobs", json=SMALL)["id"], 300)
    assert job["state"] == "succeeded", job["error"]
    return time.monotonic() - began


def experiment(folder: Path, others: int, sent: signal.Signals) -> dict[str, Any]:
    """Return what came of the bad job, and how long the others took."""
    with scene(folder) as here:
        second = RunningWorker(folder, 2, FITPOINT_SLOTS="1")
        try:
            # Until both children have the small fit's program.
            for _ in range(10):
                small_fit(here)
            alone = [small_fit(here) for _ in range(others)]
            bad = here.service.call("POST", "/v1/jobs", json=FIT)["id"]
            saboteur = threading.Thread(target=sabotage, args=(here, bad, sent))
            saboteur.start()
            beside = []
            while saboteur.is_alive():
                beside.append(small_fit(here))
            saboteur.join()
            job = here.service.call("GET", f"/v1/jobs/{bad}")
            log = here.service.call("GET", f"/v1/jobs/{bad}/log")["data"]
            query = "SELECT stalls, ckpt_epoch FROM jobs WHERE id = :id"
            stalls, kept = here.rows(query, id=bad)[0]
        finally:
            second.stop()
    return {
        "state": job["state"],
        "error": job["error"],
        "starts": job["attempt"],
        "stalls": stalls,
        "checkpoint": kept,
        "log": [line["line"] for line in log],
        "others": len(beside),
        "alone_seconds": round(median(alone), 3),
        "beside_seconds": round(median(beside), 3),
    }


def is_right(found: dict[str, Any]) -> bool:
    """Whether the job was given up in time and said why."""
    said = [line for line in found["log"] if line.startswith("Stalled: ")]
    # On a busy machine a signal may come so late that a checkpoint made up for the starts before.
    in_time = found["starts"] <= MOST_STARTS or found["checkpoint"] is not None
    return (
        found["state"] == "failed"
        and found["error"]["type"].endswith("/poison")
        and found["stalls"] == MOST_STARTS
        and len(said) == found["starts"]
        and in_time
        and found["others"] > 0
    )


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hang", action="store_true")
    parser.add_argument("--others", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sent = signal.SIGSTOP if asked.hang else signal.SIGKILL
        found = experiment(Path(folder) / "data", asked.others, sent)
    print(json.dumps(found))
    return 0 if is_right(found) else 1


if __name__ == "__main__":
    sys.exit(main())
