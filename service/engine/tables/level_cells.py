"""Columns of text cells that are declared as factors."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from service.domain.datasets import MAX_LEVELS, ColumnOptions
from service.domain.names import did_you_mean
from service.engine.tables.cells import codes, sorted_levels
from service.engine.tables.refusals import bad_column, bad_value, shown
from service.engine.tables.storage import ColumnPlan


class LevelCells:
    """Declared factor or ordered; without levels, they are the distinct values of all rows."""

    def __init__(self, name: str, option: ColumnOptions) -> None:
        """Read the column `name`, declared as `option` says."""
        self._name, self._type = name, option.type
        self._levels = None if option.levels is None else tuple(option.levels)
        self._distinct: set[str] = set()
        self.needs_all = self._levels is None

    def observe(self, block: Any, row: int, /) -> None:
        """Take note of a block's levels, or refuse one that is not declared."""
        if self._levels is not None:
            self._coded(block, row, self._levels)
            return
        self._distinct.update(block.unique().drop_null().to_pylist())
        if len(self._distinct) > MAX_LEVELS:
            raise bad_column(
                self._name,
                f"at most {MAX_LEVELS} distinct values, as its declared type is {self._type}",
                "more",
                "Declare it text or numeric.",
            )

    def plan(self, _complete: bool, /) -> ColumnPlan:
        """Return the one plan that there is."""
        levels = self._levels
        if levels is None:
            levels = sorted_levels(list(self._distinct))
        return ColumnPlan(name=self._name, type=self._type, storage="codes", levels=levels)

    def convert(self, block: Any, row: int, plan: ColumnPlan, /) -> Any:
        """Return the block as codes."""
        return self._coded(block, row, plan.levels or ())

    def _coded(self, block: Any, row: int, levels: tuple[str, ...]) -> Any:
        found = codes(block, levels)
        if found.null_count == block.null_count:
            return found
        outside = pc.and_(found.is_null(), block.is_valid())
        at = pc.index(outside, True).as_py()
        value = block[at].as_py()
        raise bad_value(
            row + at,
            self._name,
            f"one of its {len(levels)} declared levels",
            shown(value),
            f"Add the level, or correct the value.{did_you_mean(value, levels)}",
        )
