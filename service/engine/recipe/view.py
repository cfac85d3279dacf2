"""The values of some rows as they stand between two steps of a recipe, computed when asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.engine.recipe.source import Codes, ColumnSource, Floats, Rows
from service.engine.recipe.step import FittedStep


class View:
    """Some rows of a source after the given steps.

    Nothing is kept: a column is computed from its raw values through the steps that write it each
    time it is asked for, so that never more than a few columns exist at once.
    """

    def __init__(self, source: ColumnSource, steps: Sequence[FittedStep], rows: Rows) -> None:
        self.source = source
        self.rows = rows
        self._steps = steps

    def numeric(self, name: str) -> Floats:
        """Return a numeric column's values, float64 (rows,), NaN where missing; not to be changed.

        Raises:
            InvalidData: the source has no such column of numbers.
        """
        for stage in range(len(self._steps) - 1, -1, -1):
            step = self._steps[stage]
            if step.writes(name):
                return step.numeric(name, View(self.source, self._steps[:stage], self.rows))
        return self.source.numeric(name, self.rows)

    def codes(self, name: str) -> Codes:
        """Return a nominal column's codes, int32 (rows,), -1 where missing."""
        return self.source.codes(name, self.rows)


def recoded(codes: Codes, levels: Sequence[str], wanted: Sequence[str]) -> Codes:
    """Return codes that count `wanted` instead of `levels`; a level that is not wanted is missing.

    A factor made of text has the levels of the training rows; new data may hold others, and R
    makes these missing.
    """
    place = {level: code for code, level in enumerate(wanted)}
    table = np.array([*(place.get(level, -1) for level in levels), -1], dtype=np.int32)
    # Code -1 reads the last entry, which is -1 again.
    return table[codes]
