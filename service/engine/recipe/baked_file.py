"""A table after a recipe as a file that keeps its columns' types. Runs in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from service.domain.datasets import ColumnType
from service.engine.recipe.baked_columns import BakedColumns
from service.engine.tables.storage import ColumnPlan, Storage, batch_rows
from service.engine.tables.writer import CanonicalWriter

_STORAGE: dict[ColumnType, Storage] = {
    "numeric": "float64",
    "integer": "int64",
    "factor": "codes",
    "ordered": "codes",
    "logical": "bool",
    "text": "string",
    "date": "date",
    "datetime": "datetime",
}


def write_baked(baked: BakedColumns, path: Path) -> None:
    """Write the baked rows as an Arrow file, some at a time, each column with our type in it.

    Missing values are null; an infinite one, such as the logarithm of 0, stays.
    """
    plans = [
        ColumnPlan(
            name=name,
            type=kind,
            storage=_STORAGE[kind],
            levels=tuple(baked.levels(name)) if _STORAGE[kind] == "codes" else None,
        )
        for name, kind in baked.types().items()
    ]
    step = batch_rows(plans)
    with CanonicalWriter(path, plans) as writer:
        for start in range(0, baked.n_rows, step):
            block = baked.block(start, min(start + step, baked.n_rows))
            writer.add([_array(block, plan) for plan in plans])


def _array(block: BakedColumns, plan: ColumnPlan) -> Any:
    if plan.storage in ("codes", "string", "bool"):
        codes = block.codes(plan.name)
        indices = _masked(codes, codes < 0, pa.int32())
        if plan.storage == "codes":
            return indices
        words = pa.array(block.levels(plan.name), pa.string()).take(indices)
        return words if plan.storage == "string" else words.cast(pa.bool_())
    values = block.numeric(plan.name)
    missing = np.isnan(values)
    if plan.storage == "float64":
        return _masked(values, missing, pa.float64())
    whole = np.where(missing, 0, values)
    if plan.storage == "date":
        return _masked(whole.astype(np.int32), missing, pa.int32()).view(pa.date32())
    if plan.storage == "datetime":
        moments = np.rint(whole * 1e6).astype(np.int64)
        return _masked(moments, missing, pa.int64()).view(pa.timestamp("us", tz="UTC"))
    return _masked(whole.astype(np.int64), missing, pa.int64())


def _masked(values: NDArray[Any], missing: NDArray[np.bool_], kind: Any) -> Any:
    return pa.array(values, type=kind, mask=missing)
