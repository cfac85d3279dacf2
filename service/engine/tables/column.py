"""What reading one column means: look at its blocks, decide its type and storage, convert them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from service.domain.datasets import ColumnType
from service.engine.tables.buffers import missing_of, values_of
from service.engine.tables.storage import (
    MAX_EXACT,
    WHOLE_RANGES,
    ColumnPlan,
    Storage,
    narrowest,
)


class Misfit(Exception):
    """A block contradicts a plan that was made from other blocks; all must be looked at first."""


class ColumnReader(Protocol):
    """Reads one column of an upload.

    `observe` is called with blocks, then `plan`, then `convert` with every block. `row` is the
    1-based row of a block's first value; both refuse a value that the column's declared type does
    not have. When `needs_all` is False a plan made from the first block alone is a good guess.
    """

    needs_all: bool

    def observe(self, block: Any, row: int, /) -> None:
        """Take note of a block."""
        ...

    def plan(self, complete: bool, /) -> ColumnPlan:
        """Return the type and storage that fit all blocks seen.

        Raises:
            UnreadableFile: no type fits.
            Misfit: not to be decided unless the blocks seen are `complete`.
        """
        ...

    def convert(self, block: Any, row: int, plan: ColumnPlan, /) -> Any:
        """Return the block as an array of `plan.storage`, int32 for "codes".

        Raises:
            Misfit: it does not fit.
        """
        ...


class Span:
    """The range of the numbers seen and whether all were whole: what their storage depends on."""

    def __init__(self) -> None:
        self._low = 0
        self._high = 0
        self._any = False
        self._exact = True

    def add(self, values: NDArray[Any]) -> None:
        """Take note of finite numbers, none missing."""
        if not self._exact or not len(values):
            return
        low, high = values.min(), values.max()
        if values.dtype.kind == "f" and not (
            max(-low, high) <= MAX_EXACT and (np.floor(values) == values).all()
        ):
            self._exact = False
            return
        first = not self._any
        self._low = int(low) if first else min(self._low, int(low))
        self._high = int(high) if first else max(self._high, int(high))
        self._any = True

    def plan(self, name: str, kind: ColumnType) -> ColumnPlan:
        """Return the narrowest plan; a `numeric` beyond 2**53 is stored as its double."""
        exact = self._exact and (kind == "integer" or max(-self._low, self._high) <= MAX_EXACT)
        storage: Storage = narrowest(self._low, self._high) if exact else "float64"
        return ColumnPlan(name=name, type=kind, storage=storage)


def present_of(values: Any) -> NDArray[Any]:
    """Return the values of an array of numbers that are not missing, infinite ones included."""
    return values_of(values.drop_null() if values.null_count else values)


def first_infinite(values: Any) -> int | None:
    """Return the position of the first infinite value of a double array, or None."""
    if not np.isinf(present_of(values)).any():
        return None
    return int(pc.index(pc.is_inf(values), pa.scalar(True)).as_py())


def stored_numbers(values: Any, storage: Storage) -> Any:
    """Return a double or whole array, null where missing, as an array of `storage`.

    Raises:
        Misfit: a value that `storage` cannot hold without loss, or an infinite one.
    """
    if storage == "float64":
        result = pc.cast(values, pa.float64(), safe=False)
        if np.isinf(present_of(result)).any():
            raise Misfit
        return result
    if pa.types.is_floating(values.type):
        _, low, high = next(known for known in WHOLE_RANGES if known[0] == storage)
        present = present_of(values)
        span = max(low, -MAX_EXACT), min(high, MAX_EXACT)
        if len(present) and not (
            span[0] <= present.min()
            and present.max() <= span[1]
            and (np.floor(present) == present).all()
        ):
            raise Misfit
    try:
        return pc.cast(values, pa.type_for_alias(storage))
    except pa.ArrowInvalid as error:
        raise Misfit from error


def settled(array: Any) -> Any:
    """Return the array with nothing but zeros under its nulls: equal columns are equal bytes."""
    missing = missing_of(array)
    if missing is None:
        return array
    if pa.types.is_string(array.type):
        filled = array.fill_null("")
        valid = np.packbits(np.pad(~missing, (filled.offset, 0)), bitorder="little")
        buffers = [pa.py_buffer(valid), *filled.buffers()[1:]]
        return pa.Array.from_buffers(array.type, len(array), buffers, offset=filled.offset)
    if pa.types.is_temporal(array.type):
        whole = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
        return settled(array.view(whole)).view(array.type)
    zero = False if pa.types.is_boolean(array.type) else pa.scalar(0).cast(array.type)
    values = array.fill_null(zero).to_numpy(zero_copy_only=False)
    return pa.array(values, type=array.type, mask=missing)
