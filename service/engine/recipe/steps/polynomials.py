"""A step that replaces columns by orthogonal polynomials: `poly`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.column_names import polynomial_names
from service.domain.errors import FieldError, InvalidData
from service.domain.recipe import Polynomial
from service.domain.schema import Value
from service.domain.selectors import Kind
from service.engine.recipe.moments import finite
from service.engine.recipe.source import Floats
from service.engine.recipe.step import Learned, MakingStep, StepKind
from service.engine.recipe.view import View


class Recurrence(Value):
    """Orthogonal polynomials by three terms, as `attr(stats::poly(), "coefs")` has them.

    `p[0] = 1`, `p[1] = x - alpha[0]`, `p[k+1] = (x - alpha[k]) p[k] - norm2[k+1] / norm2[k]
    p[k-1]`; `norm2` begins with 1, then the sums of squares of p[0], p[1], ... in the training
    rows.
    """

    alpha: tuple[float, ...]
    norm2: tuple[float, ...]


class Polynomials(MakingStep):
    """Each column's polynomials of degree 1, 2, ..., of length 1 in the training rows."""

    step: Literal["poly"] = "poly"
    degree: int
    coefficients: dict[str, Recurrence]

    @cached_property
    def _origin(self) -> dict[str, tuple[str, int]]:
        places = [(name, k) for name in self.coefficients for k in range(1, self.degree + 1)]
        return dict(zip(self.made, places, strict=True))

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (self._origin[name][0],)

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        column, degree = self._origin[name]
        found = self.coefficients[column]
        with np.errstate(over="ignore", invalid="ignore"):
            last, now = np.zeros(before.n_rows), np.ones(before.n_rows)
            x = before.numeric(column)
            for k in range(degree):
                factor = found.norm2[k + 1] / found.norm2[k] if k else 0.0
                last, now = now, (x - found.alpha[k]) * now - factor * last
            return now / math.sqrt(found.norm2[degree + 1])

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {name: found.model_dump(mode="json") for name, found in self.coefficients.items()}


def learn_poly(step: Polynomial, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn the polynomials that are orthogonal in the training rows: recipes 1.0.4's `step_poly`.

    `stats::poly(x, degree)`; R finds them by a QR factorisation of powers, here by the recurrence
    itself (Stieltjes), which is the more accurate. R refuses missing values; here they are skipped
    and stay missing.

    Raises:
        InvalidData: a column has not more distinct values than `degree`.
    """
    coefficients: dict[str, Recurrence] = {}
    for name in columns:
        x = finite(training.numeric(name))
        if len(np.unique(x)) <= step.degree:
            detail = (
                f"Expected more than {step.degree} distinct values of '{name}' in step 'poly'. "
                f"Received {len(np.unique(x))}. Lower `degree`."
            )
            raise InvalidData(
                detail, errors=[FieldError(loc=("recipe",), msg=detail, received=name)]
            )
        coefficients[name] = _recurrence(x, step.degree)
    made = [made for name in columns for made in polynomial_names(name, step.degree)]
    return Learned(
        fitted=Polynomials(
            made=tuple(made),
            dropped=tuple(columns),
            degree=step.degree,
            coefficients=coefficients,
        ),
        reasons=dict.fromkeys(columns, "Polynomials replace it."),
    )


def _recurrence(x: Floats, degree: int) -> Recurrence:
    alpha: list[float] = []
    norm2 = [1.0, float(len(x))]
    last, now = np.zeros(len(x)), np.ones(len(x))
    for k in range(degree):
        alpha.append(float((x * now**2).sum()) / norm2[k + 1])
        factor = norm2[k + 1] / norm2[k] if k else 0.0
        last, now = now, (x - alpha[k]) * now - factor * last
        norm2.append(float((now**2).sum()))
    return Recurrence(alpha=tuple(alpha), norm2=tuple(norm2))


KINDS = (StepKind(Polynomial, Polynomials, learn_poly),)
