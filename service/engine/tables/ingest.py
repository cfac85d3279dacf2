"""From an upload to a canonical file. Runs in a child process: it parses what clients send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from service.domain.datasets import BuiltinRequest, Ingested, ReadLimits, ReadOptions
from service.engine.tables.arrow_columns import reader_of_arrow
from service.engine.tables.arrow_source import IpcSource, ParquetSource
from service.engine.tables.builtin import builtin_table
from service.engine.tables.cell_columns import reader_of_cells
from service.engine.tables.column import ColumnReader, Misfit
from service.engine.tables.csv_source import BLOCK_BYTES, CsvSource
from service.engine.tables.header import check_options
from service.engine.tables.profile import profile
from service.engine.tables.refusals import bad_file, too_large
from service.engine.tables.sniff import sniff
from service.engine.tables.storage import ColumnPlan, relative_path
from service.engine.tables.table import Table
from service.engine.tables.writer import CanonicalWriter, publish, scratch_file

DEFAULT_LIMITS = ReadLimits()


class Source(Protocol):
    """An upload that can be read again and again; `native` are Arrow's types, None for text."""

    names: tuple[str, ...]
    native: tuple[Any, ...]

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        """Yield the rows in order, per block one array for each of the 0-based `columns`."""
        ...


def ingest(
    source: Path,
    target_dir: Path,
    options: ReadOptions,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
    scratch: Path | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Ingested:
    """Read an upload by readr's rules and store it as a canonical file.

    The same rows and types give the same bytes, however the upload was written or read.

    Args:
        source: CSV, gzipped CSV, Parquet or Arrow IPC, whatever it is called.
        target_dir: the folder of datasets.
        options: how to read it.
        limits: what it may cost.
        scratch: where the file is made; default `target_dir`/tmp.
        block_bytes: text parsed at a time.

    Raises:
        UnreadableFile: it is no table; says where, what was expected and what was received.
        TooLarge: it is over one of the limits.
        InvalidSpec: the options contradict themselves or the file's columns.
    """
    upload = _opened(source, options, limits, block_bytes)
    check_options(options.columns, upload.names)
    with scratch_file(target_dir, scratch) as path:
        _convert(upload, options, limits, path)
        return _stored(path, target_dir)


def ingest_builtin(
    request: BuiltinRequest, target_dir: Path, *, scratch: Path | None = None
) -> Ingested:
    """Store a dataset that a library ships.

    Raises:
        InvalidSpec: the set has no such part.
        Unavailable: the set has to be downloaded and cannot be.
    """
    plans, columns = builtin_table(request)
    with scratch_file(target_dir, scratch) as path:
        with CanonicalWriter(path, plans) as writer:
            writer.add(columns)
        return _stored(path, target_dir)


def _opened(source: Path, options: ReadOptions, limits: ReadLimits, block_bytes: int) -> Source:
    kind = sniff(source)
    if kind == "csv":
        return CsvSource(source, options, limits, block_bytes)
    if kind == "parquet":
        return ParquetSource(source, limits)
    return IpcSource(source, limits, stream=kind == "arrow-stream")


def _convert(upload: Source, options: ReadOptions, limits: ReadLimits, path: Path) -> None:
    """Write the file by plans guessed from the first rows; if they mislead, look at all first."""
    try:
        n_rows = _write(upload, options, limits, _plans(upload, options, limits, guess=True), path)
    except Misfit:
        n_rows = _write(upload, options, limits, _plans(upload, options, limits, guess=False), path)
    if not n_rows:
        raise bad_file("rows after the header", "none")


def _plans(
    upload: Source, options: ReadOptions, limits: ReadLimits, *, guess: bool
) -> list[ColumnPlan]:
    columns = range(len(upload.names))
    readers = _readers(upload, options)
    if guess:
        _observe(upload, limits, readers, columns, first_only=True)
        unsure = [column for column in columns if readers[column].needs_all]
        if unsure:
            fresh = _readers(upload, options)
            readers = [fresh[at] if at in unsure else readers[at] for at in columns]
            _observe(upload, limits, readers, unsure, first_only=False)
    else:
        _observe(upload, limits, readers, columns, first_only=False)
    return [reader.plan(not guess) for reader in readers]


def _observe(
    upload: Source,
    limits: ReadLimits,
    readers: Sequence[ColumnReader],
    columns: Sequence[int],
    *,
    first_only: bool,
) -> None:
    for row, block in _counted(upload.blocks(columns, first_only=first_only), limits):
        for column, values in zip(columns, block, strict=True):
            readers[column].observe(values, row)


def _write(
    upload: Source,
    options: ReadOptions,
    limits: ReadLimits,
    plans: Sequence[ColumnPlan],
    path: Path,
) -> int:
    readers = _readers(upload, options)
    with CanonicalWriter(path, plans) as writer:
        for row, block in _counted(upload.blocks(range(len(plans))), limits):
            writer.add(
                [
                    reader.convert(values, row, plan)
                    for reader, values, plan in zip(readers, block, plans, strict=True)
                ]
            )
    return writer.n_rows


def _counted(blocks: Iterator[list[Any]], limits: ReadLimits) -> Iterator[tuple[int, list[Any]]]:
    """Yield each block with the 1-based row of its first values."""
    row = 1
    for block in blocks:
        yield row, block
        row += len(block[0])
        if row - 1 > limits.max_rows:
            raise too_large(f"at most {limits.max_rows} rows", "more")


def _readers(upload: Source, options: ReadOptions) -> list[ColumnReader]:
    return [
        reader_of_cells(name, options.columns.get(name), options.decimal)
        if native is None
        else reader_of_arrow(name, native, options.columns.get(name), options)
        for name, native in zip(upload.names, upload.native, strict=True)
    ]


def _stored(path: Path, target_dir: Path) -> Ingested:
    table = Table.open(path)
    columns = profile(table)
    sha256, size = publish(path, target_dir)
    return Ingested(
        sha256=sha256,
        n_rows=table.n_rows,
        bytes=size,
        columns=columns,
        path=relative_path(sha256),
    )
