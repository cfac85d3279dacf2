"""A step that leaves of a row its direction: `spatialsign`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.recipe import SpatialSign
from service.domain.selectors import Kind
from service.engine.recipe.source import Floats
from service.engine.recipe.step import FittedStep, Learned, StepKind
from service.engine.recipe.view import View


class Directions(FittedStep):
    """`x / sqrt(sum over columns of x^2)`."""

    step: Literal["spatialsign"] = "spatialsign"
    columns: tuple[str, ...]
    na_rm: bool

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self.columns

    def reads(self, name: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return the columns before the step that a column which it writes is computed from."""
        return self.columns

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        lengths = before.once(self.step, lambda: self._lengths(before))
        with np.errstate(divide="ignore", invalid="ignore"):
            return before.numeric(name) / lengths

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"columns": list(self.columns)}

    def _lengths(self, before: View) -> Floats:
        squares = np.zeros(before.n_rows)
        with np.errstate(over="ignore"):
            for name in self.columns:
                values = before.numeric(name)
                squares += np.where(np.isnan(values), 0.0, values**2) if self.na_rm else values**2
        lengths = np.sqrt(squares)
        return np.where(lengths == 0, 1.0, lengths)


def learn_spatialsign(step: SpatialSign, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Learn nothing, as recipes 1.0.4's `step_spatialsign` (Serneels et al., 2006).

    A row of zeros is 0/0 in R; here it stays zeros. With `na_rm` a missing value stays missing and
    adds nothing to the row's length; without, it makes the whole row missing.
    """
    return Learned(fitted=Directions(columns=tuple(columns), na_rm=step.na_rm))


KINDS = (StepKind(SpatialSign, Directions, learn_spatialsign),)
