"""The tables of what happened in a job: its epochs, its events, its log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table


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
