"""What a disturbed service is looked through for, against trainings that nobody disturbed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import select

from service.domain.errors import FitpointError, Interrupted
from service.engine import artifact
from service.storage.sweeper import leftovers, sweep
from service.store import epochs
from service.store.database import Database
from service.store.tables import EventRow, JobRow, ModelRow
from tests.acceptance.running import ROOT, RunningService, clean_environment, integrity

# From which state a job may come to which.
_STEPS = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
}


@dataclass
class Given:
    """A job that was acknowledged to a client, and what the client heard of it."""

    id: str
    name: str
    spec: int
    seen: str = "queued"
    cancelled: bool = False


@dataclass(frozen=True)
class Expected:
    """What a spec comes to when nobody disturbs it."""

    weights_sha256: str
    history: list[dict[str, float]]

    @classmethod
    def of(cls, server: RunningService, database: Database, job: Any) -> Expected:
        """Return what a job came to that has succeeded."""
        assert job["state"] == "succeeded", job["error"]
        model = server.call("GET", f"/v1/models/{job['model_id']}")
        return cls(model["weights_sha256"], _history(database, job["id"]))


@dataclass
class Findings:
    """Counts of what happened, and of what must not."""

    faults: dict[str, int]
    seconds: int
    sent: int = 0
    replayed: int = 0
    jobs: int = 0
    states: dict[str, int] = field(default_factory=dict)
    # Claims beyond a job's first: how often a fault, or a stop, cost a job its worker.
    claimed_again: int = 0
    # Attempts that noticed at a write that somebody else has their job.
    fenced_off: int = 0
    # Workers that ended without being killed.
    gave_up: int = 0
    leftovers: int = 0
    leftover_bytes: int = 0

    lost: int = 0
    unfinished: int = 0
    made_twice: int = 0
    # Writes that nothing held back but a trigger or a constraint of the database.
    refused_by_database: int = 0
    completed_twice: int = 0
    written_by_the_stale: int = 0
    impossible_steps: int = 0
    torn_histories: int = 0
    other_histories: int = 0
    other_weights: int = 0
    without_one_model: int = 0
    broken_artifacts: int = 0
    broken_cancels: int = 0
    failed_unfairly: list[str] = field(default_factory=list)
    told_otherwise: int = 0
    nondeterminism: int = 0
    leftovers_that_stay: int = 0
    audit: list[str] = field(default_factory=list)
    integrity: str = "ok"

    def breaches(self) -> dict[str, Any]:
        """Return what must not be there, where it is."""
        told = asdict(self)
        names = [*told]
        wrong = {name: told[name] for name in names[names.index("lost") : -1] if told[name]}
        if self.integrity != "ok":
            wrong["integrity"] = self.integrity
        return wrong

    def is_sound(self) -> bool:
        """Return whether nothing was found that must not be there."""
        return not self.breaches()

    def told(self) -> dict[str, Any]:
        """Return all of it, for a line of JSON."""
        return asdict(self)

    def heard(self, logs: Iterable[str]) -> None:
        """Count what workers said of writes that were not theirs."""
        for log in logs:
            self.fenced_off += log.count("The lease was lost")
            self.refused_by_database += log.count("sqlalchemy.exc.IntegrityError: (")

    def examine(self, folder: Path, url: str) -> None:
        """Look at the database and the storage of a service that has ended."""
        done = subprocess.run(
            [sys.executable, "-m", "service", "doctor", "--audit"],
            cwd=ROOT,
            env=clean_environment(FITPOINT_DATA_DIR=str(folder), FITPOINT_DATABASE_URL=url),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            self.audit = done.stdout.splitlines() or done.stderr.splitlines()
        if url.startswith("sqlite"):
            self.integrity = integrity(folder)
        with closing(Database.open(url)) as database:
            left = sweep(folder, database, age_seconds=0) or []
            self.leftovers = len(left)
            self.leftover_bytes = sum(each.bytes for each in left)
            self.leftovers_that_stay = len(leftovers(folder, database, age_seconds=0))


def compare(
    server: RunningService,
    database: Database,
    given: Sequence[Given],
    expected: Sequence[Expected],
    findings: Findings,
) -> None:
    """Hold every acknowledged job to what was promised, and every job to an acknowledgement."""
    jobs = {job["id"]: job for job in server.all("jobs")}
    models: dict[str, list[ModelRow]] = {}
    with database.read() as s:
        for row in s.scalars(select(ModelRow)):
            models.setdefault(row.job_id, []).append(row)
    names = {each.name for each in given}
    of_load = [job for job in jobs.values() if not job["name"].startswith("undisturbed")]
    findings.jobs = len(given)
    findings.states = dict(Counter(job["state"] for job in of_load))
    findings.claimed_again = sum(max(job["attempt"] - 1, 0) for job in of_load)
    # Every request was sent until it was answered, so nothing else can have been made.
    findings.made_twice = len(of_load) - len({job["name"] for job in of_load} & names)
    for each in given:
        job = jobs.get(each.id)
        if job is None:
            findings.lost += 1
            continue
        _end(each, job, database, findings)
        _events(each, database, findings)
        history = _history(database, each.id)
        want = expected[each.spec]
        whole = history == want.history
        # A job that ended early has the beginning of it.
        part = job["state"] != "succeeded" and history == want.history[: len(history)]
        findings.other_histories += not (whole or part)
        of_job = models.get(each.id, [])
        findings.without_one_model += len(of_job) != (job["state"] == "succeeded")
        for model in of_job:
            findings.other_weights += model.weights_sha256 != want.weights_sha256
            findings.broken_artifacts += not _is_whole(server.folder, model)


def _end(each: Given, job: Any, database: Database, findings: Findings) -> None:
    findings.unfinished += job["state"] in ("queued", "running")
    ended = each.seen in ("succeeded", "failed", "cancelled")
    findings.told_otherwise += ended and each.seen != job["state"]
    findings.broken_cancels += each.cancelled != (job["state"] == "cancelled")
    if job["state"] == "failed":
        query = select(JobRow.stalls, JobRow.error_code, JobRow.error).where(JobRow.id == each.id)
        with database.read() as s:
            row = s.execute(query).one()
        # Only who lost four processes in a row without a checkpoint between them is given up.
        if row.error_code != Interrupted.code or row.stalls <= 3:
            findings.failed_unfairly.append(str(row.error))


def _events(each: Given, database: Database, findings: Findings) -> None:
    events = events_of(database, each.id)
    told = Counter(event.what for event in events)
    findings.completed_twice += told["done"] > 1
    findings.unfinished += told["done"] == 0
    findings.nondeterminism += told["nondeterminism_detected"]
    findings.written_by_the_stale += len(by_the_stale(events))
    states = [event.data["state"] for event in events if event.what == "state"]
    findings.impossible_steps += states[0] != "queued"
    findings.impossible_steps += sum(step not in _STEPS for step in pairwise(states))
    trained = [event.data["epoch"] for event in events if event.what == "epoch"]
    findings.torn_histories += trained != [*range(1, len(trained) + 1)]
    findings.torn_histories += len(trained) != len(_history(database, each.id))


def by_the_stale(events: Sequence[EventRow]) -> list[EventRow]:
    """Return the events of a job that were told under a token after a later one was given."""
    highest = accumulate((event.token for event in events), max)
    return [event for event, given in zip(events, highest, strict=True) if event.token < given]


def events_of(database: Database, job_id: str) -> Sequence[EventRow]:
    """Return a job's events, oldest first."""
    query = select(EventRow).where(EventRow.job_id == job_id).order_by(EventRow.n)
    with database.read() as s:
        return s.scalars(query).all()


def _history(database: Database, job_id: str) -> list[dict[str, float]]:
    with database.read() as s:
        return [dict(record.values) for record in epochs.all_of(s, job_id)]


def _is_whole(folder: Path, model: ModelRow) -> bool:
    try:
        artifact.read(folder / model.artifact_path, model.artifact_sha256)
    except FitpointError:
        return False
    return True
