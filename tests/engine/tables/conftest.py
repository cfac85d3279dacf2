"""What the tests of tables share: text in, table out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.domain.datasets import Ingested, ReadLimits, ReadOptions
from service.engine.tables.csv_source import BLOCK_BYTES
from service.engine.tables.ingest import ingest
from service.engine.tables.storage import canonical_path
from service.engine.tables.table import Table


class Reading:
    """Uploads bytes into a folder of datasets and opens what became of them."""

    def __init__(self, folder: Path) -> None:
        self.datasets = folder / "datasets"
        self._upload = folder / "upload"

    def ingest(self, data: bytes | str, *, block: int | None = None, **options: Any) -> Ingested:
        """Store an upload; `block` is the bytes parsed at a time, the rest are read options."""
        limits = options.pop("limits", ReadLimits())
        self._upload.write_bytes(data.encode() if isinstance(data, str) else data)
        return ingest(
            self._upload,
            self.datasets,
            ReadOptions.model_validate(options),
            limits=limits,
            block_bytes=block or BLOCK_BYTES,
        )

    def table(self, data: bytes | str, *, block: int | None = None, **options: Any) -> Table:
        """Store an upload and open it."""
        return self.open(self.ingest(data, block=block, **options))

    def open(self, ingested: Ingested) -> Table:
        """Open a stored table."""
        return Table.open(canonical_path(self.datasets, ingested.sha256))

    def files(self) -> list[Path]:
        """All files in the folder of datasets, half ones included."""
        return sorted(path for path in self.datasets.rglob("*") if path.is_file())


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path)


@pytest.fixture
def columns_of(reading: Reading) -> Callable[..., dict[str, Any]]:
    """Read an upload and return each column's type and values."""

    def read(data: bytes | str, **options: Any) -> dict[str, Any]:
        table = reading.table(data, **options)
        rows = table.records(1, table.n_rows)
        return {name: (kind, [row[name] for row in rows]) for name, kind in table.types.items()}

    return read
