"""The rows of a prediction request as an Arrow stream or Parquet, and answers as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import Column
from service.domain.errors import InvalidData, TooLarge
from service.engine.prediction_answers import Kind, names_of
from service.engine.prediction_cells import (
    NEW_LEVEL,
    codes,
    moments,
    not_a_number,
    unknown_level,
)
from service.engine.prediction_columns import (
    InputColumns,
    PredictionRows,
    absent_column,
    is_nominal,
    shown,
    wrong_type,
)
from service.engine.predictor import Output
from service.engine.tables.buffers import missing_of, text_array, values_of
from service.engine.tables.pieces import Pieces

Format = Literal["arrow", "parquet"]
# What a compressed file may become in memory.
MAX_BYTES = 2**30
MAX_ROWS = 10_000_000
# Rows of an answer that are made at a time.
PIECE_ROWS = 65_536


def from_arrow(raw: bytes, inputs: InputColumns, kind: Format) -> PredictionRows:
    """Return the rows of an Arrow IPC stream or a Parquet file.

    Only the columns that the model reads are converted; others are ignored. null and NaN are
    missing. Categories may be text, a dictionary of texts, whole numbers or booleans; dates may be
    Arrow's dates, times its timestamps, and both ISO 8601 text.

    Raises:
        InvalidData: no such file, a column missing or of another type, or a value that the model
            cannot take; its row (from 1) and column are named.
        TooLarge: more than 10 million rows or a gigabyte of columns.
    """
    columns = _opened(raw, kind, inputs)
    n_rows = len(next(iter(columns.values()))) if columns else 0
    numbers = np.empty((n_rows, len(inputs.numeric_names)))
    nominal: dict[str, NDArray[np.int32]] = {}
    for column in inputs.columns:
        cells = columns[column.name]
        if is_nominal(column):
            nominal[column.name] = _codes(cells, column, is_open=column.name in inputs.open)
        else:
            place = inputs.numeric_names.index(column.name)
            convert = _moments if column.is_temporal else _numbers
            numbers[:, place] = convert(cells, column)
    return PredictionRows(inputs=inputs, layout="columns", numbers=numbers, nominal=nominal)


def arrow_pieces(output: Output, kinds: Sequence[Kind]) -> Iterator[bytes]:
    """Yield a model's answer as an Arrow IPC stream, with the columns of `answer`.

    A class is one of a dictionary of all levels, as a factor has them, null where there is none;
    numbers are the float32 that the network gave.
    """
    import pyarrow as pa

    names, levels = names_of(output, kinds), text_array(output.levels or ())
    written = Pieces()
    first = _batch(output, kinds, names, levels, slice(0, PIECE_ROWS))
    with pa.ipc.new_stream(pa.PythonFile(written, mode="w"), first.schema) as writer:
        writer.write_batch(first)
        for start in range(PIECE_ROWS, len(output.raw), PIECE_ROWS):
            yield written.taken()
            rows = slice(start, start + PIECE_ROWS)
            writer.write_batch(_batch(output, kinds, names, levels, rows))
    yield written.taken()


def _opened(raw: bytes, kind: Format, inputs: InputColumns) -> dict[str, Any]:
    """Return the columns that the model reads, whole and validated: Arrow trusts a file's word."""
    import pyarrow as pa
    import pyarrow.parquet as pa_parquet

    name = "an Arrow IPC stream" if kind == "arrow" else "a Parquet file"
    try:
        if kind == "parquet":
            file = pa_parquet.ParquetFile(pa.BufferReader(raw))
            names, n_rows = file.schema_arrow.names, file.metadata.num_rows
            _refuse_many(n_rows)
            wanted = _places(names, inputs)
            batches = file.iter_batches(columns=[names[place] for place in wanted])
        else:
            names = pa.ipc.open_stream(pa.BufferReader(raw)).schema.names
            wanted = _places(names, inputs)
            options = pa.ipc.IpcReadOptions(included_fields=wanted)
            batches = iter(pa.ipc.open_stream(pa.BufferReader(raw), options=options))
        kept, rows, size = [], 0, 0
        for batch in batches:
            own = batch.select([names[place] for place in wanted])
            own.validate(full=True)
            rows, size = rows + own.num_rows, size + own.nbytes
            _refuse_many(rows, size)
            kept.append(own)
        if not kept:
            raise InvalidData(f"Expected rows in {name}. Received none.")
        table = pa.Table.from_batches(kept).combine_chunks()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        said = shown(" ".join(str(error).split()))
        raise InvalidData(f"Expected {name}. Received one that does not read ({said}).") from None
    return {names[place]: _whole(table.column(at)) for at, place in enumerate(wanted)}


def _whole(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks else column.combine_chunks()


def _refuse_many(rows: int, size: int = 0) -> None:
    if rows > MAX_ROWS or size > MAX_BYTES:
        raise TooLarge(
            f"Expected at most {MAX_ROWS:,} rows and {MAX_BYTES:,} bytes of columns. Received "
            "more. Upload the table and predict it by name."
        )


def _places(names: Sequence[str], inputs: InputColumns) -> list[int]:
    """Return where the model's columns are, ascending."""
    place: dict[str, int] = {}
    for at, name in enumerate(names):
        if name in place and name in inputs.names:
            raise InvalidData(f"Expected each column once. Received '{shown(name)}' twice.")
        place[name] = at
    absent = absent_column(inputs, place)
    if absent:
        raise absent
    return sorted(place[name] for name in inputs.names)


def _numbers(cells: Any, column: Column) -> NDArray[np.float64]:
    import pyarrow as pa

    kind = cells.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise wrong_type(column, str(kind))
    numbers = _with_gaps(cells.cast(pa.float64(), safe=False))
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise not_a_number(row, column.name, float(numbers[row]), (row + 1, column.name))
    return numbers


def _moments(cells: Any, column: Column) -> NDArray[np.float64]:
    """Return dates as days, times as seconds, both since 1970-01-01."""
    import pyarrow as pa

    types, kind = pa.types, cells.type
    if column.type == "date" and types.is_date(kind):
        return _with_gaps(cells.cast(pa.date32()))
    if column.type == "datetime" and types.is_timestamp(kind):
        return _with_gaps(cells.cast(pa.timestamp("us", tz="UTC"), safe=False)) / 1e6
    if not _is_text(kind):
        raise wrong_type(column, str(kind))
    return moments(cells.to_pylist(), column, "rows")


def _with_gaps(cells: Any) -> NDArray[np.float64]:
    numbers = values_of(cells).astype(np.float64)
    missing = missing_of(cells)
    if missing is not None:
        numbers[missing] = np.nan
    return numbers


def _codes(cells: Any, column: Column, *, is_open: bool) -> NDArray[np.int32]:
    """Return the 0-based levels: each distinct cell is looked up once, in however many rows."""
    import pyarrow as pa

    types, kind = pa.types, cells.type
    own = kind.value_type if types.is_dictionary(kind) else kind
    if not (_is_text(own) or types.is_integer(own) or types.is_boolean(own) or types.is_null(own)):
        raise wrong_type(column, str(kind))
    if types.is_null(own):
        return np.full(len(cells), -1, dtype=np.int32)
    coded = cells if types.is_dictionary(kind) else cells.dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    # One more than there are, for null, which has no place among them.
    found = np.append(codes(distinct, column, "rows", is_open=True), np.int32(-1))
    at = values_of(coded.indices).astype(np.int64)
    missing = missing_of(coded.indices)
    if missing is not None:
        at[missing] = len(distinct)
    rows: NDArray[np.int32] = found[at]
    if not is_open and (rows == NEW_LEVEL).any():
        row = int(np.flatnonzero(rows == NEW_LEVEL)[0])
        raise unknown_level(row, column, distinct[int(at[row])], (row + 1, column.name))
    return rows


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _batch(
    output: Output, kinds: Sequence[Kind], names: Sequence[str], levels: Any, rows: slice
) -> Any:
    import pyarrow as pa

    part = Output(raw=output.raw[rows], levels=output.levels, outcomes=output.outcomes)
    columns: list[Any] = []
    for kind in kinds:
        if kind == "class":
            indices = _array(pa.int32(), part.codes.astype(np.int32), part.codes >= 0)
            columns.append(pa.DictionaryArray.from_arrays(indices, levels))
        else:
            columns += [_array(pa.float32(), column) for column in part.raw.T]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def _array(kind: Any, values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Any:
    """Return an Arrow array; a value is null where it is not `valid`."""
    import pyarrow as pa

    mask = None
    if valid is not None and not valid.all():
        mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [mask, data])
