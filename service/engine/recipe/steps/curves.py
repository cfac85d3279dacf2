"""Steps that put columns through a fixed curve: `log`, `sqrt`, `inverse` and `logit`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.recipe import Inverse, Log, Logit, Sqrt
from service.domain.selectors import Kind, listed
from service.engine.recipe.coded import Coded
from service.engine.recipe.source import Floats
from service.engine.recipe.step import ColumnwiseStep, Learned, RecipeWarning, StepKind
from service.engine.recipe.view import View


class _Curve(ColumnwiseStep):
    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        arguments = self.model_dump(mode="json", exclude={"step", "columns"})
        return {"columns": list(self.columns), **arguments}

    def column(self, name: str, before: View) -> Floats | Coded:
        """Return what `numeric` does, coded where the values before the step are."""
        with np.errstate(divide="ignore"):
            return super().column(name, before)


class Logged(_Curve):
    """`log(x + offset)` to a base; signed, `sign(x) log|x|` from 1 on and 0 below."""

    step: Literal["log"] = "log"
    base: float
    offset: float
    signed: bool

    def transform(self, index: int, values: Floats) -> Floats:  # noqa: ARG002
        """Return new values of column `index`; those given must not be written into."""
        if not self.signed:
            return self._logarithm(values + self.offset)
        size = np.abs(values)
        # A missing value is not below 1 and stays missing.
        return np.where(size < 1, 0.0, np.sign(values) * self._logarithm(size))

    def _logarithm(self, values: Floats) -> Floats:
        if self.base == 2:
            return np.log2(values)
        if self.base == 10:
            return np.log10(values)
        return np.log(values) / math.log(self.base)


class Rooted(_Curve):
    """`sqrt(x)`."""

    step: Literal["sqrt"] = "sqrt"

    def transform(self, index: int, values: Floats) -> Floats:  # noqa: ARG002
        """Return new values of column `index`; those given must not be written into."""
        return np.sqrt(values)


class Inverted(_Curve):
    """`1 / (x + offset)`."""

    step: Literal["inverse"] = "inverse"
    offset: float

    def transform(self, index: int, values: Floats) -> Floats:  # noqa: ARG002
        """Return new values of column `index`; those given must not be written into."""
        return np.asarray(1 / (values + self.offset), dtype=np.float64)


class Logits(_Curve):
    """`log(x / (1 - x))` after 0 has become `offset` and 1 become `1 - offset`."""

    step: Literal["logit"] = "logit"
    offset: float

    def transform(self, index: int, values: Floats) -> Floats:  # noqa: ARG002
        """Return new values of column `index`; those given must not be written into."""
        x = np.where(values == 1, values - self.offset, values)
        x = np.where(values == 0, self.offset, x)
        return np.asarray(np.log(x / (1 - x)), dtype=np.float64)


def learn_log(step: Log, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn nothing, as recipes 1.0.4's `step_log`.

    Of 0 or less R makes -Inf or NaN, with a warning of base R for the latter; here the warning is
    `not_finite`, and a row with such a value is refused before it reaches the network.
    """
    warnings: tuple[RecipeWarning, ...] = ()
    if step.signed and step.offset != 0:
        warning = RecipeWarning(
            step=step.step,
            columns=tuple(columns),
            code="offset_ignored",
            message=f"Expected no offset with `signed`. Received {step.offset:g}: it is ignored.",
        )
        warnings = (warning,)
    fitted = Logged(
        columns=tuple(columns),
        base=step.base,
        offset=0.0 if step.signed else step.offset,
        signed=step.signed,
    )
    learned = _learned(fitted, columns, training, "values above 0 after the offset")
    return Learned(fitted=fitted, warnings=(*warnings, *learned.warnings))


def learn_sqrt(step: Sqrt, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Learn nothing, as recipes 1.0.4's `step_sqrt`; of negative values see `learn_log`."""
    fitted = Rooted(columns=tuple(columns))
    return _learned(fitted, columns, training, "values from 0 on")


def learn_inverse(step: Inverse, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn nothing, as recipes 1.0.4's `step_inverse`; of 0 R makes Inf, see `learn_log`."""
    fitted = Inverted(columns=tuple(columns), offset=step.offset)
    return _learned(fitted, columns, training, "values that are not 0 after the offset")


def learn_logit(step: Logit, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn nothing, as recipes 1.0.4's `step_logit`.

    A value outside 0..1 ends R's `prep` and `bake` with an error; here it is a value that is not
    finite, see `learn_log`: the row is named when it would reach the network.
    """
    fitted = Logits(columns=tuple(columns), offset=step.offset)
    return _learned(fitted, columns, training, "values between 0 and 1")


def _learned(
    fitted: _Curve,
    columns: Mapping[str, Kind],
    training: View,
    expected: str,
) -> Learned:
    lost = [name for name in columns if _loses(fitted.numeric, name, training)]
    if not lost:
        return Learned(fitted=fitted)
    warning = RecipeWarning(
        step=fitted.step,
        columns=tuple(lost),
        code="not_finite",
        message=f"Expected {expected}. Received others in {listed(lost)}: what becomes of them is "
        "no finite number.",
    )
    return Learned(fitted=fitted, warnings=(warning,))


def _loses(numeric: Callable[[str, View], Floats], name: str, training: View) -> bool:
    before = training.numeric(name)
    return bool((np.isfinite(before) & ~np.isfinite(numeric(name, training))).any())


KINDS = (
    StepKind(Log, Logged, learn_log),
    StepKind(Sqrt, Rooted, learn_sqrt),
    StepKind(Inverse, Inverted, learn_inverse),
    StepKind(Logit, Logits, learn_logit),
)
