"""The table of where datasets come from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table


class DatasetOriginRow(Table):
    """How a dataset was read, or of which dataset it is a part; it goes with the dataset."""

    __tablename__ = "dataset_origins"

    dataset_id: Mapped[str] = mapped_column(
        ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True
    )
    origin: Mapped[dict[str, Any]]
