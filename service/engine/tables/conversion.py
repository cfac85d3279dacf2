"""A source of typed or textual blocks becomes a canonical file: its columns' types are decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from service.domain.datasets import Column, Ingested, ReadLimits, ReadOptions
from service.engine.tables.arrow_columns import reader_of_arrow
from service.engine.tables.cell_columns import reader_of_cells
from service.engine.tables.column import ColumnReader, Misfit
from service.engine.tables.csv_source import CsvSource
from service.engine.tables.profile import profile
from service.engine.tables.read_ahead import ahead
from service.engine.tables.refusals import bad_file, too_large
from service.engine.tables.storage import ColumnPlan, relative_path
from service.engine.tables.table import Table
from service.engine.tables.writer import CanonicalWriter, publish

# Cells of which so many are profiled before the file is let go of: 128 MB of doubles.
CELLS_AT_ONCE = 2**24
# Columns of up to so many rows are profiled two at a time.
ROWS_OF_TWO = 2**22


class Source(Protocol):
    """A table that can be read again and again; `native` are Arrow's fields, None for text."""

    names: tuple[str, ...]
    native: tuple[Any, ...]

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        """Yield the rows in order, per block one array for each of the 0-based `columns`."""
        ...


def convert(
    source: Source, options: ReadOptions, limits: ReadLimits, path: Path
) -> list[ColumnPlan]:
    """Write a source's rows to the canonical file `path` and return its columns' plans.

    The plans are guessed from the first rows; where they mislead, all rows are looked at first.

    Raises:
        UnreadableFile: a value that its column's type does not have, or no rows at all.
        TooLarge: more rows than the limits allow.
    """
    try:
        plans = _plans(source, options, limits, guess=True)
        n_rows = _write(source, options, limits, plans, path)
    except Misfit:
        plans = _plans(source, options, limits, guess=False)
        n_rows = _write(source, options, limits, plans, path)
    if not n_rows:
        raise bad_file("rows after the header", "none")
    return plans


def _plans(
    source: Source, options: ReadOptions, limits: ReadLimits, *, guess: bool
) -> list[ColumnPlan]:
    columns = range(len(source.names))
    readers = _readers(source, options)
    if guess:
        _observe(source, limits, readers, columns, first_only=True)
        unsure = [column for column in columns if readers[column].needs_all]
        if unsure:
            fresh = _readers(source, options)
            readers = [fresh[at] if at in unsure else readers[at] for at in columns]
            _observe(source, limits, readers, unsure, first_only=False)
    else:
        _observe(source, limits, readers, columns, first_only=False)
    return [reader.plan(not guess) for reader in readers]


def _observe(
    source: Source,
    limits: ReadLimits,
    readers: Sequence[ColumnReader],
    columns: Sequence[int],
    *,
    first_only: bool,
) -> None:
    blocks = source.blocks(columns, first_only=first_only)
    for row, block in _counted(blocks if first_only else ahead(blocks), limits):
        for column, values in zip(columns, block, strict=True):
            readers[column].observe(values, row)


def _write(
    source: Source,
    options: ReadOptions,
    limits: ReadLimits,
    plans: Sequence[ColumnPlan],
    path: Path,
) -> int:
    readers = _readers(source, options)
    if isinstance(source, CsvSource):
        source = source.parsing(plans)
    with CanonicalWriter(path, plans) as writer:
        for row, block in _counted(ahead(source.blocks(range(len(plans)))), limits):
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


def _readers(source: Source, options: ReadOptions) -> list[ColumnReader]:
    return [
        reader_of_cells(name, options.columns.get(name), options.decimal)
        if native is None
        else reader_of_arrow(native, options.columns.get(name), options)
        for name, native in zip(source.names, source.native, strict=True)
    ]


def stored(path: Path, target_dir: Path) -> Ingested:
    """Profile a finished canonical file and move it to its place in the folder of datasets."""
    n_rows, columns = _profiled(path)
    sha256, size = publish(path, target_dir)
    return Ingested(
        sha256=sha256,
        n_rows=n_rows,
        bytes=size,
        columns=columns,
        path=relative_path(sha256),
    )


def _profiled(path: Path) -> tuple[int, tuple[Column, ...]]:
    """Profile a few columns at a time: what was mapped of a file counts until it is let go of."""
    table = Table.open(path)
    names, n_rows = list(table.types), table.n_rows
    at_once = max(CELLS_AT_ONCE // max(n_rows, 1), 1)
    columns: list[Column] = []
    with ThreadPoolExecutor(2 if n_rows <= ROWS_OF_TWO else 1) as pool:
        for start in range(0, len(names), at_once):
            table = Table.open(path) if start else table
            for found in pool.map(partial(_profile_of, table), names[start : start + at_once]):
                columns.append(found)
    return n_rows, tuple(columns)


def _profile_of(table: Table, name: str) -> Column:
    return profile(table, [name])[0]
