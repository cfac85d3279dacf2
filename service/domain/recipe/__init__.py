"""Recipe steps as a client writes them: a name, the columns, R's arguments and R's defaults."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.domain.recipe.factors import Date, Discretize, Dummy, Novel, Other, Unknown
from service.domain.recipe.filters import (
    Correlation,
    FilterMissing,
    LinearCombinations,
    NearZeroVariance,
    OmitMissing,
    Remove,
    Select,
    ZeroVariance,
)
from service.domain.recipe.imputing import (
    ImputeKnn,
    ImputeLinear,
    ImputeLower,
    ImputeMean,
    ImputeMedian,
    ImputeMode,
)
from service.domain.recipe.making import Interact, NaturalSpline, Pca, Polynomial, Ratio
from service.domain.recipe.scaling import Center, Divide, Normalize, Range, Scale, SpatialSign
from service.domain.recipe.step import (
    Columns,
    NominalStep,
    NumericStep,
    RecipeStep,
    Selector,
    Selects,
)
from service.domain.recipe.transforming import BoxCox, Inverse, Log, Logit, Sqrt, YeoJohnson

Step = Annotated[
    ZeroVariance
    | NearZeroVariance
    | Normalize
    | Center
    | Scale
    | Range
    | Divide
    | Select
    | Remove
    | Correlation
    | LinearCombinations
    | FilterMissing
    | OmitMissing
    | SpatialSign
    | BoxCox
    | YeoJohnson
    | Log
    | Sqrt
    | Inverse
    | Logit
    | ImputeMean
    | ImputeMedian
    | ImputeMode
    | ImputeKnn
    | ImputeLinear
    | ImputeLower
    | Dummy
    | Novel
    | Unknown
    | Other
    | Discretize
    | Date
    | Pca
    | NaturalSpline
    | Polynomial
    | Ratio
    | Interact,
    Field(discriminator="step"),
]

Recipe = Annotated[list[Step], Field(max_length=100)]

__all__ = [
    "BoxCox",
    "Center",
    "Columns",
    "Correlation",
    "Date",
    "Discretize",
    "Divide",
    "Dummy",
    "FilterMissing",
    "ImputeKnn",
    "ImputeLinear",
    "ImputeLower",
    "ImputeMean",
    "ImputeMedian",
    "ImputeMode",
    "Interact",
    "Inverse",
    "LinearCombinations",
    "Log",
    "Logit",
    "NaturalSpline",
    "NearZeroVariance",
    "NominalStep",
    "Normalize",
    "Novel",
    "NumericStep",
    "OmitMissing",
    "Other",
    "Pca",
    "Polynomial",
    "Range",
    "Ratio",
    "Recipe",
    "RecipeStep",
    "Remove",
    "Scale",
    "Select",
    "Selector",
    "Selects",
    "SpatialSign",
    "Sqrt",
    "Step",
    "Unknown",
    "YeoJohnson",
    "ZeroVariance",
]
