"""Recipe steps as a client writes them: a name, the columns, R's arguments and R's defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from service.domain.schema import MAX_COLUMNS, Spec

Selector = Annotated[str, Field(min_length=1, max_length=256)]
Columns = Selector | Annotated[list[Selector], Field(min_length=1, max_length=MAX_COLUMNS)]


Selects = Literal["all_predictors", "all_numeric_predictors", "all_nominal_predictors"]


class _Step(Spec):
    # What the step is for: the columns it takes when none are named, and the only kind it accepts.
    selects: ClassVar[Selects] = "all_predictors"

    columns: Columns | None = Field(
        default=None,
        description="A selector or a list of them: a column name, `all_predictors`, "
        "`all_numeric_predictors`, `all_nominal_predictors`, `starts_with:x`, `ends_with:x`, "
        "`matches:regex`, any of them with a leading `-`. Default: the columns the step is for.",
    )


class _NumericStep(_Step):
    selects: ClassVar[Selects] = "all_numeric_predictors"


class ZeroVariance(_Step):
    """Drop columns with a single value (recipes::step_zv)."""

    step: Literal["zv"]


class NearZeroVariance(_Step):
    """Drop columns that are almost constant (recipes::step_nzv)."""

    step: Literal["nzv"]
    freq_cut: float = Field(default=95 / 5, gt=0)
    unique_cut: float = Field(default=10, ge=0, le=100)


class Normalize(_NumericStep):
    """Subtract the mean, divide by the standard deviation, n-1 (recipes::step_normalize)."""

    step: Literal["normalize"]


class Center(_NumericStep):
    """Subtract the mean (recipes::step_center)."""

    step: Literal["center"]


class Scale(_NumericStep):
    """Divide by `factor` standard deviations (recipes::step_scale)."""

    step: Literal["scale"]
    factor: Literal[1, 2] = 1


class Range(_NumericStep):
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


class Divide(_NumericStep):
    """Divide by a constant, such as 255 for pixels (the chapter's `x / 255`)."""

    step: Literal["divide"]
    by: float

    @model_validator(mode="after")
    def _not_zero(self) -> Divide:
        if self.by == 0:
            raise ValueError("Expected `by` to be a number other than 0. Received 0.")
        return self


class Select(_Step):
    """Keep only the named predictors (recipes::step_select)."""

    step: Literal["select"]
    columns: Columns


class Remove(_Step):
    """Drop the named predictors (recipes::step_rm)."""

    step: Literal["remove"]
    columns: Columns


Step = Annotated[
    ZeroVariance | NearZeroVariance | Normalize | Center | Scale | Range | Divide | Select | Remove,
    Field(discriminator="step"),
]

Recipe = Annotated[list[Step], Field(max_length=100)]
