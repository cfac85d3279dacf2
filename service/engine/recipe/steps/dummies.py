"""A step that turns factors into columns of numbers: `dummy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.column_names import dummy_names
from service.domain.errors import FieldError, InvalidData
from service.domain.recipe import Dummy
from service.domain.schema import MAX_COLUMNS
from service.domain.selectors import Kind
from service.engine.recipe.coded import Coded, Places, spread
from service.engine.recipe.source import Floats
from service.engine.recipe.step import Learned, MakingStep, StepKind
from service.engine.recipe.view import View


class Dummies(MakingStep):
    """Columns that are 1 at one level and 0 at others, or an ordered factor's contrasts."""

    step: Literal["dummy"] = "dummy"
    # Of each new column the factor, and the level's code at which it is 1.
    factors: tuple[str, ...]
    codes_of: tuple[int, ...]
    n_levels: dict[str, int]
    # Of an ordered factor's columns the value at each level, instead.
    contrasts: dict[str, tuple[float, ...]]

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (self.factors[self._place[name]],)

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        return spread(self.column(name, before))

    def column(self, name: str, before: View) -> Coded:
        """Return what `numeric` does, as the value at each level and each row's level."""
        place = self._place[name]
        factor = self.factors[place]
        # Codes -2 and -1, unseen and missing, become places 0 and 1.
        values = np.zeros(self.n_levels[factor] + 2)
        values[:2] = np.nan
        if name in self.contrasts:
            values[2:] = self.contrasts[name]
        else:
            values[2 + self.codes_of[place]] = 1
        # A factor's columns stand side by side: its codes are worked out once.
        places = before.lately(
            factor, lambda: Places(np.add(before.codes(factor), 2, dtype=np.intp))
        )
        return Coded(values=values, places=places)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        made: dict[str, list[JsonValue]] = {}
        for name, factor in zip(self.made, self.factors, strict=True):
            made.setdefault(factor, []).append(name)
        return {"columns": dict(made)}


def learn_dummy(step: Dummy, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn the levels, as recipes 1.0.4's `step_dummy`.

    Treatment contrasts: one column a level but the first, one a level with `one_hot`. An ordered
    factor has polynomial contrasts (`contr.poly`) and columns that are numbered. A missing value
    and a level that training rows did not have are missing in all of them.

    Raises:
        InvalidData: a factor of a single level, or of too many.
    """
    made: list[str] = []
    factors: list[str] = []
    codes_of: list[int] = []
    contrasts: dict[str, tuple[float, ...]] = {}
    for factor in columns:
        levels = training.levels(factor)
        _require_levels(factor, len(levels), len(made))
        ordered = training.is_ordered(factor)
        names = dummy_names(factor, levels, ordered=ordered, one_hot=step.one_hot)
        made += names
        factors += [factor] * len(names)
        codes_of += range(len(levels) - len(names), len(levels))
        if ordered and not step.one_hot:
            contrasts.update(zip(names, _polynomial(len(levels)), strict=True))
    return Learned(
        fitted=Dummies(
            made=tuple(made),
            dropped=() if step.keep_original_cols else tuple(columns),
            factors=tuple(factors),
            codes_of=tuple(codes_of),
            n_levels={factor: len(training.levels(factor)) for factor in columns},
            contrasts=contrasts,
        ),
        reasons=dict.fromkeys(columns, "Columns for its levels replace it."),
    )


def _polynomial(levels: int) -> list[tuple[float, ...]]:
    """Return R's `contr.poly(levels)` by columns: orthonormal, of degree 1, 2, ..."""
    scores = np.arange(1.0, levels + 1) - (levels + 1) / 2
    q, r = np.linalg.qr(np.vander(scores, increasing=True))
    # A sign that makes the highest power's part positive, as R's product with the diagonal does.
    return [tuple((q[:, k] * np.sign(r[k, k])).tolist()) for k in range(1, levels)]


def _require_levels(factor: str, levels: int, made: int) -> None:
    if levels < 2:
        detail = (
            f"Expected at least two levels of '{factor}' in step 'dummy'. Received {levels}. "
            "A 'zv' step before this one drops such columns, if they are constant."
        )
    elif made + levels > MAX_COLUMNS:
        detail = (
            f"Expected at most {MAX_COLUMNS} columns from step 'dummy'. Received '{factor}' with "
            f"{levels} levels. An 'other' step before this one pools rare levels."
        )
    else:
        return
    raise InvalidData(detail, errors=[FieldError(loc=("recipe",), msg=detail, received=factor)])


KINDS = (StepKind(Dummy, Dummies, learn_dummy),)
