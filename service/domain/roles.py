"""Columns that are no predictors: outcomes, case weights and ids; and what a recipe is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from service.domain.recipe import Recipe
from service.domain.schema import ColumnName, Spec

ColumnNames = ColumnName | Annotated[list[ColumnName], Field(min_length=1, max_length=64)]


class WithRoles:
    """A request that gives columns roles: a schema with these three fields."""

    if TYPE_CHECKING:
        outcome: ColumnNames
        case_weights: ColumnName | None
        id: ColumnNames | None

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcome columns, always as a tuple."""
        return _names(self.outcome)

    @property
    def ids(self) -> tuple[str, ...]:
        """The id columns, always as a tuple."""
        return _names(self.id)

    @property
    def roles(self) -> dict[str, str]:
        """The columns that are no predictors: name to role (outcome, case weight or id)."""
        return {
            **dict.fromkeys(self.ids, "id"),
            **dict.fromkeys(_names(self.case_weights), "case weight"),
            **dict.fromkeys(self.outcomes, "outcome"),
        }


class PreviewSpec(Spec, WithRoles):
    """A recipe, and the columns that are no predictors."""

    outcome: ColumnNames
    case_weights: ColumnName | None = None
    id: ColumnNames | None = Field(
        default=None, description="Columns that name a row; no step touches them."
    )
    recipe: Recipe = []
    count: int = Field(default=10, ge=0, le=1000, description="How many first rows to show.")


def _names(columns: ColumnNames | None) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns or ())
