"""A recipe with all that its steps learned: a value, and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny

from service.domain.schema import Value
from service.engine.recipe.registry import STEP_KINDS
from service.engine.recipe.step import FittedStep, RecipeWarning, Removal


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping):
        return STEP_KINDS[value["step"]].fitted.model_validate(value)
    return value


AnyFittedStep = Annotated[SerializeAsAny[FittedStep], BeforeValidator(_restored)]


class FittedRecipe(Value):
    """What `prep` learned.

    `inputs` are the raw predictors that it was prepared on and `outputs` the baked ones, both in
    order. `levels` are those of the nominal inputs that are read, as the training rows had them.
    """

    inputs: tuple[str, ...]
    steps: tuple[AnyFittedStep, ...]
    outputs: tuple[str, ...]
    levels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    removed: tuple[Removal, ...] = ()
    warnings: tuple[RecipeWarning, ...] = ()

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The raw columns that an output is computed from, in the order of `inputs`.

        A column that `zv` dropped is not among them, nor one that some step changed and a later one
        dropped: new data need not have it.
        """
        read: set[str] = set()
        for name in self.outputs:
            read |= self._reached(name)
        return tuple(name for name in self.inputs if name in read)

    @cached_property
    def takes_new_levels(self) -> tuple[str, ...]:
        """The nominal inputs in which a level that training rows did not have has its place."""
        return tuple(
            name for name in self.levels if any(step.takes_new_levels(name) for step in self.steps)
        )

    def origins(self, output: str) -> tuple[str, ...]:
        """Return the raw columns that an output is computed from, in the order of `inputs`."""
        read = self._reached(output)
        return tuple(name for name in self.inputs if name in read)

    def _reached(self, output: str) -> set[str]:
        pending = {output}
        for step in reversed(self.steps):
            written = {wanted for wanted in pending if step.writes(wanted)}
            pending -= written
            for wanted in written:
                pending.update(step.reads(wanted))
        return pending

    def to_json(self) -> str:
        """Return the recipe as JSON; every float survives the way there and back to the bit."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> FittedRecipe:
        """Return the recipe that `to_json` wrote.

        Raises:
            ValueError: the text is none that `to_json` wrote.
        """
        return cls.model_validate_json(text)
