"""Steps that fill in missing values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from service.domain.recipe.step import Columns, NominalStep, NumericStep, RecipeStep


class ImputeMean(NumericStep):
    """Fill in the mean, without the share `trim` at either end (recipes::step_impute_mean)."""

    step: Literal["impute_mean"]
    trim: float = Field(default=0.0, ge=0, le=0.5)


class ImputeMedian(NumericStep):
    """Fill in the median (recipes::step_impute_median)."""

    step: Literal["impute_median"]


class ImputeMode(NominalStep):
    """Fill in the most common level (recipes::step_impute_mode)."""

    step: Literal["impute_mode"]


class ImputeKnn(RecipeStep):
    """Fill in from the nearest training rows by Gower's distance (recipes::step_impute_knn)."""

    step: Literal["impute_knn"]
    neighbors: int = Field(default=5, ge=1, le=10_000)
    impute_with: Columns = Field(
        default="all_predictors", description="Selectors of the columns that distances are from."
    )


class ImputeLinear(NumericStep):
    """Fill in from a linear regression on other columns (recipes::step_impute_linear)."""

    step: Literal["impute_linear"]
    impute_with: Columns = Field(
        default="all_predictors", description="Selectors of the columns to regress on."
    )


class ImputeLower(NumericStep):
    """Replace values at a lower limit of detection (recipes::step_impute_lower).

    `lower` is read as `impute_lower`.
    """

    step: Literal["impute_lower", "lower"]

    @field_validator("step", mode="after")
    @classmethod
    def _whole_name(cls, value: Any) -> Any:
        return "impute_lower" if value == "lower" else value
