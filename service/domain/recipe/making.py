"""Steps that make new numeric columns from numeric ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from service.domain.recipe.step import Columns, NumericStep, Selector

Prefix = Annotated[str, Field(min_length=1, max_length=64)]
Interaction = Annotated[list[Selector], Field(min_length=2, max_length=8)]


class Pca(NumericStep):
    """Replace columns by their principal components (recipes::step_pca)."""

    step: Literal["pca"]
    num_comp: int = Field(default=5, ge=0)
    threshold: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="As many components as hold this share of the variance, instead of num_comp.",
    )
    prefix: Prefix = "PC"
    keep_original_cols: bool = False


class NaturalSpline(NumericStep):
    """Replace columns by a natural cubic spline's basis (recipes::step_ns)."""

    step: Literal["ns"]
    deg_free: int = Field(default=2, ge=1, le=100)


class Polynomial(NumericStep):
    """Replace columns by orthogonal polynomials (recipes::step_poly)."""

    step: Literal["poly"]
    degree: int = Field(default=2, ge=1, le=25)


class Ratio(NumericStep):
    """Make a column of each selected one over each of `denom` (recipes::step_ratio)."""

    step: Literal["ratio"]
    denom: Columns
    keep_original_cols: bool = True


class Interact(NumericStep):
    """Make products of columns (recipes::step_interact).

    `terms` is a list of interactions, each a list of selectors: one product for every choice of a
    column from each. Without `terms`, the products of every two columns of `columns`. In `terms` a
    text such as "~ a:b + a:c" is read as R reads it, with names of columns only.
    """

    step: Literal["interact"]
    terms: (
        Annotated[str, Field(min_length=1, max_length=8192)]
        | Annotated[list[Interaction], Field(min_length=1, max_length=1000)]
        | None
    ) = None
    sep: Prefix = "_x_"

    @model_validator(mode="after")
    def _readable(self) -> Interact:
        if self.columns is not None and self.terms is not None:
            raise ValueError("Expected `terms` or `columns`, not both. Remove one of them.")
        self.interactions()
        return self

    def interactions(self) -> list[list[str]] | None:
        """Return the terms as lists of selectors; None means every two of the columns.

        Raises:
            ValueError: a formula that is no sum of products of names.
        """
        if not isinstance(self.terms, str):
            return self.terms
        sides = [
            [name.strip().strip("`") for name in term.split(":")]
            for term in self.terms.strip().removeprefix("~").split("+")
        ]
        if any(len(term) < 2 or not all(term) for term in sides):
            raise ValueError(
                "Expected a formula such as '~ a:b + a:c'. "
                f'Received \'{self.terms[:64]}\'. Lists of selectors, [["a", "b"]], do more.'
            )
        return sides
