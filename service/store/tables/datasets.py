"""The table of registered tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table


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
