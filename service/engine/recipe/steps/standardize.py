"""Steps that move columns to mean 0 and sd 1: `normalize`, `center` and `scale`."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from service.domain.recipe import Center, Normalize, Scale
from service.domain.selectors import Kind, listed
from service.engine.recipe.moments import moments
from service.engine.recipe.source import Floats
from service.engine.recipe.step import (
    ColumnwiseStep,
    Learned,
    Linear,
    RecipeWarning,
    StepKind,
)
from service.engine.recipe.view import View


class Normalized(ColumnwiseStep):
    """`(x - mean) / sd`."""

    step: Literal["normalize"] = "normalize"
    means: tuple[float, ...]
    sds: tuple[float, ...]

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        new = values - self.means[index]
        new /= self.sds[index]
        return new

    def linear(self, name: str) -> Linear | None:
        """Return a written column as a linear function of its own values, or None if it is none."""
        mean, sd = self.means[self._index[name]], self.sds[self._index[name]]
        return Linear(1 / sd, -mean / sd)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"mean": _named(self.columns, self.means), "sd": _named(self.columns, self.sds)}


class Centered(ColumnwiseStep):
    """`x - mean`."""

    step: Literal["center"] = "center"
    means: tuple[float, ...]

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        return values - self.means[index]

    def linear(self, name: str) -> Linear | None:
        """Return a written column as a linear function of its own values, or None if it is none."""
        return Linear(1.0, -self.means[self._index[name]])

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"mean": _named(self.columns, self.means)}


class Scaled(ColumnwiseStep):
    """`x / divisor`, the divisor being 1 or 2 standard deviations."""

    step: Literal["scale"] = "scale"
    divisors: tuple[float, ...]

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        return values / self.divisors[index]

    def linear(self, name: str) -> Linear | None:
        """Return a written column as a linear function of its own values, or None if it is none."""
        return Linear(1 / self.divisors[self._index[name]], 0.0)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"divisor": _named(self.columns, self.divisors)}


def learn_normalize(step: Normalize, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn means and standard deviations (n-1), as recipes 1.0.4's `step_normalize`.

    Missing values are skipped and stay missing. A standard deviation below 2.2e-16 is taken as 1
    with the warning `zero_variance`, as R does: a constant becomes 0, and another value in new data
    its distance from the constant. With fewer than two values R's sd is NA and the column is lost;
    here sd is taken as 1 (and the mean of no values as 0) with the warning `too_few_values`.
    """
    means, sds, warnings = _learn(step.step, columns, training)
    return Learned(
        fitted=Normalized(columns=tuple(columns), means=means, sds=sds), warnings=warnings
    )


def learn_center(step: Center, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Learn means, as recipes 1.0.4's `step_center`; missing values are skipped and stay missing.

    The mean of no values is taken as 0: every value that is there in new data stays as it is.
    """
    means = [moments(training.column(name)).mean for name in columns]
    return Learned(
        fitted=Centered(
            columns=tuple(columns),
            means=tuple(0.0 if math.isnan(mean) else mean for mean in means),
        )
    )


def learn_scale(step: Scale, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn `factor` times the standard deviation (n-1), as recipes 1.0.4's `step_scale`.

    A constant column, and one of fewer than two values, is divided by 1; see `learn_normalize`.
    """
    _, sds, warnings = _learn(step.step, columns, training)
    undefined = {name for warning in warnings for name in warning.columns}
    divisors = tuple(
        sd if name in undefined else sd * step.factor for name, sd in zip(columns, sds, strict=True)
    )
    return Learned(fitted=Scaled(columns=tuple(columns), divisors=divisors), warnings=warnings)


def _learn(
    step: str, columns: Mapping[str, Kind], training: View
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[RecipeWarning, ...]]:
    means: list[float] = []
    sds: list[float] = []
    constant: list[str] = []
    short: list[str] = []
    for name in columns:
        found = moments(training.column(name))
        if found.n < 2:
            short.append(name)
        elif found.sd < sys.float_info.epsilon:
            constant.append(name)
        means.append(found.mean if found.n else 0.0)
        sds.append(found.sd if found.sd >= sys.float_info.epsilon else 1.0)
    warnings = []
    if constant:
        warnings.append(
            RecipeWarning(
                step=step,
                columns=tuple(constant),
                code="zero_variance",
                message=f"Expected columns that vary. Received {listed(constant)}, constant in the "
                "training rows: the sd is taken as 1. A 'zv' step before this one drops them.",
            )
        )
    if short:
        warnings.append(
            RecipeWarning(
                step=step,
                columns=tuple(short),
                code="too_few_values",
                message="Expected at least two values that are not missing. Received fewer in "
                f"{listed(short)}: the sd is taken as 1. A 'zv' step before this one drops them.",
            )
        )
    return tuple(means), tuple(sds), tuple(warnings)


def _named(columns: tuple[str, ...], values: tuple[float, ...]) -> dict[str, JsonValue]:
    return dict(zip(columns, values, strict=True))


KINDS = (
    StepKind(Normalize, Normalized, learn_normalize),
    StepKind(Center, Centered, learn_center),
    StepKind(Scale, Scaled, learn_scale),
)
