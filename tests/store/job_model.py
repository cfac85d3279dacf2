"""The state machine of jobs in plain Python: what the store must do, written a second time.

No SQL, no rows, no library: a list of jobs and the rules of the state machine, as short as they go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.domain.errors import CancelRequested, Conflict, FitpointError, LeaseLost
from tests.store.manual_clock import ManualClock

LEASE = 30.0
STALL_WAITS = {1: 10.0, 2: 20.0, 3: 40.0}
ERROR_WAITS = {1: 5.0, 2: 30.0, 3: 120.0}
MAX_LOSSES = 50
PARKED = 30.0
UNFINISHED = ("queued", "running")


@dataclass(kw_only=True)
class ModelJob:
    """One job; a moment is a pair of seconds and the boot on whose clock they count."""

    id: str
    priority: int
    name: str | None
    state: str = "queued"
    token: int = 0
    attempt: int = 0
    stalls: int = 0
    errors: int = 0
    losses: int = 0
    owner: str | None = None
    until: tuple[float, str] | None = None
    # The wait may be spread by this part of itself.
    after: tuple[float, str] | None = None
    spread: float = 0.0
    cancel: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    epoch: int = 0
    checkpoint: int | None = None
    error: str | None = None
    version: int | None = None
    epochs: list[float] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)
    events: list[tuple[int, str, Any]] = field(default_factory=list)
    first: int = 0


class JobModel:
    """All jobs, in the order in which they were submitted."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.jobs: list[ModelJob] = []
        self.versions: dict[str, int] = {}

    def submit(self, job_id: str, priority: int, name: str | None) -> None:
        job = ModelJob(id=job_id, priority=priority, name=name)
        self.jobs.append(job)
        self._tell(job, "queued")

    def claim(self, worker: str) -> tuple[str, int, int | None] | None:
        due = [job for job in self.jobs if job.state == "queued" and self._is_due(job)]
        if not due:
            return None
        job = max(due, key=lambda one: one.priority)
        job.state, job.owner, job.until = "running", worker, self._in(LEASE)
        job.token, job.attempt = job.token + 1, job.attempt + 1
        job.started = job.started or self.clock.wall
        job.after, job.epoch = None, job.checkpoint or 0
        self._tell(job, "running")
        return job.id, job.token, job.checkpoint

    def beat(self, job: ModelJob, token: int) -> bool:
        self._fence(job, token)
        job.until = self._in(LEASE)
        return job.cancel is not None

    def record(self, job: ModelJob, token: int, first: int, losses: list[float]) -> bool:
        self._fence(job, token)
        if first > len(job.epochs) + 1:
            raise Conflict("gap")
        again = []
        for epoch, loss in enumerate(losses, start=first):
            if epoch > len(job.epochs):
                job.epochs.append(loss)
                job.events.append((job.token, "epoch", epoch))
            elif job.epochs[epoch - 1] != loss:
                again.append((job.token, "nondeterminism_detected", epoch))
        job.events += again
        job.epoch = first + len(losses) - 1
        return self.beat(job, token)

    def checkpointed(self, job: ModelJob, token: int, epoch: int) -> bool:
        self._fence(job, token)
        if job.checkpoint is None or epoch > job.checkpoint:
            job.stalls = 0
        job.checkpoint = epoch
        return self.beat(job, token)

    def log(self, job: ModelJob, token: int, line: str) -> None:
        self._fence(job, token)
        job.lines.append((job.attempt, line))

    def succeed(self, job: ModelJob, token: int) -> int:
        self._fence(job, token)
        if job.cancel is not None:
            raise CancelRequested("asked")
        name = job.name or job.id
        job.version = self.versions[name] = self.versions.get(name, 0) + 1
        self._leave(job, "succeeded")
        return job.version

    def fail(self, job: ModelJob, token: int, error: FitpointError) -> str:
        self._fence(job, token)
        return self._leave(job, "failed", error.code)

    def acknowledge_cancel(self, job: ModelJob, token: int) -> str:
        self._fence(job, token)
        if job.cancel is None:
            raise Conflict("nobody asked")
        return self._leave(job, "cancelled")

    def release(self, job: ModelJob, token: int) -> str:
        self._fence(job, token)
        return self._leave(job, "queued")

    def park(self, job: ModelJob, token: int, error: FitpointError) -> str:
        self.log(job, token, f"Waits: {error.detail}")
        return self._leave(job, "queued", wait=PARKED)

    def child_died(self, job: ModelJob, token: int, error: FitpointError) -> str:
        self.log(job, token, f"Stalled: {error.detail}")
        job.stalls += 1
        if job.stalls not in STALL_WAITS:
            return self._leave(job, "failed", "poison")
        return self._leave(job, "queued", wait=STALL_WAITS[job.stalls])

    def retry_later(self, job: ModelJob, token: int, error: FitpointError) -> str:
        self.log(job, token, f"Failed: {error.detail}")
        job.errors += 1
        if job.errors not in ERROR_WAITS:
            return self._leave(job, "failed", error.code)
        return self._leave(job, "queued", wait=ERROR_WAITS[job.errors], spread=0.2)

    def rescue(self) -> int:
        now, boot = self._in(0)
        return self._lose(
            job
            for job in self.jobs
            if job.until is not None and (job.until[1] != boot or job.until[0] < now)
        )

    def worker_died(self, worker: str) -> int:
        return self._lose(job for job in self.jobs if job.owner == worker)

    def cancel(self, job: ModelJob) -> str:
        if job.state in ("succeeded", "failed"):
            raise Conflict("ended")
        job.cancel = job.cancel or self.clock.wall
        if job.state == "queued":
            self._end(job, "cancelled")
        return job.state

    def retry(self, job: ModelJob) -> str:
        if job.state not in ("failed", "cancelled"):
            raise Conflict("not failed")
        kept = {
            name: getattr(job, name)
            for name in ("id", "priority", "name", "attempt", "lines", "events")
        }
        fresh = ModelJob(**kept, token=job.token + 1, first=len(job.events))
        self.jobs[self.jobs.index(job)] = fresh
        self._tell(fresh, "queued")
        return fresh.state

    def delete(self, job: ModelJob) -> None:
        if job.state in UNFINISHED:
            raise Conflict("unfinished")
        self.jobs.remove(job)

    def _is_due(self, job: ModelJob) -> bool:
        now, boot = self._in(0)
        return job.after is None or job.after[1] != boot or job.after[0] <= now

    def _in(self, seconds: float) -> tuple[float, str]:
        return self.clock.seconds + seconds, self.clock.boot

    def _fence(self, job: ModelJob, token: int) -> None:
        if job.state != "running" or job.token != token or job not in self.jobs:
            raise LeaseLost("stale")

    def _lose(self, jobs: Iterable[ModelJob]) -> int:
        lost = list(jobs)
        for job in lost:
            job.losses += 1
            if job.losses > MAX_LOSSES:
                self._leave(job, "failed", "poison")
            else:
                self._leave(job, "queued")
        return len(lost)

    def _leave(
        self,
        job: ModelJob,
        state: str,
        error: str | None = None,
        wait: float | None = None,
        spread: float = 0.0,
    ) -> str:
        if job.cancel is not None:
            state, error, wait = "cancelled", None, None
        job.owner = job.until = None
        if state == "queued":
            job.state = state
            job.after = None if wait is None else self._in(wait)
            job.spread = spread * (wait or 0)
            self._tell(job, state)
        else:
            self._end(job, state, error)
        return state

    def _end(self, job: ModelJob, state: str, error: str | None = None) -> None:
        job.state, job.error, job.finished, job.after = state, error, self.clock.wall, None
        self._tell(job, state)
        job.events.append((job.token, "done", state))

    def _tell(self, job: ModelJob, state: str) -> None:
        job.events.append((job.token, "state", state))
