"""Several columns of the training rows side by side, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from service.domain.errors import FieldError, MissingValues
from service.domain.selectors import listed
from service.engine.recipe.source import Floats, part
from service.engine.recipe.view import View

# Values that are held at a time, as float64: 32 MB.
_VALUES = 2**22


def views(view: View, width: int) -> Iterator[View]:
    """Yield the view's rows in blocks that suit a matrix of so many columns."""
    rows = max(_VALUES // max(width, 1), 2 * width, 1)
    for start in range(0, view.n_rows, rows):
        stop = min(start + rows, view.n_rows)
        yield view.block(part(view.rows, start, stop, view.source.n_rows))


def matrices(view: View, names: Sequence[str], step: str) -> Iterator[Floats]:
    """Yield numeric columns side by side, float64 (rows of a block, names).

    Raises:
        MissingValues: a value is missing or infinite; the step and the columns are named.
    """
    for block in views(view, len(names)):
        matrix = np.empty((block.n_rows, len(names)))
        for place, name in enumerate(names):
            matrix[:, place] = block.numeric(name)
        if not np.isfinite(matrix).all():
            lacking = [
                name for place, name in enumerate(names) if not np.isfinite(matrix[:, place]).all()
            ]
            detail = (
                f"Expected no missing or infinite values in the columns of step '{step}'. "
                f"Received some in {listed(lacking)}. Impute these before the step."
            )
            raise MissingValues(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
        yield matrix


def triangle(blocks: Iterable[Floats], width: int) -> Floats:
    """Return the triangular factor R of the blocks stacked, X = QR, float64 (<= width, width).

    It is as accurate as a factorisation of the whole and needs the memory of one block. A row's
    sign is LAPACK's, so only what no sign changes may be made of it.
    """
    factor = np.empty((0, width))
    for block in blocks:
        factor = np.asarray(np.linalg.qr(np.vstack([factor, block]), mode="r"), dtype=np.float64)
    return factor


def dependent(factor: Floats, tolerance: float = 1e-7) -> list[int]:
    """Return the columns that are linear combinations of columns before them.

    R's `qr` (LINPACK's dqrdc2): a column is one if what is left of it beside the independent
    columns before it is shorter than `tolerance` times itself.

    Args:
        factor: float64 (rows, columns), the matrix or its triangular factor.
        tolerance: relative.
    """
    left = np.array(factor, dtype=np.float64)
    lengths = np.sqrt((left**2).sum(axis=0))
    found: list[int] = []
    for column in range(left.shape[1]):
        length = float(np.sqrt((left[:, column] ** 2).sum()))
        if length <= tolerance * (float(lengths[column]) or 1.0):
            found.append(column)
            continue
        direction = left[:, column] / length
        rest = left[:, column + 1 :]
        # Twice, as one projection leaves a rounding error that a nearly dependent column shows.
        rest -= np.outer(direction, direction @ rest)
        rest -= np.outer(direction, direction @ rest)
    return found
