"""Steps that read or make categories."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from service.domain.recipe.step import NominalStep, NumericStep, RecipeStep, Selects

Level = Annotated[str, Field(min_length=1, max_length=1024)]
DateFeature = Literal["dow", "month", "year", "doy", "week", "decimal", "quarter", "semester"]


DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


class Dummy(NominalStep):
    """Turn factors into columns of 0 and 1 (recipes::step_dummy)."""

    step: Literal["dummy"]
    one_hot: bool = False
    keep_original_cols: bool = False


class Novel(NominalStep):
    """Give levels that training rows did not have a level of their own (recipes::step_novel)."""

    step: Literal["novel"]
    new_level: Level = "new"


class Unknown(NominalStep):
    """Give missing values a level of their own (recipes::step_unknown)."""

    step: Literal["unknown"]
    new_level: Level = "unknown"


class Other(NominalStep):
    """Pool rare levels: below a share, or with a threshold from 1 a count (recipes::step_other)."""

    step: Literal["other"]
    threshold: float = Field(default=0.05, ge=0)
    other: Level = "other"

    @model_validator(mode="after")
    def _whole_count(self) -> Other:
        if self.threshold >= 1 and not self.threshold.is_integer():
            raise ValueError(
                "Expected a threshold that is a share below 1 or a whole count. "
                f"Received {self.threshold}."
            )
        return self


class Discretize(NumericStep):
    """Cut numeric columns at their quantiles into a factor (recipes::step_discretize)."""

    step: Literal["discretize"]
    num_breaks: int = Field(default=4, ge=2, le=1000)
    min_unique: int = Field(default=10, ge=1)
    prefix: Level = "bin"


class Date(RecipeStep):
    """Make columns of a date's parts (recipes::step_date)."""

    selects: ClassVar[Selects] = "all_date_predictors"

    step: Literal["date"]
    features: Annotated[list[DateFeature], Field(min_length=1, max_length=8)] = [
        "dow",
        "month",
        "year",
    ]
    abbr: bool = True
    label: bool = True
    ordinal: bool = False
    keep_original_cols: bool = True

    def words(self, feature: DateFeature) -> tuple[str, ...]:
        """Return the levels of the day of the week or of the month, as the step labels them."""
        names = DAYS if feature == "dow" else MONTHS
        return tuple(word[:3] for word in names) if self.abbr else names

    @model_validator(mode="after")
    def _once(self) -> Date:
        if len(set(self.features)) != len(self.features):
            raise ValueError(f"Expected each feature once. Received {self.features}.")
        return self
