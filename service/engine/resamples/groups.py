"""Resamples of a stored table: its columns give the strata and the groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import NOMINAL_TYPES
from service.domain.errors import FieldError, MissingValues
from service.domain.tune.resampling import GroupVFold, Resamples
from service.engine.resamples.drawing import Resample, each_resample
from service.engine.tables.partition import strata_of
from service.engine.tables.table import Table


def resample_table(spec: Resamples, table: Table) -> Iterator[Resample]:
    """Return the resamples of a table, one by one.

    Of a numeric column of more than five distinct values the strata are its quarters.

    Raises:
        InvalidSpec: no such column, or what `each_resample` raises.
        MissingValues: a row has no group.
    """
    column = getattr(spec, "strata", None)
    return each_resample(
        spec,
        table.n_rows,
        strata=None if column is None else strata_of(table, column),
        groups=groups_of(table, spec.group) if isinstance(spec, GroupVFold) else None,
    )


def groups_of(table: Table, column: str) -> NDArray[np.int64]:
    """Return each row's group, 0 or more: a category, or a number.

    Raises:
        InvalidSpec: no such column.
        MissingValues: a row without a group could be in no fold.
    """
    if table.types.get(column) in NOMINAL_TYPES:
        codes = table.codes(column).astype(np.int64)
        gaps = int(np.count_nonzero(codes < 0))
    else:
        values = table.numeric(column)
        gaps = int(np.count_nonzero(np.isnan(values)))
        codes = np.unique(values, return_inverse=True)[1].astype(np.int64)
    if gaps:
        detail = (
            f"Expected a group for every row. '{column}' has none in {gaps} of {table.n_rows} "
            "rows. Remove these rows."
        )
        field = FieldError(loc=("body", "resamples", "group"), msg=detail)
        raise MissingValues(detail, errors=[field])
    return codes
