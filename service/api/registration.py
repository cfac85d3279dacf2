"""A canonical file becomes a dataset: its row, and where it comes from."""

from __future__ import annotations

from contextlib import suppress

from service.domain.datasets import Dataset, Ingested
from service.domain.errors import Conflict, NotFound
from service.domain.origins import Origin
from service.store import dataset_origins, datasets
from service.store.database import Database
from service.store.sessions import WriteSession


def registered(s: WriteSession, name: str, ingested: Ingested, origin: Origin) -> Dataset:
    """Register what lies in the storage already.

    Raises:
        Conflict: the name is taken.
    """
    dataset = datasets.register(
        s,
        name=name,
        n_rows=ingested.n_rows,
        n_columns=len(ingested.columns),
        sha256=ingested.sha256,
        bytes=ingested.bytes,
        columns=ingested.columns,
    )
    dataset_origins.record(s, dataset.id, origin)
    return dataset


def refuse_taken(database: Database, name: str) -> None:
    """Raise Conflict for a dataset name that is taken, before work is done in vain."""
    with suppress(NotFound), database.read() as s:
        datasets.get(s, name)
        raise Conflict(f"Expected a new dataset name. '{name}' is taken. Choose another.")
