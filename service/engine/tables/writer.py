"""Writes a canonical file: equal tables become equal bytes, and no half file is ever published."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from service.engine.tables.column import settled
from service.engine.tables.storage import (
    ColumnPlan,
    arrow_schema,
    batch_rows,
    canonical_path,
)


class CanonicalWriter:
    """Gathers blocks of any size into record batches of the size that the plans say.

    Blocks are arrays in the plans' storage, int32 codes for factors.
    """

    def __init__(self, path: Path, plans: Sequence[ColumnPlan]) -> None:
        self._plans = plans
        self._size = batch_rows(plans)
        self._schema = arrow_schema(plans)
        self._levels = [
            pa.array(plan.levels, pa.string()) if plan.storage == "codes" else None
            for plan in plans
        ]
        self._waiting: list[list[Any]] = []
        self._n_waiting = 0
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._file, self._schema)
        self.n_rows = 0

    def __enter__(self) -> CanonicalWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._writer.close()
        finally:
            self._file.close()

    def add(self, block: list[Any]) -> None:
        """Append rows: one array a column."""
        start, n_rows = 0, len(block[0])
        while start < n_rows:
            taken = min(self._size - self._n_waiting, n_rows - start)
            self._waiting.append([array.slice(start, taken) for array in block])
            self._n_waiting += taken
            start += taken
            if self._n_waiting == self._size:
                self._flush()

    def _flush(self) -> None:
        if not self._n_waiting:
            return
        columns = [
            self._finished(at, pa.concat_arrays([block[at] for block in self._waiting]))
            for at in range(len(self._plans))
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        self.n_rows += self._n_waiting
        self._waiting, self._n_waiting = [], 0

    def _finished(self, at: int, array: Any) -> Any:
        levels = self._levels[at]
        array = settled(array)
        if levels is None:
            return array
        ordered = self._plans[at].type == "ordered"
        return pa.DictionaryArray.from_arrays(array, levels, ordered=ordered)


@contextlib.contextmanager
def scratch_file(datasets: Path, scratch: Path | None = None) -> Iterator[Path]:
    """Give a path for a file in the making, in `datasets`/tmp or `scratch`, gone afterwards."""
    folder = scratch or datasets / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.arrow"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def publish(path: Path, datasets: Path) -> tuple[str, int]:
    """Move a finished file to the place that its content names; return the sha256 and the bytes.

    Durable when it returns: the bytes are on disk before the name is, and the name before the
    return. A file of the same content that is there already is replaced by its equal.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    target = canonical_path(datasets, sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    _sync_folder(target.parent)
    _sync_folder(datasets)
    return sha256, size


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
