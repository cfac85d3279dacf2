"""A job: what a client polls. Five states, and which may follow which."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from service.domain.evaluations import Evaluation
from service.domain.schema import Value


class JobState(StrEnum):
    """The state of a job; a cancel asked for is `cancel_requested_at`, not a state."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; an ended job never changes, but `retry` queues it again."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Progress(Value):
    """How far a job is; `epochs` is the most it can run, early stopping may end it sooner."""

    epoch: int = 0
    epochs: int
    trials_done: int = 0
    trials: int = 1
    eta_seconds: float | None = None


class Job(Value):
    """One accepted request to train. `spec` is the resolved one: nothing is left to chance."""

    id: str
    kind: str
    name: str | None
    state: JobState
    spec: dict[str, Any]
    spec_sha256: str
    attempt: int
    priority: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    progress: Progress
    error: dict[str, Any] | None
    model_id: str | None
    evaluations: tuple[Evaluation, ...]
    device: str | None
    versions: dict[str, str] | None
    tags: dict[str, str]


class Claim(Value):
    """A job taken by a worker, with the fencing token that every later write must carry."""

    job: Job
    token: int


class Environment(Value):
    """Where a job was trained: the device in words and the version of what decides the bits."""

    device: str
    versions: dict[str, str]
