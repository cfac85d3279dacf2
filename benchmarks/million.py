"""A million rows of a hundred columns: how long reading them takes, and how much memory.

    python benchmarks/million.py --rows 1000000 --folder FOLDER

Makes the CSV in FOLDER (about 620 MB; or Parquet with `--format parquet`), reads it in the child
that reads uploads, splits it and writes it out again. What is told of memory is the child's peak.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from service.domain.datasets import ReadOptions
from service.engine.tables.download import csv_pieces
from service.executors.parsing import parse_upload
from service.executors.splitting import split_table

CHUNK = 20_000
WORDS = [f"level {at}" for at in range(40)]


def chunk(rows: int, seed: int) -> Any:
    """Sixty doubles, twenty whole numbers, fifteen of categories, five logical; 2 % missing."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for at in range(100):
        gone = rng.random(rows) < 0.02
        if at < 60:
            columns[f"x{at}"] = pa.array(rng.normal(size=rows).round(4), mask=gone)
        elif at < 80:
            columns[f"n{at}"] = pa.array(rng.integers(0, 10**5, rows), mask=gone)
        elif at < 95:
            codes = pa.array(rng.integers(0, len(WORDS), rows), pa.int32(), mask=gone)
            columns[f"c{at}"] = pa.DictionaryArray.from_arrays(codes, WORDS).dictionary_decode()
        else:
            columns[f"b{at}"] = pa.array(rng.random(rows) < 0.5, mask=gone)
    return pa.table(columns)


def make(path: Path, rows: int, form: str) -> None:
    """Write the table, never holding more than a chunk of it."""
    writer: Any = None
    for start in range(0, rows, CHUNK):
        part = chunk(min(CHUNK, rows - start), start)
        if writer is None:
            kind = pa_parquet.ParquetWriter if form == "parquet" else pa_csv.CSVWriter
            writer = kind(str(path), part.schema)
        writer.write_table(part)
    writer.close()


def children_mb() -> int:
    """Return the largest peak of any child so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        source, datasets = Path(folder, "table"), Path(folder, "datasets")
        make(source, asked.rows, asked.format)
        size = source.stat().st_size
        print(f"{asked.rows:,} rows x 100 columns, {size / 1e6:,.0f} MB of {asked.format}")
        started = time.perf_counter()
        stored = parse_upload(source, datasets, ReadOptions())
        seconds = time.perf_counter() - started
        print(f"read in {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s, child {children_mb()} MB")
        print(f"stored as {stored.bytes / 1e6:,.0f} MB")
        started = time.perf_counter()
        split_table(datasets / stored.path, datasets, 0.75, "c80", 1)
        seconds = time.perf_counter() - started
        print(f"split by 'c80' in {seconds:.1f} s, largest child so far {children_mb()} MB")
        started, written = time.perf_counter(), 0
        for piece in csv_pieces(datasets / stored.path, [""]):
            written += len(piece)
        seconds = time.perf_counter() - started
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"written as {written / 1e6:,.0f} MB of CSV in {seconds:.1f} s, this process {own} MB"
        )


if __name__ == "__main__":
    main()
