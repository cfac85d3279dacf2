"""The stored tables that a job's spec means by its names, as what trains takes them."""

from __future__ import annotations

from service.engine.tables.storage import canonical_path
from service.engine.task import Source
from service.settings import Settings
from service.store import dataset_origins, jobs
from service.store.database import Database


class Sources:
    """A job's tables by the names in its spec."""

    def __init__(self, database: Database, settings: Settings, job_id: str) -> None:
        self._database = database
        self._folder = settings.datasets_dir
        with database.read() as session:
            self._datasets = jobs.datasets_of(session, job_id)

    def __getitem__(self, name: str) -> Source:
        """Return the table that the spec calls `name`."""
        dataset = self._datasets[name]
        return Source(path=canonical_path(self._folder, dataset.sha256), dataset=dataset)

    def get(self, name: str | None) -> Source | None:
        """Return the table that the spec calls `name`, None without a name."""
        return None if name is None else self[name]

    def na(self, name: str) -> tuple[str, ...]:
        """Return the words that the reader of a table took for missing."""
        with self._database.read() as session:
            return dataset_origins.of(session, self._datasets[name].id).na
