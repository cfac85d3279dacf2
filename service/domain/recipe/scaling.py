"""Steps that move numeric columns to another scale, each value by a straight line."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from service.domain.recipe.step import NumericStep


class Normalize(NumericStep):
    """Subtract the mean, divide by the standard deviation, n-1 (recipes::step_normalize)."""

    step: Literal["normalize"]


class Center(NumericStep):
    """Subtract the mean (recipes::step_center)."""

    step: Literal["center"]


class Scale(NumericStep):
    """Divide by `factor` standard deviations (recipes::step_scale)."""

    step: Literal["scale"]
    factor: Literal[1, 2] = 1


class Range(NumericStep):
    """Map the training rows' minimum and maximum to `min` and `max` (recipes::step_range)."""

    step: Literal["range"]
    min: float = 0.0
    max: float = 1.0
    clipping: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.min >= self.max:
            raise ValueError(
                f"Expected `min` below `max`. Received min={self.min} and max={self.max}."
            )
        return self


class Divide(NumericStep):
    """Divide by a constant, such as 255 for pixels (the chapter's `x / 255`)."""

    step: Literal["divide"]
    by: float

    @model_validator(mode="after")
    def _not_zero(self) -> Divide:
        if self.by == 0:
            raise ValueError("Expected `by` to be a number other than 0. Received 0.")
        return self


class SpatialSign(NumericStep):
    """Divide each row by its length over the columns (recipes::step_spatialsign)."""

    step: Literal["spatialsign"]
    na_rm: bool = Field(
        default=True, description="Leave missing values out of the length instead of losing the row"
    )
