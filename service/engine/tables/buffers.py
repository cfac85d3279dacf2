"""Arrow arrays as numpy views through their buffers.

pyarrow's own conversions (`to_numpy`, `array`, `scalar`) import pandas where it is installed, to
ask whether their argument is a Series: 0.6 s and 50 MB that the API process must not pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Arrow's names of numbers are numpy's, but for these.
_DTYPES = {"double": "float64", "date32[day]": "int32", "timestamp[us, tz=UTC]": "int64"}


def values_of(array: Any) -> NDArray[Any]:
    """Return the values of an array of numbers, codes, dates or booleans; under a null, anything.

    Dates are days, times are microseconds, both since 1970-01-01. Numbers are a view, booleans a
    copy as uint8 0 and 1.
    """
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(len(array), dtype=np.uint8)
    if array.type.bit_width == 1:
        return _bits(data, array.offset, len(array))
    dtype = np.dtype(_DTYPES.get(str(array.type), str(array.type)))
    return np.frombuffer(data, dtype, count=len(array), offset=array.offset * dtype.itemsize)


def missing_of(array: Any) -> NDArray[np.bool_] | None:
    """Return which values are null, None when none is."""
    if not array.null_count:
        return None
    valid = array.buffers()[0]
    if valid is None:  # an array of type null
        return np.ones(len(array), dtype=np.bool_)
    return np.equal(_bits(valid, array.offset, len(array)), 0)


def offsets_of(cells: Any) -> NDArray[np.int32]:
    """Return the n + 1 offsets of a string array into its bytes; the first need not be 0."""
    offsets = cells.buffers()[1]
    if offsets is None or not len(cells):
        return np.zeros(len(cells) + 1, dtype=np.int32)
    return np.frombuffer(offsets, np.int32, count=len(cells) + 1, offset=4 * cells.offset)


def bytes_of(cells: Any) -> NDArray[np.uint8]:
    """Return the bytes of a string array, from its first offset to its last."""
    data, offsets = cells.buffers()[2], offsets_of(cells)
    first, last = int(offsets[0]), int(offsets[-1])
    if data is None or first == last:
        return np.zeros(0, dtype=np.uint8)
    return np.frombuffer(data, np.uint8, count=last - first, offset=first)


def positions(rows: NDArray[np.int64]) -> Any:
    """Return 0-based positions as an Arrow array for `take`, sharing their memory."""
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(rows, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, buffer])


def text_array(cells: Sequence[str | None]) -> Any:
    """Return text cells as an Arrow string array, None where missing."""
    import pyarrow as pa

    encoded = [b"" if cell is None else cell.encode() for cell in cells]
    offsets = np.zeros(len(cells) + 1, dtype=np.int32)
    np.cumsum([len(cell) for cell in encoded], out=offsets[1:])
    valid = np.packbits([cell is not None for cell in cells], bitorder="little")
    buffers = [pa.py_buffer(part) for part in (valid, offsets, b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(cells), buffers)


def _bits(buffer: Any, offset: int, count: int) -> NDArray[np.uint8]:
    first, last = offset // 8, (offset + count + 7) // 8
    packed = np.frombuffer(buffer, np.uint8, count=last - first, offset=first)
    return np.unpackbits(packed, bitorder="little")[offset % 8 : offset % 8 + count]
