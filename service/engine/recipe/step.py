"""What a fitted step is: what it makes of the columns, and of one column's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.domain.column_names import require_new
from service.domain.schema import Spec, Value
from service.domain.selectors import Kind
from service.engine.recipe.coded import Coded, spread
from service.engine.recipe.source import Codes, Floats

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

    # Whether a column of whole numbers that the step changes still is one, as in R.
    keeps_integers: ClassVar[bool] = False
    # The same of an ordered factor.
    keeps_order: ClassVar[bool] = False

    step: str

    def after(self, columns: Mapping[str, Kind]) -> dict[str, Kind]:
        """Return the columns after the step, in order, given those before: name to kind."""
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

    def column(self, name: str, before: View) -> Floats | Coded:
        """Return what `numeric` does, coded where the step knows that few values are different."""
        return self.numeric(name, before)

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes.

        int32 (rows,), -1 where missing, -2 for a level that is none of `levels`.
        """
        raise NotImplementedError(f"{self.step} writes no categories into '{name}'")

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels after the step of a nominal column which it writes."""
        raise NotImplementedError(f"{self.step} writes no categories into '{name}'")

    def makes_ordered(self, name: str) -> bool:  # noqa: ARG002
        """Return whether a nominal column which the step writes is ordered, whatever it was."""
        return False

    def takes_new_levels(self, name: str) -> bool:  # noqa: ARG002
        """Return whether the step gives a level that training rows did not have its place."""
        return False

    def keeps(self, before: View) -> NDArray[np.bool_] | None:  # noqa: ARG002
        """Return which training rows the step leaves for those after it, None for all."""
        return None

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
        return spread(self.column(name, before))

    def column(self, name: str, before: View) -> Floats | Coded:
        """Return what `numeric` does, coded where the values before the step are."""
        given, index = before.column(name), self._index[name]
        # An overflow is no accident to warn of: bake refuses it, naming row and column.
        with np.errstate(over="ignore", invalid="ignore"):
            if isinstance(given, Coded):
                return Coded(values=self.transform(index, given.values), places=given.places)
            # numpy may compute logarithms of strided values by other code, with other bits.
            return self.transform(index, np.ascontiguousarray(given))

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`, each of its value alone; write into none given."""
        raise NotImplementedError


class MakingStep(FittedStep):
    """A step that puts new columns behind those that are there, and may drop some.

    `made` are the new columns, `dropped` those that they replace.
    """

    made: tuple[str, ...]
    dropped: tuple[str, ...]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.made)}

    def after(self, columns: Mapping[str, Kind]) -> dict[str, Kind]:
        """Return the columns after the step, in order, given those before: name to kind.

        Raises:
            InvalidSpec: a new column has the name of another.
        """
        gone = set(self.dropped)
        left = {name: kind for name, kind in columns.items() if name not in gone}
        require_new(self.step, self.made, left)
        return left | {name: self.kind_of_made(name) for name in self.made}

    def kind_of_made(self, name: str) -> Kind:  # noqa: ARG002
        """Return the kind of a new column."""
        return "numeric"

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self._place


class DroppingStep(FittedStep):
    """A step that drops columns and changes none."""

    removed: tuple[str, ...]

    def after(self, columns: Mapping[str, Kind]) -> dict[str, Kind]:
        """Return the columns after the step, in order, given those before: name to kind."""
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


Learner = Callable[[Any, Mapping[str, Kind], "View"], Learned]


class StepKind(NamedTuple):
    """One kind of step: what the client writes, what is kept, and how to learn it.

    `learn` is given the step's spec, the columns that its selectors mean (name to kind, in
    order), and a view of the training rows as the steps before leave them.
    """

    spec: type[Spec]
    fitted: type[FittedStep]
    learn: Learner
