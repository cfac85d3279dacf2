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

DownloadFormat = Literal["csv", "csv.gz", "parquet", "arrow"]

_FORMULA = r"^[=+\-@\t\r]"


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
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file)
        names = [inert(name) if inert_text else name for name in reader.schema.names]
        for at in range(reader.num_record_batches):
            columns = [
                _texts(column, word, inert_text=inert_text)
                for column in reader.get_batch(at).columns
            ]
            sink = pa.BufferOutputStream()
            batch = pa.RecordBatch.from_arrays(columns, names=names)
            pa_csv.write_csv(batch, sink, pa_csv.WriteOptions(include_header=at == 0))
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

    written = _Pieces()
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file)
        with pa_parquet.ParquetWriter(
            pa.PythonFile(written, mode="w"), reader.schema, compression="zstd"
        ) as writer:
            for at in range(reader.num_record_batches):
                writer.write_batch(reader.get_batch(at))
                yield written.taken()
    yield written.taken()


class _Pieces:
    """A file for Arrow to write to, whose bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._written = 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._waiting.append(piece)
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        found, self._waiting = b"".join(self._waiting), []
        return found


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
