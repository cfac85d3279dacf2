"""A step that cuts columns of numbers into factors: `discretize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.column_names import make_names, numbered
from service.domain.recipe import Discretize
from service.domain.selectors import Kind, listed
from service.engine.recipe.moments import present
from service.engine.recipe.quantiles import quantiles
from service.engine.recipe.source import Codes
from service.engine.recipe.step import FittedStep, Learned, RecipeWarning, StepKind
from service.engine.recipe.view import MISSING, View


class Binned(FittedStep):
    """A level for each interval, open below and closed above; the outer ones have no end."""

    step: Literal["discretize"] = "discretize"
    breaks: dict[str, tuple[float, ...]]
    levels_of: dict[str, tuple[str, ...]]

    def after(self, columns: Mapping[str, Kind]) -> dict[str, Kind]:
        """Return the columns after the step, in order, given those before: name to kind."""
        return {name: "nominal" if name in self.breaks else kind for name, kind in columns.items()}

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self.breaks

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (name,)

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes."""
        values = before.numeric(name)
        # A level for missing values comes first, where there is one.
        own = len(self.levels_of[name]) > len(self.breaks[name]) + 1
        codes = np.searchsorted(np.array(self.breaks[name]), values, side="left") + own
        return np.where(np.isnan(values), 0 if own else MISSING, codes).astype(np.int32)

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels after the step of a nominal column which it writes."""
        return self.levels_of[name]

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {
            "breaks": {name: list(inner) for name, inner in self.breaks.items()},
            "levels": {name: list(levels) for name, levels in self.levels_of.items()},
        }


def learn_discretize(step: Discretize, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn quantiles, as recipes 1.0.4's `step_discretize`.

    `num_breaks` intervals at quantiles of type 7, named `prefix` and a number. Equal quantiles
    count once, with the warning `fewer_breaks`. A column with fewer distinct values than
    `min_unique` times `num_breaks + 1` stays numeric, with the warning `not_binned`. Missing values
    become `prefix_missing` when training rows had some; otherwise they stay missing. (R then adds
    that level to the rows that it bakes, where no later step knows it: it comes to the same.)
    """
    prefix = make_names(step.prefix)
    breaks: dict[str, tuple[float, ...]] = {}
    levels_of: dict[str, tuple[str, ...]] = {}
    fewer: list[str] = []
    for name in columns:
        values = training.numeric(name)
        x = present(values)
        lacks = len(x) < len(values)
        if (len(np.unique(x)) + lacks) / (step.num_breaks + 1) < step.min_unique:
            continue
        probs = np.linspace(0, 1, step.num_breaks + 1).tolist()
        cuts = tuple(dict.fromkeys(quantiles(x, probs)))
        if len(cuts) <= step.num_breaks:
            fewer.append(name)
        breaks[name] = cuts[1:-1]
        missing = (f"{prefix}_missing",) if lacks else ()
        levels_of[name] = (*missing, *numbered(len(breaks[name]) + 1, prefix))
    left = [name for name in columns if name not in breaks]
    warnings = []
    if left:
        message = (
            f"Expected at least {step.min_unique * (step.num_breaks + 1)} distinct values. "
            f"Received fewer in {listed(left)}: they stay numeric. Lower `min_unique`."
        )
        warnings.append(
            RecipeWarning(step=step.step, columns=tuple(left), code="not_binned", message=message)
        )
    if fewer:
        message = (
            f"Expected {step.num_breaks} intervals that differ. Received equal quantiles in "
            f"{listed(fewer)}: they have fewer."
        )
        warnings.append(
            RecipeWarning(
                step=step.step, columns=tuple(fewer), code="fewer_breaks", message=message
            )
        )
    return Learned(fitted=Binned(breaks=breaks, levels_of=levels_of), warnings=tuple(warnings))


KINDS = (StepKind(Discretize, Binned, learn_discretize),)
