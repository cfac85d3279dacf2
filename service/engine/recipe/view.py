"""The values of some rows as they stand between two steps of a recipe, computed when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from service.domain.selectors import Stage
from service.engine.recipe.coded import Coded
from service.engine.recipe.source import Codes, ColumnSource, Floats, Rows, n_selected
from service.engine.recipe.step import FittedStep

MISSING = -1
UNSEEN = -2

T = TypeVar("T")


class View:
    """Some rows of a source after the given steps.

    Columns are not kept: one is computed from its raw values through the steps that write it each
    time it is asked for, so that never more than a few exist at once. What a step computes for
    several columns together it may keep for the view's lifetime with `once`.

    `levels` are the training rows' levels of the raw nominal columns. While a recipe is learned,
    `stage` tells which columns there are.
    """

    def __init__(
        self,
        source: ColumnSource,
        steps: Sequence[FittedStep],
        rows: Rows,
        levels: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        *,
        stage: Stage | None = None,
    ) -> None:
        self.source = source
        self.rows = rows
        self._steps = steps
        self._levels = levels
        self._stage = stage
        self._kept: dict[tuple[int, str], Any] = {}

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return n_selected(self.rows, self.source.n_rows)

    @property
    def stage(self) -> Stage:
        """The columns at this place of a recipe that is being learned."""
        if self._stage is None:
            raise ValueError("Expected a view of training rows. Received one of rows to bake.")
        return self._stage

    def numeric(self, name: str) -> Floats:
        """Return a numeric column's values, float64 (rows,), NaN where missing; not to be changed.

        Raises:
            InvalidData: the source has no such column of numbers.
        """
        place = self._writer(name)
        if place is None:
            return self.source.numeric(name, self.rows)
        return self._steps[place].numeric(name, self._before(place))

    def column(self, name: str) -> Floats | Coded:
        """Return what `numeric` does, coded where few values are different and a step knows it.

        Raises:
            InvalidData: the source has no such column of numbers.
        """
        place = self._writer(name)
        if place is None:
            return self.source.numeric(name, self.rows)
        return self._steps[place].column(name, self._before(place))

    def codes(self, name: str) -> Codes:
        """Return a nominal column's 0-based levels, int32 (rows,); not to be changed.

        They count `levels`: -1 where missing, -2 for a level that the training rows did not have.
        """
        place = self._writer(name)
        if place is None:
            codes = self.source.codes(name, self.rows)
            return recoded(codes, self.source.category_levels(name), self._levels[name])
        return self._steps[place].codes(name, self._before(place))

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` counts."""
        place = self._writer(name)
        return self._levels[name] if place is None else self._steps[place].levels(name)

    def is_ordered(self, name: str) -> bool:
        """Return whether a nominal column is an ordered factor."""
        place = self._writer(name)
        if place is None:
            return self.source.types[name] == "ordered"
        step = self._steps[place]
        return step.makes_ordered(name) or (
            step.keeps_order and self._before(place).is_ordered(name)
        )

    def is_integer(self, name: str) -> bool:
        """Return whether a numeric column is one of whole numbers, as R's integer type."""
        place = self._writer(name)
        if place is None:
            return self.source.types[name] == "integer"
        return self._steps[place].keeps_integers and self._before(place).is_integer(name)

    def once(self, what: str, compute: Callable[[], T]) -> T:
        """Return what `compute` gives, computed on the first call for `what` at this place."""
        key = (len(self._steps), what)
        if key not in self._kept:
            self._kept[key] = compute()
        kept: T = self._kept[key]
        return kept

    def lately(self, what: str, compute: Callable[[], T]) -> T:
        """Return what `compute` gives, or gave if `what` was also asked for last at this place."""
        key = (len(self._steps), "")
        if key not in self._kept or self._kept[key][0] != what:
            self._kept[key] = (what, compute())
        kept: T = self._kept[key][1]
        return kept

    def block(self, rows: Rows) -> View:
        """Return other rows of the source at this place."""
        return View(self.source, self._steps, rows, self._levels, stage=self._stage)

    def _writer(self, name: str) -> int | None:
        for place in range(len(self._steps) - 1, -1, -1):
            if self._steps[place].writes(name):
                return place
        return None

    def _before(self, place: int) -> View:
        before = View(self.source, self._steps[:place], self.rows, self._levels)
        before._kept = self._kept
        return before


def recoded(codes: Codes, levels: Sequence[str], wanted: Sequence[str]) -> Codes:
    """Return codes that count `wanted` instead of `levels`; -2 for a level that is not wanted.

    A factor made of text has the levels of the training rows; new data may hold others.
    """
    if tuple(levels) == tuple(wanted):
        return codes
    place = {level: code for code, level in enumerate(wanted)}
    # Codes -2 and -1 read the last two entries, which are the same again.
    table = [*(place.get(level, UNSEEN) for level in levels), UNSEEN, MISSING]
    return np.array(table, dtype=np.int32)[codes]
