"""A stored table as a file to take away, piece by piece: no more of it in memory than a batch."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from service.domain.temporal import time_text
from service.engine.prediction_answers import inert
from service.engine.tables.buffers import missing_of, positions, text_array, values_of
from service.engine.tables.pieces import Pieces

DownloadFormat = Literal["csv", "csv.gz", "parquet", "arrow"]

_FORMULA = r"^[=+\-@\t\r]"
# What is made at a time: some megabytes, however wide the table.
_TEXT_CELLS = 500_000
_GROUP_BYTES = 16 * 2**20


def csv_pieces(path: Path, na: Sequence[str], *, inert_text: bool = True) -> Iterator[bytes]:
    """Yield a canonical file as CSV with a header line, UTF-8; text is quoted.

    Numbers are the shortest that read back to the same bits, logical values TRUE and FALSE, dates
    ISO 8601.

    Args:
        path: the canonical file.
        na: the words for missing; an empty cell where it is one of them, else the first.
        inert_text: whether text that a spreadsheet would run is made harmless by `'` before it;
            such a cell does not read back as it was.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    word = "" if "" in na or not na else na[0]
    first = True
    for batch in _batches(path):
        rows = max(1, _TEXT_CELLS // max(batch.num_columns, 1))
        names = [inert(name) if inert_text else name for name in batch.schema.names]
        for start in range(0, batch.num_rows, rows):
            columns = [
                _texts(column, word, inert_text=inert_text)
                for column in batch.slice(start, rows).columns
            ]
            sink = pa.BufferOutputStream()
            part = pa.RecordBatch.from_arrays(columns, names=names)
            pa_csv.write_csv(part, sink, pa_csv.WriteOptions(include_header=first))
            first = False
            yield sink.getvalue().to_pybytes()


def gzip_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what the pieces make together as one gzip member, without a time in its head."""
    engine = zlib.compressobj(wbits=31)
    for piece in pieces:
        if packed := engine.compress(piece):
            yield packed
    yield engine.flush()


def parquet_pieces(path: Path) -> Iterator[bytes]:
    """Yield a canonical file as Parquet; its fields say our types, so that it reads back equal."""
    import pyarrow as pa
    import pyarrow.parquet as pa_parquet

    written = Pieces()
    with pa.OSFile(str(path)) as file:
        schema = pa.ipc.open_file(file).schema
    with pa_parquet.ParquetWriter(
        pa.PythonFile(written, mode="w"), schema, compression="zstd"
    ) as writer:
        for batch in _batches(path):
            # Each part is a group of rows, which is held until it is whole.
            rows = max(1, _GROUP_BYTES * batch.num_rows // max(batch.nbytes, 1))
            for start in range(0, batch.num_rows, rows):
                writer.write_batch(batch.slice(start, rows))
                yield written.taken()
    yield written.taken()


def _batches(path: Path) -> Iterator[Any]:
    """Yield the batches of a canonical file, each mapped anew.

    A slow client keeps pages of the file waiting, which the system may take back, and no copy of
    them; what was mapped of a file is let go of with its batch.
    """
    import pyarrow as pa

    at, count = 0, 1
    while at < count:
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            count = reader.num_record_batches
            if at < count:
                yield reader.get_batch(at)
        at += 1


def _texts(column: Any, word: str, *, inert_text: bool) -> Any:
    """Return a column as Arrow's CSV writer is to write it: numbers, else text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_boolean(column.type):
        yes, no = (_repeated(said, len(column)) for said in ("TRUE", "FALSE"))
        column = pc.if_else(column, yes, no)
    elif types.is_date32(column.type):
        column = pc.cast(column, pa.string())
    elif types.is_timestamp(column.type):
        numbers, missing = values_of(column).tolist(), missing_of(column)
        gone = [False] * len(numbers) if missing is None else missing.tolist()
        column = text_array(
            [None if out else time_text(number) for number, out in zip(numbers, gone, strict=True)]
        )
    elif types.is_dictionary(column.type):
        words = _harmless(column.dictionary) if inert_text else column.dictionary
        column = words.take(column.indices)
    elif types.is_string(column.type) and inert_text:
        column = _harmless(column)
    if word and column.null_count:
        column = pc.coalesce(pc.cast(column, pa.string()), _repeated(word, len(column)))
    return column


def _repeated(word: str, times: int) -> Any:
    # An array, because pyarrow imports pandas to look at a bare value.
    return text_array([word]).take(positions(np.zeros(times, dtype=np.int64)))


def _harmless(words: Any) -> Any:
    """Return text cells that no spreadsheet takes for a formula."""
    import pyarrow.compute as pc

    suspect = pc.match_substring_regex(words, _FORMULA)
    if not pc.any(suspect).as_py():
        return words
    return text_array([None if word is None else inert(word) for word in words.to_pylist()])
