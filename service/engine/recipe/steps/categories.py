"""Steps that change the levels of factors: `novel`, `unknown` and `other`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import JsonValue

from service.domain.errors import FieldError, InvalidData
from service.domain.recipe import Novel, Other, Unknown
from service.domain.selectors import Kind, listed
from service.engine.recipe.source import Codes
from service.engine.recipe.step import FittedStep, Learned, StepKind
from service.engine.recipe.view import MISSING, UNSEEN, View


class _Relevelled(FittedStep):
    # The levels after the step; the last of them is the step's own.
    levels_of: dict[str, tuple[str, ...]]

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self.levels_of

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (name,)

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels after the step of a nominal column which it writes."""
        return self.levels_of[name]

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"levels": {name: list(levels) for name, levels in self.levels_of.items()}}

    def _own(self, name: str) -> np.int32:
        return np.int32(len(self.levels_of[name]) - 1)


class NovelLevel(_Relevelled):
    """A level of its own for what the training rows did not have."""

    keeps_order: ClassVar[bool] = True

    step: Literal["novel"] = "novel"

    def takes_new_levels(self, name: str) -> bool:
        """Return whether the step gives a level that training rows did not have its place."""
        return name in self.levels_of

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes."""
        codes = before.codes(name)
        return np.where(codes == UNSEEN, self._own(name), codes)


class UnknownLevel(_Relevelled):
    """A level of its own for what is missing."""

    keeps_order: ClassVar[bool] = True

    step: Literal["unknown"] = "unknown"

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes."""
        codes = before.codes(name)
        return np.where(codes == MISSING, self._own(name), codes)


class OtherLevel(_Relevelled):
    """One level for all that were rare in the training rows, or not among them."""

    step: Literal["other"] = "other"
    # For each level before the step its place after it.
    places: dict[str, tuple[int, ...]]

    def takes_new_levels(self, name: str) -> bool:
        """Return whether the step gives a level that training rows did not have its place."""
        return name in self.levels_of

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes."""
        table = np.array([*self.places[name], self._own(name), MISSING], dtype=np.int32)
        # Codes -2 and -1 read the last two.
        return table[before.codes(name)]


def learn_novel(step: Novel, columns: Mapping[str, Kind], training: View) -> Learned:
    """Add a level for those that training rows did not have, as recipes 1.0.4's `step_novel`.

    A factor's declared levels are known ones, whether or not the training rows have them.

    Raises:
        InvalidData: a column has such a level already.
    """
    return Learned(fitted=NovelLevel(levels_of=_longer(step, step.new_level, columns, training)))


def learn_unknown(step: Unknown, columns: Mapping[str, Kind], training: View) -> Learned:
    """Add a level for missing values, as recipes 1.0.4's `step_unknown`.

    A level that training rows did not have stays without a place; `novel` before it gives it one.

    Raises:
        InvalidData: a column has such a level already.
    """
    return Learned(fitted=UnknownLevel(levels_of=_longer(step, step.new_level, columns, training)))


def learn_other(step: Other, columns: Mapping[str, Kind], training: View) -> Learned:
    """Pool rare levels, as recipes 1.0.4's `step_other`.

    A level is rare whose share of the values that are not missing, or from a threshold of 1 on
    whose count, is below `threshold`. If all are, the most common one is kept. A column without
    rare levels is left alone, new levels in it too; otherwise a new level counts as rare.

    Raises:
        InvalidData: a level that is kept has the name of the pool.
    """
    levels_of: dict[str, tuple[str, ...]] = {}
    places: dict[str, tuple[int, ...]] = {}
    for name in columns:
        levels, codes = training.levels(name), training.codes(name)
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        amounts = counts / max(int(counts.sum()), 1) if step.threshold < 1 else counts
        kept = np.flatnonzero(amounts >= step.threshold).tolist()
        if len(kept) == len(levels):
            continue
        kept = kept or [int(counts.argmax())]
        keeps = [levels[code] for code in kept]
        if step.other in keeps:
            raise _taken(step.step, step.other, [name])
        levels_of[name] = (*keeps, step.other)
        place = {code: index for index, code in enumerate(kept)}
        places[name] = tuple(place.get(code, len(kept)) for code in range(len(levels)))
    return Learned(fitted=OtherLevel(levels_of=levels_of, places=places))


def _longer(
    step: Novel | Unknown, level: str, columns: Mapping[str, Kind], training: View
) -> dict[str, tuple[str, ...]]:
    levels = {name: training.levels(name) for name in columns}
    taken = [name for name, known in levels.items() if level in known]
    if taken:
        raise _taken(step.step, level, taken)
    return {name: (*known, level) for name, known in levels.items()}


def _taken(step: str, level: str, names: Sequence[str]) -> InvalidData:
    detail = (
        f"Expected a new level in step '{step}'. Received '{level[:64]}', which {listed(names)} "
        "already has. Choose another name."
    )
    return InvalidData(detail, errors=[FieldError(loc=("recipe",), msg=detail, received=level)])


KINDS = (
    StepKind(Novel, NovelLevel, learn_novel),
    StepKind(Unknown, UnknownLevel, learn_unknown),
    StepKind(Other, OtherLevel, learn_other),
)
