"""The table of workers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table


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
