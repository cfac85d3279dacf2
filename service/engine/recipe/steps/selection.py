"""Steps that keep or drop predictors by name: `select` and `remove`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from service.domain.recipe import Remove, Select
from service.domain.selectors import Kind
from service.engine.recipe.step import DroppingStep, FittedStep, Learned, StepKind
from service.engine.recipe.view import View


class Selected(FittedStep):
    """Keeps the named columns, in the order in which they were selected."""

    step: Literal["select"] = "select"
    columns: tuple[str, ...]

    def after(self, columns: Mapping[str, Kind]) -> dict[str, Kind]:
        """Return the columns after the step, in order, given those before: name to kind."""
        return {name: columns[name] for name in self.columns}

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"columns": list(self.columns)}


class Removed(DroppingStep):
    """Drops the named columns."""

    step: Literal["remove"] = "remove"


def learn_select(step: Select, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Keep the columns that the selectors mean, in their order, as recipes 1.0.4's `step_select`.

    Only predictors are touched: the outcome need not be named and is never dropped.
    """
    return Learned(fitted=Selected(columns=tuple(columns)))


def learn_remove(step: Remove, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Drop the columns that the selectors mean, as recipes 1.0.4's `step_rm`.

    Only predictors are touched: the outcome cannot be dropped.
    """
    return Learned(
        fitted=Removed(removed=tuple(columns)),
        reasons=dict.fromkeys(columns, "The step names it."),
    )


KINDS = (
    StepKind(Select, Selected, learn_select),
    StepKind(Remove, Removed, learn_remove),
)
