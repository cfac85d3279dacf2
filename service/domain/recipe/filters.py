"""Steps that drop columns or rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.domain.recipe.step import Columns, NumericStep, RecipeStep


class ZeroVariance(RecipeStep):
    """Drop columns with a single value (recipes::step_zv)."""

    step: Literal["zv"]


class NearZeroVariance(RecipeStep):
    """Drop columns that are almost constant (recipes::step_nzv)."""

    step: Literal["nzv"]
    freq_cut: float = Field(default=95 / 5, gt=0)
    unique_cut: float = Field(default=10, ge=0, le=100)


class Correlation(NumericStep):
    """Drop columns that correlate with others above `threshold` (recipes::step_corr)."""

    step: Literal["corr"]
    threshold: float = Field(default=0.9, ge=0, le=1)
    use: Literal["pairwise.complete.obs", "complete.obs"] = "pairwise.complete.obs"
    method: Literal["pearson", "spearman"] = "pearson"


class LinearCombinations(NumericStep):
    """Drop columns that are linear combinations of others (recipes::step_lincomb)."""

    step: Literal["lincomb"]
    max_steps: int = Field(default=5, ge=1, le=1000)


class FilterMissing(RecipeStep):
    """Drop columns of which more than `threshold` is missing (recipes::step_filter_missing)."""

    step: Literal["filter_missing"]
    threshold: float = Field(default=0.1, ge=0, le=1)


class OmitMissing(RecipeStep):
    """Leave out training rows with missing values; new rows all stay (recipes::step_naomit)."""

    step: Literal["naomit"]


class Select(RecipeStep):
    """Keep only the named predictors (recipes::step_select)."""

    step: Literal["select"]
    columns: Columns


class Remove(RecipeStep):
    """Drop the named predictors (recipes::step_rm)."""

    step: Literal["remove"]
    columns: Columns
