"""SIGKILL and SIGSTOP of workers, of what trains in them and of the API, under a load of jobs.

    python -m tests.acceptance.faults --faults 1000 [--database postgresql] [--seed 1]

A real API and two real workers with their Keras children; clients submit small fits with
idempotency keys, follow them to their end and now and then cancel one. At random moments a random
process is killed, or stopped for up to three seconds; now and then a worker that has a job is
stopped until its lease is over and somebody else goes on with the job, and then wakes up. What
each spec comes to is known from trainings that nobody disturbed. `fault_findings.py` says what is
looked for. Prints it as JSON; exits 1 when anything was lost, doubled, torn or other.

    ... --without fence [--without guards]

has workers whose writes do not ask for the claim's token (and a database without triggers and
constraints), which shows what each of them is there for: it must exit 1.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from service.store.claims import LEASE_SECONDS
from service.store.database import Database
from tests.acceptance.fault_findings import Findings, compare
from tests.acceptance.fault_load import loaded, undisturbed
from tests.acceptance.running import NotStarted, RunningService, until
from tests.acceptance.running_worker import (
    RunningWorker,
    having_jobs,
    signalled,
    stop_between_writes,
)
from tests.acceptance.unfenced import without_guards
from tests.store.private_cluster import PrivateCluster

# A child that begins costs ten seconds of a core, so what ends one is drawn less often.
KINDS = {
    ("kill", "child"): 7,
    ("kill", "worker"): 6,
    ("kill", "api"): 14,
    ("stop", "child"): 25,
    ("stop", "worker"): 25,
    ("stop", "api"): 23,
}
# How many of the kills wait for a worker that has a job.
AIMED = 0.8


class Api:
    """The server, and its successors: each start in a thread that outlives it."""

    def __init__(self, server: RunningService) -> None:
        self.server = server
        self._starts = ThreadPoolExecutor(1)
        self._next: Future[RunningService] | None = None

    def is_up(self) -> bool:
        """Whether there is a server that was not killed."""
        if self._next is not None and self._next.done():
            self.server, self._next = self._next.result(), None
        return self._next is None

    def kill(self) -> None:
        """Kill it; its successor is being started when this returns."""
        self._next = self._starts.submit(self._replaced)

    def _replaced(self) -> RunningService:
        while True:
            try:
                return self.server.killed_and_started_again()
            except NotStarted:
                # A stopped worker may hold the lock of the database just then.
                time.sleep(0.5)


class Faults:
    """Disturbs random processes at random moments."""

    def __init__(
        self, draws: random.Random, api: Api, workers: Sequence[RunningWorker], database: Database
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._draws = draws
        self._api = api
        self._workers = workers
        self._database = database
        # Stopped processes, and when they go on.
        self._stopped: dict[int, float] = {}
        # Those of them that outlast their lease, and their jobs.
        self._sleepers: dict[int, str] = {}
        self._looked_at = 0.0

    def pause(self, seconds: float) -> None:
        """Let time pass, and wake up those whose time has come."""
        deadline = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            self._startle(now)
            for pid in [pid for pid, due in self._stopped.items() if due <= now]:
                del self._stopped[pid]
                self._sleepers.pop(pid, None)
                signalled(pid, signal.SIGCONT)
            for worker in self._workers:
                worker.look_after()
            if now >= deadline:
                return
            time.sleep(min(0.02, deadline - now))

    def one(self) -> None:
        """Disturb one process."""
        while not self._done(*self._draws.choices([*KINDS], [*KINDS.values()])[0]):
            self.pause(0.02)

    def outlast_a_lease(self) -> None:
        """Stop a worker that has a job until its lease is over, and a little longer."""
        while True:
            having = having_jobs(self._database)
            awake = [each.pid for each in self._workers if each.pid not in self._stopped]
            for pid in awake:
                if pid in having and stop_between_writes(pid, having[pid], self._database):
                    lasts = LEASE_SECONDS + self._draws.uniform(2, 15)
                    self._stopped[pid] = time.monotonic() + lasts
                    self._sleepers[pid] = having[pid]
                    self.counts["stop worker beyond its lease"] += 1
                    return
            self.pause(0.05)

    def _startle(self, now: float) -> None:
        """Wake up a sleeper just when somebody else has begun with its job."""
        if not self._sleepers or now < self._looked_at + 0.3:
            return
        self._looked_at = now
        having = having_jobs(self._database)
        for sleeper, job in self._sleepers.items():
            if any(job == its and pid != sleeper for pid, its in having.items()):
                self._stopped[sleeper] = now

    def end(self) -> None:
        """Wake up everybody, each in its own time."""
        while self._stopped or not self._api.is_up():
            self.pause(0.1)

    def _done(self, how: str, whom: str) -> bool:
        aimed = how == "kill" and whom != "api" and self._draws.random() < AIMED
        among = self._busy() if aimed else self._workers
        if not among:
            return False
        worker = self._draws.choice(among)
        if whom == "api" and not self._api.is_up():
            return False
        pid = {
            "api": self._api.server.process.pid,
            "worker": worker.pid,
            "child": worker.child,
        }[whom]
        if pid is None or pid in self._stopped:
            return False
        if how == "stop":
            done = self._stop(pid, self._draws.uniform(0.05, 3))
        elif whom == "api":
            self._api.kill()
            done = True
        elif whom == "worker":
            worker.kill()
            done = True
        else:
            done = signalled(pid, signal.SIGKILL)
        self.counts[f"{how} {whom}"] += done
        return done

    def _stop(self, pid: int, seconds: float) -> bool:
        if pid in self._stopped or not signalled(pid, signal.SIGSTOP):
            return False
        self._stopped[pid] = time.monotonic() + seconds
        return True

    def _busy(self) -> list[RunningWorker]:
        """Return the workers that have a job just now."""
        having = having_jobs(self._database)
        return [each for each in self._workers if each.pid in having]


def experiment(
    folder: Path,
    *,
    faults: int,
    seed: int,
    gap: float,
    backend: str = "tensorflow",
    database_url: str | None = None,
    without: Sequence[str] = (),
    clients: int = 6,
) -> Findings:
    """Disturb a service `faults` times under load, and say what came of it.

    Args:
        folder: the data folder; the logs lie beside it.
        gap: seconds from one fault to the next, on average.
        without: "fence", "guards", or both.
    """
    draws = random.Random(seed)
    url = database_url or f"sqlite:///{folder / 'fitpoint.sqlite'}"
    environment = {"FITPOINT_DATABASE_URL": url, "FITPOINT_SLOTS": "1", "KERAS_BACKEND": backend}
    program = "tests.acceptance.unfenced" if "fence" in without else "service"
    with (
        _serving(folder, environment) as api,
        closing(Database.open(url, busy_seconds=0.3)) as database,
        _working(folder, program, environment) as workers,
    ):
        expected = undisturbed(api.server, database)
        if "guards" in without:
            without_guards(database)
        disturbing = Faults(draws, api, workers, database)
        with loaded(api.server.address, clients, draws) as working:
            began = time.monotonic()
            for number in range(1, faults + 1):
                disturbing.pause(draws.uniform(0, 2 * gap))
                # Early ones, so that the sleeper wakes up before the end.
                if number % 60 == 10:
                    disturbing.outlast_a_lease()
                else:
                    disturbing.one()
            disturbing.end()
            lasted = time.monotonic() - began
        findings = Findings(faults=dict(disturbing.counts), seconds=round(lasted))
        findings.gave_up = sum(worker.gave_up for worker in workers)
        for client in working:
            findings.sent += client.patient.counts["sent"]
            findings.replayed += client.patient.counts["replayed"]
        # Whoever still holds a job hands it back, and nobody writes any more.
        for worker in workers:
            worker.stop()
        given = [each for client in working for each in client.given]
        compare(api.server, database, given, expected, findings)
        findings.heard(worker.log.read_text() for worker in workers)
    findings.examine(folder, url)
    return findings


@contextmanager
def _serving(folder: Path, environment: dict[str, str]) -> Iterator[Api]:
    api = Api(RunningService(folder, "--no-worker", **environment))
    try:
        yield api
    finally:
        until(api.is_up, 60)
        signalled(api.server.process.pid, signal.SIGCONT)
        api.server.stop()


@contextmanager
def _working(
    folder: Path, program: str, environment: dict[str, str]
) -> Iterator[list[RunningWorker]]:
    workers = [RunningWorker(folder, n, program, **environment) for n in (1, 2)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--gap", type=float, default=0.7, help="seconds between faults, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--without", choices=["fence", "guards"], action="append", default=[])
    asked = parser.parse_args()
    chosen = {
        name: getattr(asked, name) for name in ("faults", "gap", "seed", "backend", "without")
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        if asked.database == "sqlite":
            findings = experiment(folder, **chosen)
        else:
            with closing(PrivateCluster(durable=True)) as cluster:
                url = cluster.url(cluster.create())
                findings = experiment(folder, **chosen, database_url=url)
    print(json.dumps({**chosen, "database": asked.database, **findings.told()}))
    return 0 if findings.is_sound() else 1


if __name__ == "__main__":
    sys.exit(main())
