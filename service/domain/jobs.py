"""A job: what a client polls. Five states, what came of it, what it promises about its bits."""

from __future__ import annotations

import hashlib
import json
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


class Difference(Value):
    """A part of two environments that is not the same; None where one of them does not have it."""

    name: str
    then: str | None
    now: str | None


class Replay(Value):
    """What came of training job `of` again; `weights_sha256` and `same` are None until it ended.

    `differences` are the parts of the environment that were others than when the job was trained:
    none, and `same` false, means that the same environment gave other bits.
    """

    of: str
    expected_sha256: str
    weights_sha256: str | None = None
    same: bool | None = None
    differences: tuple[Difference, ...] = ()


class Job(Value):
    """One accepted request to train. `spec` is the resolved one: nothing is left to chance.

    `bit_exact` says whether the same bits come out alone, packed, interrupted and in the next
    process of the same environment; None as long as nothing was said yet. A list leaves `spec` and
    `plan` out. `replay` is there in a job of kind "replay", which leaves no model.
    """

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
    bit_exact: bool | None = None
    plan: dict[str, Any] | None = None
    replay: Replay | None = None
    tags: dict[str, str]


class Checkpoint(Value):
    """The last checkpoint that a job told of: after which epoch, in which environment."""

    epoch: int
    fingerprint: str


class Claim(Value):
    """A job taken by a worker, with the fencing token that every later write must carry.

    Without a `checkpoint` the job begins with its first epoch: a file that lies about is that of
    a run which `retry` has made history.
    """

    job: Job
    token: int
    checkpoint: Checkpoint | None = None


class Environment(Value):
    """Where a job was trained: the device in words and the version of what decides the bits."""

    device: str
    versions: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """One word for all of it: equal words promise equal bits."""
        parts = json.dumps({"device": self.device, **self.versions}, sort_keys=True)
        return hashlib.sha256(parts.encode("utf-8")).hexdigest()[:16]
