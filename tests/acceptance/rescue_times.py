"""How long a job belongs to the dead: from SIGKILL to its being queued, and claimed, again.

    python -m tests.acceptance.rescue_times --times 100 [--leases 3]

A real API and two real workers of one folder with Keras children. A child that trains is killed;
then a worker that trains, in turns the one that `serve` supervises and one that nobody does. With
`--leases` a worker of another folder is killed, as of another host: only the end of its lease tells
that it is dead. Times are those of the events in the database, minus that of the kill. Tells
each on stderr and prints their quantiles as JSON; exits 1 when p99 is over 2 s on one host, or 35 s
by leases.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from service.store.database import Database
from service.store.tables import EventRow
from tests.acceptance.running import RunningService, children, until
from tests.acceptance.running_worker import RunningWorker

SAME_HOST_SECONDS = 2.0
LEASE_SECONDS = 35.0
FIT: dict[str, Any] = {
    "kind": "fit",
    "dataset": "digits",
    "outcome": "y",
    "recipe": [{"step": "zv"}],
    "model": {"hidden_units": 256, "epochs": 100_000, "seeds": [1, 2, 3]},
}


class Scene:
    """A service whose jobs, workers and events are looked up in its database."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self._database = Database.open(f"sqlite:///{service.folder / 'fitpoint.sqlite'}")
        service.call(
            "POST", "/v1/datasets", json={"name": "digits", "builtin": "digits", "part": "test"}
        )

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def rows(self, query: str, **given: Any) -> list[Any]:
        """Return what a query finds."""
        with self._database.read() as s:
            return list(s.execute(text(query), given).all())

    def training(self) -> tuple[str, int]:
        """Submit a long fit; return its id and its worker's process once an epoch has ended."""
        job_id = self.service.call("POST", "/v1/jobs", json=FIT)["id"]
        return job_id, self.holder(job_id)

    def holder(self, job_id: str) -> int:
        """Return the process of the worker that has the job, once an epoch has ended."""
        query = """SELECT pid FROM jobs JOIN workers ON workers.id = lease_owner
                   WHERE jobs.id = :id AND epoch > 0"""
        found: list[Any] = until(lambda: self.rows(query, id=job_id), 120)
        return int(found[0][0])

    def since(self, job_id: str, state: str, killed_at: float, seconds: float) -> float:
        """Return how long after the kill the job's events told a state."""
        after = datetime.fromtimestamp(killed_at, UTC)
        query = select(EventRow.at, EventRow.data).where(
            EventRow.job_id == job_id, EventRow.what == "state", EventRow.at >= after
        )

        def told() -> list[datetime]:
            with self._database.read() as s:
                return [at for at, data in s.execute(query) if data["state"] == state]

        first: datetime = until(told, seconds)[0]
        return (first - after).total_seconds()

    def cancel(self, job_id: str) -> None:
        """Cancel a job and wait for its end."""
        self.service.call("POST", f"/v1/jobs/{job_id}/cancel")
        self.service.finished(job_id)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """A service with its worker, and what looks into it."""
    service = RunningService(folder, FITPOINT_SLOTS="1")
    try:
        with closing(Scene(service)) as made:
            yield made
    finally:
        service.stop()


def child_of(worker: int) -> int:
    """Return the process in which a worker trains."""
    return next(
        pid
        for pid in children(worker)
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def kill(pid: int) -> float:
    """Kill a process; return the wall clock's time just before, as events have it."""
    killed_at = time.time()
    os.kill(pid, signal.SIGKILL)
    return killed_at


def tell(kind: str, seconds: float) -> float:
    """Say how long one rescue took, for a run that somebody ends before its end."""
    print(f"{kind}: queued after {seconds:.3f} s", file=sys.stderr, flush=True)
    return seconds


def killed_children(here: Scene, times: int) -> dict[str, list[float]]:
    """Kill children that train."""
    queued = []
    for _ in range(times):
        job_id, worker = here.training()
        killed_at = kill(child_of(worker))
        queued.append(tell("child killed", here.since(job_id, "queued", killed_at, 60)))
        # It waits 10 s now, as jobs do whose process died.
        here.cancel(job_id)
    return {"queued": queued}


def killed_workers(here: Scene, folder: Path, times: int) -> dict[str, list[float]]:
    """Kill workers that train while another one is idle."""
    other = RunningWorker(folder, 2, FITPOINT_SLOTS="1")
    queued, claimed = [], []
    try:
        for _ in range(times):
            until(lambda: len(_ready(here)) == 2, 120)
            job_id, worker = here.training()
            killed_at = time.time()
            if worker == other.pid:
                other.kill()
            else:
                kill(worker)
            queued.append(tell("worker killed", here.since(job_id, "queued", killed_at, 60)))
            claimed.append(here.since(job_id, "running", killed_at, 60))
            here.cancel(job_id)
    finally:
        other.stop()
    return {"queued": queued, "claimed": claimed}


def _ready(here: Scene) -> list[Any]:
    """Workers that live and know their device, which they do when their child is warm."""
    return [
        worker
        for worker in here.service.call("GET", "/v1/workers")["data"]
        if worker["alive"] and worker["device"] != "auto"
    ]


def ended_leases(here: Scene, folder: Path, times: int) -> dict[str, list[float]]:
    """Kill a worker of another host, with which only the database and the storage are shared."""
    elsewhere = folder.with_name("elsewhere")
    elsewhere.mkdir()
    shared = {
        "FITPOINT_DATABASE_URL": f"sqlite:///{folder / 'fitpoint.sqlite'}",
        "FITPOINT_STORAGE_URL": folder.as_uri(),
        "FITPOINT_SLOTS": "1",
    }
    queued, claimed = [], []
    other = RunningWorker(elsewhere, 3, **shared)
    try:
        for _ in range(times):
            until(lambda: len(_ready(here)) == 2, 120)
            job_id, worker = here.training()
            if worker != other.pid:
                # The one beside the API has it, so that the other one gets the next.
                first, (job_id, worker) = job_id, here.training()
                here.cancel(first)
            # Another one of its folder would know at once: it comes when the lease has ended.
            killed_at = kill(other.pid)
            queued.append(tell("lease ended", here.since(job_id, "queued", killed_at, 60)))
            claimed.append(here.since(job_id, "running", killed_at, 60))
            here.cancel(job_id)
            other.look_after()
    finally:
        other.stop()
    return {"queued": queued, "claimed": claimed}


def summary(seconds: list[float]) -> dict[str, float]:
    """Return the quantiles that are published."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        "n": len(ordered),
        "p50": round(ordered[round(0.5 * last)], 3),
        "p99": round(ordered[round(0.99 * last)], 3),
        "max": round(ordered[-1], 3),
    }


def experiment(folder: Path, times: int, leases: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the quantiles of each kind of kill."""
    with scene(folder) as here:
        found = {
            "child killed": killed_children(here, times),
            "worker killed": killed_workers(here, folder, times),
        }
        if leases:
            found["lease ended"] = ended_leases(here, folder, leases)
    return {
        kind: {event: summary(seconds) for event, seconds in events.items()}
        for kind, events in found.items()
    }


def is_in_time(found: dict[str, dict[str, dict[str, float]]]) -> bool:
    """Whether the promised times were kept."""
    return all(
        events["queued"]["p99"] <= (LEASE_SECONDS if kind == "lease ended" else SAME_HOST_SECONDS)
        for kind, events in found.items()
    )


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--leases", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = experiment(Path(folder) / "data", asked.times, asked.leases)
    print(json.dumps(found))
    return 0 if is_in_time(found) else 1


if __name__ == "__main__":
    sys.exit(main())
