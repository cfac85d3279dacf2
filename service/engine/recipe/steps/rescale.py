"""Steps that map columns to a range, or divide them by a constant: `range` and `divide`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.errors import InvalidData
from service.domain.recipe import Divide, Range
from service.domain.selectors import Kind, listed
from service.engine.recipe.moments import finite
from service.engine.recipe.source import Floats
from service.engine.recipe.step import (
    ColumnwiseStep,
    Learned,
    Linear,
    RecipeWarning,
    StepKind,
)
from service.engine.recipe.view import View


class Ranged(ColumnwiseStep):
    """`(x - low) * (max - min) / (high - low) + min`, then clipped to [min, max] if asked."""

    step: Literal["range"] = "range"
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    min: float
    max: float
    clipping: bool

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        new = values - self.lows[index]
        new *= self.max - self.min
        new /= self._width(index)
        new += self.min
        return np.clip(new, self.min, self.max, out=new) if self.clipping else new

    def linear(self, name: str) -> Linear | None:
        """Return a written column as a linear function of its own values, or None if it is none."""
        if self.clipping:
            return None
        index = self._index[name]
        scale = (self.max - self.min) / self._width(index)
        return Linear(scale, self.min - self.lows[index] * scale)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {
            "min": dict(zip(self.columns, self.lows, strict=True)),
            "max": dict(zip(self.columns, self.highs, strict=True)),
        }

    def _width(self, index: int) -> float:
        return self.highs[index] - self.lows[index] or 1.0


class Divided(ColumnwiseStep):
    """`x / by`."""

    step: Literal["divide"] = "divide"
    by: float

    def transform(self, index: int, values: Floats) -> Floats:  # noqa: ARG002
        """Return new values of column `index`; those given must not be written into."""
        return values / self.by

    def linear(self, name: str) -> Linear | None:  # noqa: ARG002
        """Return a written column as a linear function of its own values, or None if it is none."""
        return Linear(1 / self.by, 0.0)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"columns": list(self.columns), "by": self.by}


def learn_range(step: Range, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn the smallest and largest value, as recipes 1.0.4's `step_range`.

    With `clipping`, new data outside the training rows' range become `min` or `max`. Missing
    values are skipped and stay missing. Of a constant column R makes NaN (0/0); here the width is
    taken as 1 with the warning `zero_range`: the constant becomes `min`, and other values in new
    data keep their distance from it in units of `max - min`, clipped if asked. A column without
    values learns 0 as its constant.

    Raises:
        InvalidData: the width of a column's range is larger than a double can be.
    """
    lows: list[float] = []
    highs: list[float] = []
    constant: list[str] = []
    for name in columns:
        values = finite(training.numeric(name))
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        if not math.isfinite(high - low):
            raise InvalidData(
                f"Expected a range that a double can hold in column '{name}'. "
                f"Received values from {low} to {high}. Divide them first."
            )
        if low == high:
            constant.append(name)
        lows.append(low)
        highs.append(high)
    warnings: tuple[RecipeWarning, ...] = ()
    if constant:
        warning = RecipeWarning(
            step=step.step,
            columns=tuple(constant),
            code="zero_range",
            message=f"Expected columns that vary. Received {listed(constant)}, constant in the "
            f"training rows: they become {step.min:g}. A 'zv' step before this one drops them.",
        )
        warnings = (warning,)
    fitted = Ranged(
        columns=tuple(columns),
        lows=tuple(lows),
        highs=tuple(highs),
        min=step.min,
        max=step.max,
        clipping=step.clipping,
    )
    return Learned(fitted=fitted, warnings=warnings)


def learn_divide(step: Divide, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Learn nothing: the divisor is given. Division by 255 is exactly `x / 255`, not a product."""
    return Learned(fitted=Divided(columns=tuple(columns), by=step.by))


KINDS = (
    StepKind(Range, Ranged, learn_range),
    StepKind(Divide, Divided, learn_divide),
)
