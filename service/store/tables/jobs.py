"""The tables of jobs and of the datasets that each one means."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table

_TERMINAL = "('succeeded','failed','cancelled')"


class JobRow(Table):
    """One accepted request to train, and who may write about it: the holder of `lease_token`."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("kind IN ('fit','tune','replay')", name="kind"),
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
        CheckConstraint("(kind = 'replay') = (replay IS NOT NULL)", name="replay_is_told"),
        CheckConstraint("kind = 'replay' OR replay_of IS NULL", name="only_replay_is_of"),
        CheckConstraint("kind <> 'replay' OR model_sha256 IS NULL", name="replay_leaves_no_model"),
        # It trains again from the start, or it would show nothing.
        CheckConstraint("kind <> 'replay' OR ckpt_epoch IS NULL", name="replay_from_the_start"),
        CheckConstraint(
            "(ckpt_epoch IS NULL) = (ckpt_fingerprint IS NULL)"
            " AND (ckpt_epoch IS NULL OR ckpt_epoch >= 1)",
            name="checkpoint_is_whole",
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
    bit_exact: Mapped[bool | None]
    ckpt_epoch: Mapped[int | None]
    ckpt_fingerprint: Mapped[str | None]
    # The report in `replay` outlives the job that it is about.
    replay_of: Mapped[str | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    replay: Mapped[dict[str, Any] | None]
    error_code: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    # Events before this one tell of a run that `retry` has made history.
    first_event: Mapped[int]
    # Last, because a list reads the columns before them and these can be large.
    plan: Mapped[dict[str, Any] | None]
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
