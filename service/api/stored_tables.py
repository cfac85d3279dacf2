"""A registered dataset's rows, where they lie in the storage."""

from __future__ import annotations

from pathlib import Path

from service.domain.datasets import Dataset
from service.domain.errors import Unavailable
from service.engine.tables.table import Table
from service.settings import Settings
from service.store import datasets
from service.store.database import Database


def table_path(settings: Settings, dataset: Dataset) -> Path:
    """Return where the dataset's canonical file lies."""
    return settings.datasets_dir / dataset.sha256[:2] / f"{dataset.sha256}.arrow"


def dataset_of(database: Database, ref: str) -> Dataset:
    """Return a dataset by its id or name."""
    with database.read() as s:
        return datasets.get(s, ref)


def open_table(settings: Settings, dataset: Dataset) -> Table:
    """Map the dataset's rows.

    Raises:
        Unavailable: the file is not where it was stored, or is damaged.
    """
    try:
        return Table.open(table_path(settings, dataset))
    # Arrow's own error for a file that is none is a ValueError.
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"The rows of dataset '{dataset.name}' cannot be read from the storage."
        ) from error
