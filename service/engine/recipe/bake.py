"""Applying a fitted recipe: the float32 matrix that the network reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.domain.errors import FieldError, MissingValues
from service.engine.recipe.coded import fill
from service.engine.recipe.fitted import FittedRecipe
from service.engine.recipe.source import ColumnSource, Rows, n_selected, part, position
from service.engine.recipe.view import MISSING, UNSEEN, View

# Values of the matrix that are filled at a time: small enough to stay in a processor's cache.
_BLOCK = 2**21


def bake(
    fitted: FittedRecipe, source: ColumnSource, rows: Rows = None, pad_to: int | None = None
) -> NDArray[np.float32]:
    """Return the baked predictors of some rows.

    Each value is computed in float64 and rounded to float32 once. It depends on its row alone: the
    same row gives the same bits in whatever selection, order or number of rows it is baked.

    Args:
        fitted: what `prep` learned; its `outputs` are the columns, in this order.
        source: a table with the columns `fitted.required`; others are ignored.
        rows: which rows, in which order; default all.
        pad_to: how many columns the matrix has; those beyond the outputs are 0.

    Returns:
        float32 (rows, pad_to or number of outputs), C order.

    Raises:
        MissingValues: a missing or infinite value would reach the network; the error names the
            first such row, 1-based in the source, and its column.
        ValueError: `pad_to` is below the number of outputs.
    """
    n = n_selected(rows, source.n_rows)
    width = len(fitted.outputs)
    padded = width if pad_to is None else pad_to
    if padded < width:
        raise ValueError(f"Expected pad_to to be at least {width}. Received {pad_to}.")
    matrix = np.empty((n, padded), dtype=np.float32)
    matrix[:, width:] = 0
    block = max(_BLOCK // max(width, 1), 1)
    for start in range(0, n, block):
        stop = min(start + block, n)
        view = View(source, fitted.steps, part(rows, start, stop, source.n_rows), fitted.levels)
        values = matrix[start:stop, :width]
        with np.errstate(over="ignore"):
            for column, name in enumerate(fitted.outputs):
                fill(values[:, column], view.column(name))
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0].tolist()
            where = position(rows, start + row, source.n_rows)
            raise _refusal(fitted, source, where, fitted.outputs[column], values[row, column])
    return matrix


def _refusal(
    fitted: FittedRecipe, source: ColumnSource, row: int, output: str, value: np.float32
) -> MissingValues:
    """Return the error for an output that is no number, naming the raw column that is at fault."""
    only = np.array([row], dtype=np.int64)
    view = View(source, (), only, fitted.levels)
    for name in fitted.origins(output):
        if name in fitted.levels:
            code = int(view.codes(name)[0])
            if code == UNSEEN:
                cure = "A 'novel' step gives such levels one of their own."
                return _missing(row, name, "a level that the training rows did not have", cure)
            if code == MISSING:
                cure = "Steps such as 'unknown' or 'impute_mode' fill it in."
                return _missing(row, name, "a missing value", cure)
        else:
            number = float(view.numeric(name)[0])
            if np.isnan(number):
                cure = "Steps such as 'impute_median' fill it in."
                return _missing(row, name, "a missing value", cure)
            if np.isinf(number):
                return _missing(row, name, "an infinite value, too large for the network", "")
    found = "a missing value" if np.isnan(value) else "a value too large for the network"
    cure = "Correct the row, or drop the column with a 'remove' step."
    return _missing(row, output, found, cure)


def _missing(row: int, column: str, found: str, cure: str) -> MissingValues:
    detail = (
        f"Expected a number in row {row + 1} of column '{column}' after the recipe. "
        f"Received {found}. {cure}"
    ).rstrip()
    return MissingValues(detail, errors=[FieldError(loc=(row + 1, column), msg=detail)])
