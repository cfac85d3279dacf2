"""A stored table divided into two: each part is the file that uploading its rows would make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from service.domain.datasets import Ingested, ReadLimits, ReadOptions
from service.engine.tables.conversion import convert, stored
from service.engine.tables.partition import partition, strata_of
from service.engine.tables.table import Table
from service.engine.tables.writer import scratch_file


class StoredRows:
    """Some rows of a stored table, in their order, as a source of blocks."""

    def __init__(self, path: Path, taken: NDArray[np.bool_]) -> None:
        """Take the rows of the canonical file at `path` for which `taken` is True."""
        self._path, self._taken = path, taken
        with pa.OSFile(str(path)) as file:
            schema = pa.ipc.open_file(file).schema
        self.names = tuple(schema.names)
        self.native: tuple[Any, ...] = tuple(schema)

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        """Yield the rows, per block one array for each of the 0-based `columns`."""
        start = 0
        options = pa.ipc.IpcReadOptions(included_fields=list(columns))
        # Read and not mapped: what was mapped would count as this process's memory to the end.
        with pa.OSFile(str(self._path)) as file:
            reader = pa.ipc.open_file(file, options=options)
            for at in range(reader.num_record_batches):
                batch = reader.get_batch(at)
                rows = batch.filter(pa.array(self._taken[start : start + batch.num_rows]))
                start += batch.num_rows
                if rows.num_rows:
                    yield list(rows.columns)
                    if first_only:
                        return


def split(
    path: Path, target_dir: Path, prop: float, strata: str | None, seed: int, *, scratch: Path
) -> tuple[Ingested, Ingested]:
    """Divide the canonical file at `path` as `partition` says; rows keep their order.

    Args:
        path: the table.
        target_dir: the folder of datasets.
        prop: the share of rows for training, in (0, 1).
        strata: a column whose values each part holds in the same shares, or None.
        seed: what the draw is made from.
        scratch: where the files are made.

    Returns:
        The training rows and the testing rows. A factor keeps all its levels.

    Raises:
        InvalidSpec: no such column, or a part would have no rows.
        OSError: no such file.
    """
    table = Table.open(path)
    groups = None if strata is None else strata_of(table, strata)
    taken = partition(table.n_rows, prop, seed, groups)
    limits = ReadLimits(max_rows=table.n_rows)
    made = []
    for rows in (taken, ~taken):
        with scratch_file(target_dir, scratch) as file:
            convert(StoredRows(path, rows), ReadOptions(), limits, file)
            made.append(stored(file, target_dir))
    return made[0], made[1]
