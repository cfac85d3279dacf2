"""Steps that make columns more normal by a power: `box_cox` and `yeo_johnson`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.recipe import BoxCox, YeoJohnson
from service.domain.selectors import Kind, listed
from service.engine.recipe.moments import finite
from service.engine.recipe.source import Floats
from service.engine.recipe.step import ColumnwiseStep, Learned, RecipeWarning, StepKind
from service.engine.recipe.view import View

# Nearer to 0 (or 2) than this a power is taken as a logarithm, and nearer to a limit as not found.
_EPS = 0.001
# Of lambda, as recipes passes it to `optimize`.
_TOLERANCE = 1e-4


class _Powered(ColumnwiseStep):
    lambdas: tuple[float, ...]

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"lambda": dict(zip(self.columns, self.lambdas, strict=True))}


class BoxCoxed(_Powered):
    """`(x^lambda - 1) / lambda`, `log(x)` where lambda is 0."""

    step: Literal["box_cox"] = "box_cox"

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        return _box_cox(values, self.lambdas[index])


class YeoJohnsoned(_Powered):
    """Box and Cox's of `x + 1`; below 0 minus that of `1 - x` with `2 - lambda`."""

    step: Literal["yeo_johnson"] = "yeo_johnson"

    def transform(self, index: int, values: Floats) -> Floats:
        """Return new values of column `index`; those given must not be written into."""
        return _yeo_johnson(values, self.lambdas[index])


def learn_box_cox(step: BoxCox, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn lambda by maximum likelihood, as recipes 1.0.4's `step_BoxCox`.

    `optimize` of R within `limits` to 1e-4, of `-n/2 log(var(z))` with `z = (x^lambda - 1) /
    (lambda gm^(lambda - 1))`, gm the geometric mean (Box and Cox, 1964). A column keeps its values,
    with the warning `no_transformation`, when it has fewer than `num_unique` distinct values, one
    that is not above 0, or its lambda lies at a limit. Missing values end R's `prep` with an
    error; here they are skipped and stay missing.
    """

    def lambda_of(x: Floats) -> float | None:
        if (x <= 0).any():
            return None
        logs = np.log(x)
        mean = float(np.exp(logs.mean()))

        def likelihood(power: float) -> float:
            scale = mean ** (power - 1)
            z = logs / scale if abs(power) <= _EPS else (x**power - 1) / (power * scale)
            return -0.5 * len(x) * float(np.log(z.var()))

        return _best(likelihood, step.limits)

    chosen, lambdas, warnings = _learn(step, columns, training, lambda_of)
    return Learned(fitted=BoxCoxed(columns=chosen, lambdas=lambdas), warnings=warnings)


def learn_yeo_johnson(step: YeoJohnson, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn lambda by maximum likelihood, as recipes 1.0.4's `step_YeoJohnson`.

    `optimize` of R within `limits` to 1e-4, of `-n/2 log(var(y)) + (lambda - 1) sum(sign(x)
    log(|x| + 1))`, y the transformed values (Yeo and Johnson, 2000). A column keeps its values when
    it has fewer than `num_unique` distinct values or its lambda lies at a limit: R says nothing,
    here the warning is `no_transformation`. Missing values are skipped and stay missing.
    """

    def lambda_of(x: Floats) -> float | None:
        constant = float((np.sign(x) * np.log(np.abs(x) + 1)).sum())

        def likelihood(power: float) -> float:
            y = _yeo_johnson(x, power)
            return -0.5 * len(x) * float(np.log(y.var())) + (power - 1) * constant

        return _best(likelihood, step.limits)

    chosen, lambdas, warnings = _learn(step, columns, training, lambda_of)
    return Learned(fitted=YeoJohnsoned(columns=chosen, lambdas=lambdas), warnings=warnings)


def _box_cox(x: Floats, power: float) -> Floats:
    with np.errstate(all="ignore"):
        # A power of -1.5 of a negative number is no number, and one of -2 is none of this curve.
        x = np.where(x < 0, np.nan, x)
        return np.log(x) if abs(power) < _EPS else (x**power - 1) / power


def _yeo_johnson(x: Floats, power: float) -> Floats:
    with np.errstate(all="ignore"):
        up = np.maximum(x, 0) + 1
        down = 1 - np.minimum(x, 0)
        rest = 2 - power
        high = np.log(up) if abs(power) < _EPS else (up**power - 1) / power
        low = -np.log(down) if abs(rest) < _EPS else -(down**rest - 1) / rest
        return np.where(x < 0, low, high)


def _best(likelihood: Callable[[float], float], limits: list[float]) -> float | None:
    from scipy.optimize import fminbound

    low, high = limits
    with np.errstate(all="ignore"):
        found = float(fminbound(lambda power: -likelihood(power), low, high, xtol=_TOLERANCE))
    if not math.isfinite(found) or min(found - low, high - found) <= _EPS:
        return None
    return found


def _learn(
    step: BoxCox | YeoJohnson,
    columns: Mapping[str, Kind],
    training: View,
    lambda_of: Callable[[Floats], float | None],
) -> tuple[tuple[str, ...], tuple[float, ...], tuple[RecipeWarning, ...]]:
    found: dict[str, float] = {}
    for name in columns:
        x = finite(training.numeric(name))
        if len(np.unique(x)) >= step.num_unique and (power := lambda_of(x)) is not None:
            found[name] = power
    left = tuple(name for name in columns if name not in found)
    warnings: tuple[RecipeWarning, ...] = ()
    if left:
        sign = ", all above 0," if step.step == "box_cox" else ""
        warning = RecipeWarning(
            step=step.step,
            columns=left,
            code="no_transformation",
            message=f"Expected at least {step.num_unique} distinct values{sign} with a lambda "
            f"inside the limits. Received others in {listed(left)}: they stay as they are.",
        )
        warnings = (warning,)
    return tuple(found), tuple(found.values()), warnings


KINDS = (
    StepKind(BoxCox, BoxCoxed, learn_box_cox),
    StepKind(YeoJohnson, YeoJohnsoned, learn_yeo_johnson),
)
