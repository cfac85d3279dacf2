"""Steps that multiply and divide columns by one another: `interact` and `ratio`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.column_names import ratio_name
from service.domain.recipe import Interact, Ratio
from service.domain.selectors import Kind
from service.engine.recipe.source import Floats
from service.engine.recipe.step import Learned, MakingStep, StepKind
from service.engine.recipe.view import View


class Products(MakingStep):
    """The product of some columns, for each new column."""

    step: Literal["interact"] = "interact"
    terms: tuple[tuple[str, ...], ...]

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return self.terms[self._place[name]]

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        first, *others = self.terms[self._place[name]]
        product = before.numeric(first)
        with np.errstate(over="ignore", invalid="ignore"):
            for other in others:
                product = product * before.numeric(other)
        return product

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"terms": {n: list(t) for n, t in zip(self.made, self.terms, strict=True)}}


class Ratios(MakingStep):
    """`x / y`, for each new column."""

    step: Literal["ratio"] = "ratio"
    pairs: tuple[tuple[str, str], ...]

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return self.pairs[self._place[name]]

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        above, below = self.pairs[self._place[name]]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return before.numeric(above) / before.numeric(below)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"pairs": {n: list(pair) for n, pair in zip(self.made, self.pairs, strict=True)}}


def learn_interact(step: Interact, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Learn which columns the selectors mean, as recipes 1.0.4's `step_interact`.

    The factors of a product are named in the order of the term, with `sep` between them (R puts
    backticks around names that are not syntactic; here they are left out). R multiplies a factor's
    dummy columns, with a warning that it should not be done; here a nominal column is refused: put
    `dummy` before.

    Raises:
        InvalidSpec: a column that is not there or not numeric, or a name that is taken.
    """
    terms = training.stage.interactions(step)
    return Learned(
        fitted=Products(made=tuple(step.sep.join(t) for t in terms), dropped=(), terms=terms)
    )


def learn_ratio(step: Ratio, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn which columns the selectors mean, as recipes 1.0.4's `step_ratio`.

    Every selected column over every one of `denom` but itself; the numerators run fastest. What is
    divided by 0 is infinite and refused before it reaches the network.

    Raises:
        InvalidSpec: a column that is not there or not numeric, or a name that is taken.
    """
    below = training.stage.others(step, "denom", step.selects)
    pairs = tuple((top, bottom) for bottom in below for top in columns if top != bottom)
    used = tuple(dict.fromkeys((*columns, *below)))
    return Learned(
        fitted=Ratios(
            made=tuple(ratio_name(top, bottom) for top, bottom in pairs),
            dropped=() if step.keep_original_cols else used,
            pairs=pairs,
        ),
        reasons=dict.fromkeys(used, "Ratios replace it."),
    )


KINDS = (
    StepKind(Interact, Products, learn_interact),
    StepKind(Ratio, Ratios, learn_ratio),
)
