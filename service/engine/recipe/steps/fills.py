"""Steps that fill in one value a column: `impute_mean`, `_median` and `_mode`; `impute_lower`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import JsonValue

from service.domain.errors import FieldError, InvalidData
from service.domain.recipe import ImputeLower, ImputeMean, ImputeMedian, ImputeMode
from service.domain.selectors import Kind, listed
from service.engine.recipe.moments import finite, moments
from service.engine.recipe.source import Codes, Floats
from service.engine.recipe.step import (
    ColumnwiseStep,
    FittedStep,
    Learned,
    RecipeWarning,
    StepKind,
)
from service.engine.recipe.view import MISSING, View


class _Filled(ColumnwiseStep):
    keeps_integers: ClassVar[bool] = True

    values: tuple[float, ...]

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        missing = np.isnan(values)
        return np.where(missing, self.values[index], values) if missing.any() else values

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"value": dict(zip(self.columns, self.values, strict=True))}


class FilledMean(_Filled):
    """The training rows' mean where a value is missing."""

    step: Literal["impute_mean"] = "impute_mean"


class FilledMedian(_Filled):
    """The training rows' median where a value is missing."""

    step: Literal["impute_median"] = "impute_median"


class FilledMode(FittedStep):
    """The training rows' most common level where a value is missing."""

    keeps_order: ClassVar[bool] = True

    step: Literal["impute_mode"] = "impute_mode"
    modes: dict[str, int]
    levels_of: dict[str, tuple[str, ...]]

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self.modes

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (name,)

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes."""
        codes = before.codes(name)
        return np.where(codes == MISSING, np.int32(self.modes[name]), codes)

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels after the step of a nominal column which it writes."""
        return self.levels_of[name]

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"value": {name: self.levels_of[name][code] for name, code in self.modes.items()}}


class RaisedLower(ColumnwiseStep):
    """Half the training rows' minimum in place of values that are not above it."""

    step: Literal["impute_lower"] = "impute_lower"
    thresholds: tuple[float, ...]

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        threshold = self.thresholds[index]
        return np.where(values <= threshold, threshold / 2, values)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"threshold": dict(zip(self.columns, self.thresholds, strict=True))}


def learn_mean(step: ImputeMean, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn means, as recipes 1.0.4's `step_impute_mean`; of whole numbers rounded, half to even.

    `trim` is R's `mean(x, trim)`: floor(n * trim) values less at either end, the median from .5 on.
    (recipes drops one at either end too where that is none.) A column without values is left as it
    is, with the warning `no_values`.
    """

    def mean(x: Floats) -> float:
        if step.trim >= 0.5:
            return float(np.median(x))
        out = math.floor(len(x) * step.trim)
        return moments(np.sort(x)[out : len(x) - out] if out else x).mean

    names, values, warnings = _learn(step.step, columns, training, mean)
    return Learned(fitted=FilledMean(columns=names, values=values), warnings=warnings)


def learn_median(step: ImputeMedian, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn medians, as recipes 1.0.4's `step_impute_median`; see `learn_mean`."""
    names, values, warnings = _learn(step.step, columns, training, lambda x: float(np.median(x)))
    return Learned(fitted=FilledMedian(columns=names, values=values), warnings=warnings)


def learn_mode(step: ImputeMode, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn the most common level, as recipes 1.0.4's `step_impute_mode`.

    Of several that are as common R draws one at random; here it is the first in level order.
    """
    modes: dict[str, int] = {}
    for name in columns:
        codes = training.codes(name)
        seen = codes[codes >= 0]
        if len(seen):
            modes[name] = int(np.bincount(seen).argmax())
    levels = {name: training.levels(name) for name in modes}
    warnings = _no_values(step.step, [name for name in columns if name not in modes])
    return Learned(fitted=FilledMode(modes=modes, levels_of=levels), warnings=warnings)


def learn_lower(step: ImputeLower, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn minimums, as recipes 1.0.4's `step_impute_lower`.

    A value that is not above the minimum is taken as one below what could be measured. R draws it
    anew at every bake, evenly between 0 and the minimum, so that no two bakes agree; here it is the
    mean of that distribution, half the minimum.

    Raises:
        InvalidData: a column has negative values.
    """
    names, thresholds, warnings = _learn(step.step, columns, training, lambda x: float(x.min()))
    negative = [name for name, low in zip(names, thresholds, strict=True) if low < 0]
    if negative:
        detail = (
            f"Expected columns from 0 on in step 'impute_lower'. Received {listed(negative)} with "
            "negative values."
        )
        raise InvalidData(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
    return Learned(fitted=RaisedLower(columns=names, thresholds=thresholds), warnings=warnings)


def _learn(
    step: str, columns: Mapping[str, Kind], training: View, statistic: Callable[[Floats], float]
) -> tuple[tuple[str, ...], tuple[float, ...], tuple[RecipeWarning, ...]]:
    values: dict[str, float] = {}
    for name in columns:
        x = finite(training.numeric(name))
        if len(x):
            value = statistic(x)
            values[name] = float(np.rint(value)) if training.is_integer(name) else value
    empty = [name for name in columns if name not in values]
    return tuple(values), tuple(values.values()), _no_values(step, empty)


def _no_values(step: str, names: list[str]) -> tuple[RecipeWarning, ...]:
    if not names:
        return ()
    warning = RecipeWarning(
        step=step,
        columns=tuple(names),
        code="no_values",
        message=f"Expected columns with a value. Received {listed(names)}, which have none in the "
        "training rows: they stay as they are. A 'zv' step drops them.",
    )
    return (warning,)


KINDS = (
    StepKind(ImputeMean, FilledMean, learn_mean),
    StepKind(ImputeMedian, FilledMedian, learn_median),
    StepKind(ImputeMode, FilledMode, learn_mode),
    StepKind(ImputeLower, RaisedLower, learn_lower),
)
