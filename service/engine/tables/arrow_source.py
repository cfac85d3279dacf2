"""Parquet and Arrow IPC uploads as blocks of validated Arrow arrays, one a column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from service.domain.datasets import ReadLimits
from service.engine.tables.header import check_names
from service.engine.tables.refusals import bad_file, too_large

MAX_ROW_GROUPS = 10_000
BLOCK_CELLS = 4_000_000

# What Arrow raises for a file that is not what its first bytes promise.
_BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError)


class ParquetSource:
    """A Parquet file: its footer is judged before any row is read."""

    def __init__(self, path: Path, limits: ReadLimits) -> None:
        """Read the footer.

        Raises:
            TooLarge: more rows than the limits allow.
            UnreadableFile: no Parquet, or columns that `check_names` refuses.
        """
        self._path, self._limits = path, limits
        with _whole("Parquet"), pa_parquet.ParquetFile(path) as file:
            footer, schema = file.metadata, file.schema_arrow
            self._judge(footer.num_rows, footer.num_row_groups)
        check_names(schema.names, limits.max_columns, line=None)
        self.names: tuple[str, ...] = tuple(schema.names)
        self.native: tuple[Any, ...] = tuple(schema)

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        """Yield the rows in order, per block one array for each of the 0-based `columns`.

        Raises:
            UnreadableFile: damaged data.
            TooLarge: more rows or bytes than the limits allow.
        """
        names = [self.names[column] for column in columns]
        size = max(1024, min(65_536, BLOCK_CELLS // max(len(self.names), 1)))
        tally = _Tally(self._limits)
        with _whole("Parquet"), pa_parquet.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=size, columns=names):
                # Parquet's "x" also brings "x.y" along.
                yield tally.checked(batch.select(names))
                if first_only:
                    return

    def _judge(self, n_rows: int, n_groups: int) -> None:
        if n_rows > self._limits.max_rows:
            raise too_large(f"at most {self._limits.max_rows} rows", f"{n_rows}")
        if n_groups > MAX_ROW_GROUPS:
            raise bad_file(f"at most {MAX_ROW_GROUPS} row groups", f"{n_groups}")


class IpcSource:
    """An Arrow IPC file or stream."""

    def __init__(self, path: Path, limits: ReadLimits, *, stream: bool) -> None:
        """Read the schema.

        Raises:
            UnreadableFile: no Arrow IPC, or columns that `check_names` refuses.
        """
        self._path, self._limits, self._stream = path, limits, stream
        with _whole("Arrow IPC"), self._opened() as (reader, _):
            schema = reader.schema
        check_names(schema.names, limits.max_columns, line=None)
        self.names: tuple[str, ...] = tuple(schema.names)
        self.native: tuple[Any, ...] = tuple(schema)

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        """Yield the rows in order, per block one array for each of the 0-based `columns`.

        Raises:
            UnreadableFile: damaged data.
            TooLarge: more rows or bytes than the limits allow.
        """
        tally = _Tally(self._limits)
        with _whole("Arrow IPC"), self._opened(list(columns)) as (_, batches):
            for batch in batches:
                yield tally.checked(batch)
                if first_only:
                    return

    def _opened(self, columns: list[int] | None = None) -> _Opened:
        return _Opened(self._path, columns, stream=self._stream)


class _Opened:
    """A reader and its batches, and the file closed behind them."""

    def __init__(self, path: Path, columns: list[int] | None, *, stream: bool) -> None:
        self._file = pa.OSFile(str(path), "rb")
        self._options = pa.ipc.IpcReadOptions(included_fields=columns)
        self._stream = stream

    def __enter__(self) -> tuple[Any, Iterator[Any]]:
        if self._stream:
            reader = pa.ipc.open_stream(self._file, options=self._options)
            return reader, iter(reader)
        reader = pa.ipc.open_file(self._file, options=self._options)
        return reader, (reader.get_batch(at) for at in range(reader.num_record_batches))

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Tally:
    """Rows and bytes so far, and the check without which Arrow trusts a file's word."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._rows = 0
        self._bytes = 0

    def checked(self, batch: Any) -> list[Any]:
        self._rows += batch.num_rows
        if self._rows > self._limits.max_rows:
            raise too_large(f"at most {self._limits.max_rows} rows", "more")
        batch.validate(full=True)
        self._bytes += batch.nbytes
        if self._bytes > self._limits.max_bytes:
            raise too_large(f"at most {self._limits.max_bytes} bytes of table", "more")
        return list(batch.columns)


@contextlib.contextmanager
def _whole(kind: str) -> Iterator[None]:
    """Refuse the file for what Arrow raises inside the block."""
    try:
        yield
    except MemoryError:
        raise
    except _BROKEN as error:
        said = " ".join(str(error).split())[:200]
        raise bad_file(f"a whole {kind} file", f"one that does not read ({said})") from error
