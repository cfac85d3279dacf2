"""A table after a recipe, column by column: what was a predictor, the other roles, what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from service.domain.datasets import ColumnType
from service.domain.selectors import Kind, kind_of
from service.engine.recipe.fitted import FittedRecipe
from service.engine.recipe.source import Codes, ColumnSource, Floats, Rows, part
from service.engine.recipe.view import View, recoded


@dataclass(frozen=True, kw_only=True)
class BakedColumns:
    """Some rows of `source` after a recipe that was learned from `training`.

    `outcomes` and `others` (ids, case weights) are columns that no step touches. A level that the
    training rows did not have is missing, but not in `others`: they are shown as they are.
    """

    fitted: FittedRecipe
    training: ColumnSource
    source: ColumnSource
    rows: Rows
    outcomes: Sequence[str]
    others: Sequence[str] = ()

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self._view.n_rows

    def block(self, start: int, stop: int) -> BakedColumns:
        """Return the rows from the 0-based `start` to before `stop`."""
        return BakedColumns(
            fitted=self.fitted,
            training=self.training,
            source=self.source,
            rows=part(self.rows, start, stop, self.source.n_rows),
            outcomes=self.outcomes,
            others=self.others,
        )

    def types(self) -> dict[str, ColumnType]:
        """Return the columns' types by name, in the order in which R bakes them.

        That is: what was there but the outcomes, the outcomes, what steps made. Text and logical
        columns are factors then, except ids.
        """
        raw, outputs = set(self.fitted.inputs), self.fitted.outputs
        there = [name for name in outputs if name in raw]
        place = {name: at for at, name in enumerate(self.training.types)}
        for name in (name for name in self.others if name in self.source.types):
            behind = [at for at, other in enumerate(there) if place[other] > place[name]]
            there.insert(min(behind, default=len(there)), name)
        names = [
            *there,
            *(name for name in self.outcomes if name in self.source.types),
            *(name for name in outputs if name not in raw),
        ]
        kinds = self._kinds()
        return {name: self._type(name, kinds) for name in names}

    def numeric(self, name: str) -> Floats:
        """Return a column's numbers, float64 (rows,), NaN where missing; dates as days."""
        return self._view.numeric(name)

    def levels(self, name: str) -> Sequence[str]:
        """Return the levels that `codes` counts."""
        if name in self.others:
            return self.source.category_levels(name)
        if name in self.outcomes:
            return self.training.category_levels(name)
        return self._view.levels(name)

    def codes(self, name: str) -> Codes:
        """Return a nominal column's 0-based levels, int32 (rows,), below 0 where missing."""
        if name in self.others:
            return self.source.codes(name, self.rows)
        if name in self.outcomes:
            codes = self.source.codes(name, self.rows)
            return recoded(codes, self.source.category_levels(name), self.levels(name))
        return self._view.codes(name)

    @cached_property
    def _view(self) -> View:
        return View(self.source, self.fitted.steps, self.rows, self.fitted.levels)

    def _kinds(self) -> Mapping[str, Kind]:
        kinds: Mapping[str, Kind] = {
            name: kind_of(self.training.types[name]) for name in self.fitted.inputs
        }
        for step in self.fitted.steps:
            kinds = step.after(kinds)
        return kinds

    def _type(self, name: str, kinds: Mapping[str, Kind]) -> ColumnType:
        if name in kinds and any(step.writes(name) for step in self.fitted.steps):
            if kinds[name] == "numeric":
                return "numeric"
            learned = View(self.training, self.fitted.steps, None, self.fitted.levels)
            return "ordered" if learned.is_ordered(name) else "factor"
        kind = (self.source if name in self.others else self.training).types[name]
        is_factor = kind in ("text", "logical") and name not in self.others
        return "factor" if is_factor else kind
