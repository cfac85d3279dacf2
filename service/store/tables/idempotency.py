"""The table of idempotency keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table


class IdempotencyKeyRow(Table):
    """The answer to a request that carried a key; without one only inside its own transaction."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (CheckConstraint("(status IS NULL) = (body IS NULL)", name="answer_is_whole"),)

    # Who asked for what, so that two clients may choose the same key.
    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    location: Mapped[str | None]
    # Last, because it can be large.
    body: Mapped[str | None]
