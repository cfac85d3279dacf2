"""The tables of a tune's candidates: what a search proposed, what came of each fit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table


class TrialRow(Table):
    """A candidate of a tune on one resample, once it has ended; it is never trained again."""

    __tablename__ = "trials"
    __table_args__ = (
        CheckConstraint("trial >= 1 AND fold >= 1", name="counted_from_one"),
        {"sqlite_with_rowid": False},
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fold: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int]
    ended_at: Mapped[datetime]
    result: Mapped[dict[str, Any]]


class ProposalRow(Table):
    """A candidate that a search proposed, by its values; the grid itself tells the first ones."""

    __tablename__ = "proposals"
    __table_args__ = (
        CheckConstraint("trial >= 1", name="counted_from_one"),
        {"sqlite_with_rowid": False},
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int]
    proposed_at: Mapped[datetime]
    candidate: Mapped[dict[str, Any]]
