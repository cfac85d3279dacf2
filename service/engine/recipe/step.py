"""What a fitted step is: what it makes of the columns, and of one column's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import JsonValue

from service.domain.schema import Spec, Value
from service.engine.recipe.source import Floats

if TYPE_CHECKING:
    from service.engine.recipe.view import View


class RecipeWarning(Value):
    """Something that a step could not do as asked, and what it did instead."""

    step: str
    columns: tuple[str, ...]
    code: str
    message: str


class Removal(Value):
    """A column that a step dropped, and why."""

    column: str
    step: str
    reason: str


class Linear(NamedTuple):
    """`after = before * scale + offset`."""

    scale: float
    offset: float


class FittedStep(Value):
    """A step with what it learned; a plain value, so that a fitted recipe is JSON.

    A step is asked for the values of one column at a time and asks the view before it for what it
    needs. So a column that reaches nothing costs nothing, and no step knows its neighbours.

    Values must be **row-wise**: a row's value may depend on that row and on what was learned, never
    on which other rows are baked with it. Elementwise arithmetic is; a product through BLAS is not,
    to the bit.
    """

    step: str

    def after(self, columns: Mapping[str, bool]) -> dict[str, bool]:
        """Return the columns after the step, in order, given those before: name to is numeric."""
        return dict(columns)

    def writes(self, name: str) -> bool:  # noqa: ARG002
        """Return whether the step makes or changes the column `name`."""
        return False

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        raise NotImplementedError(f"{self.step} writes no column '{name}'")

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        raise NotImplementedError(f"{self.step} writes no column '{name}'")

    def linear(self, name: str) -> Linear | None:  # noqa: ARG002
        """Return a written column as a linear function of its own values, or None if it is none."""
        return None

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        raise NotImplementedError


class ColumnwiseStep(FittedStep):
    """A step that changes some numeric columns, each from its own values alone."""

    columns: tuple[str, ...]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.columns)}

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self._index

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (name,)

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        values = before.numeric(name)
        # An overflow is no accident to warn of: bake refuses it, naming row and column.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.transform(self._index[name], values)

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        raise NotImplementedError


class DroppingStep(FittedStep):
    """A step that drops columns and changes none."""

    removed: tuple[str, ...]

    def after(self, columns: Mapping[str, bool]) -> dict[str, bool]:
        """Return the columns after the step, in order, given those before: name to is numeric."""
        dropped = set(self.removed)
        return {name: kind for name, kind in columns.items() if name not in dropped}

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"removed": list(self.removed)}


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What learning a step gives: the fitted step, why it drops what it drops, and warnings."""

    fitted: FittedStep
    reasons: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[RecipeWarning, ...] = ()


Learner = Callable[[Any, Mapping[str, bool], "View"], Learned]


class StepKind(NamedTuple):
    """One kind of step: what the client writes, what is kept, and how to learn it.

    `learn` is given the step's spec, the columns that its selectors mean (name to is numeric, in
    order), and a view of the training rows as the steps before leave them.
    """

    spec: type[Spec]
    fitted: type[FittedStep]
    learn: Learner
