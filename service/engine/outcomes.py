"""Outcomes as the network learns them: one column a class, or the numbers themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.domain.errors import InvalidData
from service.engine.recipe import ColumnSource
from service.engine.recipe import Rows as Selection


def class_codes(
    source: ColumnSource, outcome: str, levels: Sequence[str], rows: Selection = None
) -> NDArray[np.int32]:
    """Return each row's place in `levels`, (rows,), whatever order the source has its own in.

    Raises:
        InvalidData: a row is missing or of a level that is not among `levels`; names the row.
    """
    own = source.category_levels(outcome)
    place = {level: index for index, level in enumerate(levels)}
    translation = np.array([place.get(level, -1) for level in own] + [-1], dtype=np.int32)
    codes = source.codes(outcome, rows)
    found = translation[codes]  # a missing value is code -1, the translation's last place
    if (found < 0).any():
        row = int(np.argmax(found < 0))
        value = "a missing value" if codes[row] < 0 else f"'{own[codes[row]][:64]}'"
        raise InvalidData(
            f"Expected one of the {len(levels)} levels of '{outcome}' in every row. "
            f"Received {value} in row {row + 1} of the selection."
        )
    return found


def one_column_a_class(codes: NDArray[np.int32], n_levels: int) -> NDArray[np.float32]:
    """Return float32 (rows, levels) with a single 1 in each row (R's `class2ind`)."""
    matrix = np.zeros((codes.shape[0], n_levels), np.float32)
    matrix[np.arange(codes.shape[0]), codes] = 1
    return matrix


def numbers(
    source: ColumnSource, outcomes: Sequence[str], rows: Selection = None
) -> NDArray[np.float32]:
    """Return the outcomes as the network is trained on them, float32 (rows, outcomes).

    Raises:
        InvalidData: a value is missing; names the row.
    """
    return true_numbers(source, outcomes, rows).astype(np.float32)


def true_numbers(
    source: ColumnSource, outcomes: Sequence[str], rows: Selection = None
) -> NDArray[np.float64]:
    """Return the outcomes as they are judged by, float64 (rows, outcomes).

    Raises:
        InvalidData: a value is missing; names the row.
    """
    matrix = np.stack([source.numeric(name, rows) for name in outcomes], axis=1)
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0].tolist()
        raise InvalidData(
            f"Expected a number as outcome '{outcomes[column]}' in every row. "
            f"Received a missing value in row {row + 1} of the selection."
        )
    return matrix


def case_weights(
    source: ColumnSource, name: str | None, rows: Selection = None
) -> NDArray[np.float32] | None:
    """Return the case weights of some rows, float32 (rows,); None without a column of them.

    Raises:
        InvalidData: a weight is missing; names the row.
    """
    if name is None or name not in source.types:
        return None
    weights = source.numeric(name, rows)
    if not np.isfinite(weights).all():
        row = int(np.argmax(~np.isfinite(weights))) + 1
        raise InvalidData(
            f"Expected a case weight in every row of '{name}'. Received a missing value in "
            f"row {row}."
        )
    return weights.astype(np.float32)
