"""What every step of a recipe has: the columns that it works on, and the kind that it is for."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from service.domain.schema import MAX_COLUMNS, Spec

Selector = Annotated[str, Field(min_length=1, max_length=256)]
Columns = Selector | Annotated[list[Selector], Field(min_length=1, max_length=MAX_COLUMNS)]

Selects = Literal[
    "all_predictors", "all_numeric_predictors", "all_nominal_predictors", "all_date_predictors"
]


class RecipeStep(Spec):
    """A step with the columns it takes."""

    # What the step is for: the columns it takes when none are named, and the only kind it accepts.
    selects: ClassVar[Selects] = "all_predictors"

    columns: Columns | None = Field(
        default=None,
        description="A selector or a list of them: a column name, `all_predictors`, "
        "`all_numeric_predictors`, `all_nominal_predictors`, `starts_with:x`, `ends_with:x`, "
        "`matches:regex`, any of them with a leading `-`. Default: the columns the step is for.",
    )


class NumericStep(RecipeStep):
    """A step for numeric predictors."""

    selects: ClassVar[Selects] = "all_numeric_predictors"


class NominalStep(RecipeStep):
    """A step for factors, text and logical predictors."""

    selects: ClassVar[Selects] = "all_nominal_predictors"
