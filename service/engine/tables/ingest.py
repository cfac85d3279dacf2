"""From an upload to a canonical file. Runs in a child process: it parses what clients send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from service.domain.datasets import (
    BuiltinRequest,
    ColumnOptions,
    FileFormat,
    Ingested,
    ReadColumn,
    Reading,
    ReadLimits,
    ReadOptions,
)
from service.engine.tables.arrow_source import IpcSource, ParquetSource
from service.engine.tables.builtin import builtin_table
from service.engine.tables.conversion import convert, stored
from service.engine.tables.csv_source import BLOCK_BYTES, CsvSource
from service.engine.tables.header import check_options
from service.engine.tables.sniff import sniff
from service.engine.tables.storage import ColumnPlan
from service.engine.tables.writer import CanonicalWriter, scratch_file

DEFAULT_LIMITS = ReadLimits()


def ingest(
    source: Path,
    target_dir: Path,
    options: ReadOptions,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
    scratch: Path | None = None,
    block_bytes: int = BLOCK_BYTES,
    as_in: Mapping[str, ColumnOptions] = MappingProxyType({}),
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
        as_in: how another table's columns are read; those of them that this one has are read so.

    Raises:
        UnreadableFile: it is no table; says where, what was expected and what was received.
        TooLarge: it is over one of the limits.
        InvalidSpec: the options contradict themselves or the file's columns.
    """
    upload = _opened(source, options, limits, block_bytes)
    check_options(options.columns, upload.names)
    if as_in:
        shared = {name: as_in[name] for name in upload.names if name in as_in}
        options = options.model_copy(update={"columns": {**shared, **options.columns}})
    with scratch_file(target_dir, scratch) as path:
        plans = convert(upload, options, limits, path)
        reading = _reading(upload, options, plans)
        return stored(path, target_dir).model_copy(update={"reading": reading})


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
        return stored(path, target_dir)


def _opened(
    source: Path, options: ReadOptions, limits: ReadLimits, block_bytes: int
) -> CsvSource | ParquetSource | IpcSource:
    kind = sniff(source)
    if kind == "csv":
        return CsvSource(source, options, limits, block_bytes)
    if kind == "parquet":
        return ParquetSource(source, limits)
    return IpcSource(source, limits, stream=kind == "arrow-stream")


def _reading(
    upload: CsvSource | ParquetSource | IpcSource, options: ReadOptions, plans: Sequence[ColumnPlan]
) -> Reading:
    is_text = isinstance(upload, CsvSource)
    columns = tuple(
        ReadColumn(name=plan.name, type=plan.type, how="declared")
        if plan.name in options.columns
        else ReadColumn(
            name=plan.name,
            type=plan.type,
            how="guessed" if is_text else "file",
            because=plan.because,
        )
        for plan in plans
    )
    na = tuple(word.strip(" \t") for word in options.na)
    if isinstance(upload, CsvSource):
        return Reading(
            format="csv.gz" if upload.is_gzip else "csv",
            delim=upload.delimiter,
            decimal=options.decimal,
            quote=options.quote,
            encoding=options.encoding,
            skip=options.skip,
            na=na,
            columns=columns,
        )
    kind: FileFormat = "parquet" if isinstance(upload, ParquetSource) else "arrow"
    return Reading(format=kind, na=na, columns=columns)
