"""Columns that are no predictors: outcomes, case weights and ids; and what a recipe is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol

from pydantic import Field

from service.domain.recipe import Recipe
from service.domain.schema import ColumnName, Spec

ColumnNames = ColumnName | Annotated[list[ColumnName], Field(min_length=1, max_length=64)]


class WithRoles(Protocol):
    """A request that gives columns roles."""

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The columns to predict."""
        ...

    @property
    def case_weights(self) -> str | None:
        """The column that says how much each row counts."""
        ...

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that name a row."""
        ...

    @property
    def roles(self) -> Mapping[str, str]:
        """The columns that are no predictors: name to role (outcome, case weight or id)."""
        ...


class PreviewSpec(Spec):
    """A recipe, and the columns that are no predictors."""

    outcome: ColumnNames
    case_weights: ColumnName | None = None
    id: ColumnNames | None = Field(
        default=None, description="Columns that name a row; no step touches them."
    )
    recipe: Recipe = []
    count: int = Field(default=10, ge=0, le=1000, description="How many first rows to show.")

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcome columns, always as a tuple."""
        return names_of(self.outcome)

    @property
    def ids(self) -> tuple[str, ...]:
        """The id columns, always as a tuple."""
        return names_of(self.id)

    @property
    def roles(self) -> dict[str, str]:
        """The columns that are no predictors: name to role."""
        return roles_of(self)


def names_of(columns: ColumnNames | None) -> tuple[str, ...]:
    """Return one column, several or none as a tuple."""
    return (columns,) if isinstance(columns, str) else tuple(columns or ())


def roles_of(spec: WithRoles) -> dict[str, str]:
    """Return the columns that are no predictors: name to role (outcome, case weight or id)."""
    weights = (spec.case_weights,) if spec.case_weights is not None else ()
    return {
        **dict.fromkeys(spec.ids, "id"),
        **dict.fromkeys(weights, "case weight"),
        **dict.fromkeys(spec.outcomes, "outcome"),
    }
