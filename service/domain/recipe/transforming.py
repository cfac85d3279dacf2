"""Steps that put numeric columns through a curve."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator

from service.domain.recipe.step import NumericStep

Limits = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Power(NumericStep):
    limits: Limits = [-5.0, 5.0]
    num_unique: int = Field(default=5, ge=1)

    @field_validator("limits")
    @classmethod
    def _ordered(cls, value: list[float]) -> list[float]:
        if value[0] == value[1]:
            raise ValueError(f"Expected two limits that differ. Received {value[0]} twice.")
        return sorted(value)


class BoxCox(_Power):
    """Make positive columns more normal by a power (recipes::step_BoxCox)."""

    step: Literal["box_cox"]


class YeoJohnson(_Power):
    """Make columns of any sign more normal by a power (recipes::step_YeoJohnson)."""

    step: Literal["yeo_johnson"]


class Log(NumericStep):
    """Take the logarithm of `x + offset` (recipes::step_log)."""

    step: Literal["log"]
    base: float = Field(default=math.e, gt=0)
    offset: float = 0.0
    signed: bool = Field(
        default=False, description="sign(x) * log(abs(x)), and 0 where abs(x) < 1; no offset"
    )

    @field_validator("base")
    @classmethod
    def _not_one(cls, value: float) -> float:
        if value == 1:
            raise ValueError("Expected a base other than 1. Received 1.")
        return value


class Sqrt(NumericStep):
    """Take the square root (recipes::step_sqrt)."""

    step: Literal["sqrt"]


class Inverse(NumericStep):
    """Take `1 / (x + offset)` (recipes::step_inverse)."""

    step: Literal["inverse"]
    offset: float = 0.0


class Logit(NumericStep):
    """Take `log(x / (1 - x))`; `offset` keeps 0 and 1 off the ends (recipes::step_logit)."""

    step: Literal["logit"]
    offset: float = Field(default=0.0, ge=0, lt=0.5)
