"""Dates and timestamps that come typed, from Parquet or Arrow IPC."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from service.domain.datasets import ColumnType
from service.domain.temporal import DAY_MICROSECONDS, FIRST_DAY, LAST_DAY
from service.engine.tables.buffers import missing_of, values_of
from service.engine.tables.refusals import bad_value
from service.engine.tables.storage import TEMPORAL_STORAGE, ColumnPlan, physical_type

_LEAST, _MOST = -(2**63), 2**63 - 1


class TemporalColumn:
    """Dates by the day, times by the microsecond, cut; a time without a zone is taken for UTC."""

    needs_all = False

    def __init__(self, name: str, kind: ColumnType) -> None:
        """Read the column `name`, which holds values of type `kind`."""
        self._name, self._kind = name, kind
        self._storage = TEMPORAL_STORAGE[kind]

    def observe(self, block: Any, row: int, /) -> None:
        """Refuse a value outside of the years 1 to 9999."""
        self._moments(block, row)

    def plan(self, _complete: bool, /) -> ColumnPlan:
        """Return the one plan that there is."""
        return ColumnPlan(name=self._name, type=self._kind, storage=self._storage)

    def convert(self, block: Any, row: int, _plan: ColumnPlan, /) -> Any:
        """Return the block as it is stored."""
        return self._moments(block, row)

    def _moments(self, block: Any, row: int) -> Any:
        physical = block.type
        counted = block.view(pa.int32() if pa.types.is_date32(physical) else pa.int64())
        a_day = _units_a_day(physical)
        # Nanoseconds in 64 bits end before the year 2263.
        low, high = max(FIRST_DAY * a_day, _LEAST), min((LAST_DAY + 1) * a_day - 1, _MOST)
        outside = pc.or_(pc.less(counted, low), pc.greater(counted, high))
        if pc.any(outside).as_py():
            at = pc.index(outside, True).as_py()
            expected = f"a {self._kind} of the years 1 to 9999"
            raise bad_value(row + at, self._name, expected, f"{counted[at].as_py()} ({physical})")
        values = values_of(counted)
        ours = 1 if self._kind == "date" else DAY_MICROSECONDS
        values = values // (a_day // ours) if a_day >= ours else values * (ours // a_day)
        whole = "int32" if self._kind == "date" else "int64"
        found = pa.array(values.astype(whole), mask=missing_of(block))
        return found.view(physical_type(self._storage))


def _units_a_day(physical: Any) -> int:
    if pa.types.is_date32(physical):
        return 1
    if pa.types.is_date64(physical):
        return DAY_MICROSECONDS // 1000
    a_second: int = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[physical.unit]
    return 86_400 * a_second
