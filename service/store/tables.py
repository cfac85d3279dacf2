"""The tables. What must hold of a row is a constraint here, whatever the code above forgets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table as Table
from service.store.triggers import create_triggers

_TERMINAL = "('succeeded','failed','cancelled')"


class DatasetRow(Table):
    """A registered table; its rows lie in the storage, addressed by `sha256`."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    n_rows: Mapped[int]
    n_columns: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    bytes: Mapped[int]
    created_at: Mapped[datetime]
    # Last, because a list reads the columns before it and this one can be large.
    columns: Mapped[list[Any]]


class JobRow(Table):
    """One accepted request to train, and who may write about it: the holder of `lease_token`."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("kind IN ('fit','tune')", name="kind"),
        CheckConstraint(
            "state IN ('queued','running','succeeded','failed','cancelled')", name="state"
        ),
        CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL)"
            " AND (lease_owner IS NULL) = (lease_until IS NULL)"
            " AND (lease_owner IS NULL) = (lease_clock IS NULL)",
            name="running_is_leased",
        ),
        CheckConstraint(
            f"(state IN {_TERMINAL}) = (finished_at IS NOT NULL)", name="ended_has_time"
        ),
        CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="failed_has_code"),
        CheckConstraint("(error_code IS NULL) = (error IS NULL)", name="code_has_error"),
        CheckConstraint(
            "model_sha256 IS NULL OR state = 'succeeded'", name="model_only_of_success"
        ),
        CheckConstraint(
            "kind <> 'fit' OR state <> 'succeeded' OR model_sha256 IS NOT NULL",
            name="fit_leaves_model",
        ),
        # A cancel that was accepted never becomes anything but cancelled.
        CheckConstraint(
            "cancel_requested_at IS NULL OR state IN ('running','cancelled')",
            name="cancel_is_kept",
        ),
        CheckConstraint(
            "state <> 'cancelled' OR cancel_requested_at IS NOT NULL", name="cancelled_was_asked"
        ),
        CheckConstraint("(run_after IS NULL) = (run_after_clock IS NULL)", name="run_after_clock"),
        CheckConstraint(
            "attempt >= 0 AND lease_token >= attempt AND stalls >= 0 AND errors >= 0"
            " AND losses >= 0",
            name="counters",
        ),
        Index(
            "ix_jobs_queued",
            text("priority DESC"),
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_jobs_running",
            "lease_until",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        # Partial too, because without it SQLite would take one on (state, id) for the claim, and
        # sort all that is queued.
        Index(
            "ix_jobs_ended",
            "state",
            "id",
            sqlite_where=text("finished_at IS NOT NULL"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index(None, "name", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    state: Mapped[str]
    spec_sha256: Mapped[str] = mapped_column(index=True)
    priority: Mapped[int]
    tags: Mapped[dict[str, str]]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]

    attempt: Mapped[int]
    stalls: Mapped[int]
    errors: Mapped[int]
    losses: Mapped[int]
    run_after: Mapped[float | None]
    run_after_clock: Mapped[str | None]
    lease_token: Mapped[int]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[float | None]
    lease_clock: Mapped[str | None]

    epoch: Mapped[int]
    epochs: Mapped[int]
    trials_done: Mapped[int]
    trials: Mapped[int]
    eta_seconds: Mapped[float | None]

    model_sha256: Mapped[str | None]
    device: Mapped[str | None]
    versions: Mapped[dict[str, str] | None]
    error_code: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    # Events before this one tell of a run that `retry` has made history.
    first_event: Mapped[int]
    spec: Mapped[dict[str, Any]]


class JobDatasetRow(Table):
    """Which dataset a job's spec means by a name; the dataset may be gone once the job ended."""

    __tablename__ = "job_datasets"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    spec_name: Mapped[str] = mapped_column(primary_key=True)
    dataset_id: Mapped[str | None] = mapped_column(
        ForeignKey("datasets.id", ondelete="SET NULL"), index=True
    )
    sha256: Mapped[str]


class EpochRow(Table):
    """One epoch of one fit, as the first attempt that reached it recorded it."""

    __tablename__ = "epochs"
    __table_args__ = (
        CheckConstraint("trial >= 1 AND fold >= 1 AND epoch >= 1", name="counted_from_one"),
        {"sqlite_with_rowid": False},
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fold: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int]
    seconds: Mapped[float]
    samples_per_second: Mapped[float]
    metrics: Mapped[dict[str, Any]]


class EventRow(Table):
    """What happened to a job, in the order of `n`; written with the change that it tells of."""

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint(
            "what IN ('state','epoch','trial','done','nondeterminism_detected')", name="what"
        ),
        Index(None, "job_id", "n"),
        # A run ends once. `retry` takes a new token, and so may a new run end.
        Index(
            "uq_events_done",
            "job_id",
            "token",
            unique=True,
            sqlite_where=text("what = 'done'"),
            postgresql_where=text("what = 'done'"),
        ),
        {"sqlite_autoincrement": True},
    )

    n: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    token: Mapped[int]
    what: Mapped[str]
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]]


class JobLogRow(Table):
    """A line that a job printed."""

    __tablename__ = "job_logs"
    __table_args__ = (Index(None, "job_id", "n"), {"sqlite_autoincrement": True})

    n: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    at: Mapped[datetime]
    line: Mapped[str]


class ModelRow(Table):
    """One version of a named model. Its spec and tags are its job's."""

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("job_id"),
        UniqueConstraint("name", "version"),
        CheckConstraint("version >= 1", name="version"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    name: Mapped[str]
    version: Mapped[int]
    mode: Mapped[str]
    n_parameters: Mapped[int]
    weights_sha256: Mapped[str]
    artifact_sha256: Mapped[str] = mapped_column(index=True)
    artifact_path: Mapped[str]
    dataset_sha256: Mapped[str]
    stopped_epoch: Mapped[int | None]
    created_at: Mapped[datetime]
    outcome: Mapped[list[Any]]
    predictors: Mapped[list[Any]]
    levels: Mapped[list[Any] | None]


class ModelNameRow(Table):
    """A name of the registry: of models, or an alias when it points at one. One namespace.

    `last_version` outlives the versions, so that `name@2` never comes to mean another model.
    """

    __tablename__ = "model_names"
    __table_args__ = (
        CheckConstraint("(alias_of IS NULL) = (aliased_at IS NULL)", name="alias_has_time"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    last_version: Mapped[int]
    alias_of: Mapped[str | None] = mapped_column(
        ForeignKey("models.id", ondelete="RESTRICT"), index=True
    )
    aliased_at: Mapped[datetime | None]


class EvaluationRow(Table):
    """A model's scores on a dataset; `requested` ones were asked for by the job's spec.

    They hang on the job, because what a job reported stays when its model is deleted.
    """

    __tablename__ = "evaluations"
    __table_args__ = (UniqueConstraint("job_id", "position"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    position: Mapped[int]
    requested: Mapped[bool]
    created_at: Mapped[datetime]
    evaluation: Mapped[dict[str, Any]]


class WorkerRow(Table):
    """A process that claims jobs, and when it was last heard of."""

    __tablename__ = "workers"
    __table_args__ = (CheckConstraint("state IN ('idle','busy','draining')", name="state"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]
    state: Mapped[str]
    job_id: Mapped[str | None]
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    beat: Mapped[float]
    beat_clock: Mapped[str]


event.listen(Table.metadata, "after_create", create_triggers)
