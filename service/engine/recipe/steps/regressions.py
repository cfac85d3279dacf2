"""A step that fills in from a regression on other columns: `impute_linear`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import JsonValue

from service.domain.errors import FieldError, InvalidData
from service.domain.recipe import ImputeLinear
from service.domain.schema import Value
from service.domain.selectors import Kind
from service.engine.recipe.blocks import dependent, triangle, views
from service.engine.recipe.source import Floats
from service.engine.recipe.step import FittedStep, Learned, RecipeWarning, StepKind
from service.engine.recipe.view import View


class Term(Value):
    """What a column adds to a prediction: a slope times it, or a number a level.

    A level that no complete training row had has None: there is no prediction.
    """

    column: str
    slope: float = 0.0
    of_levels: tuple[float | None, ...] | None = None


class Regression(Value):
    """One column's linear regression on others."""

    intercept: float
    terms: tuple[Term, ...]
    whole: bool


class RegressionFilled(FittedStep):
    """A linear regression's prediction where a value is missing."""

    keeps_integers: ClassVar[bool] = True

    step: Literal["impute_linear"] = "impute_linear"
    models: dict[str, Regression]

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self.models

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (name, *(term.column for term in self.models[name].terms))

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        values = before.numeric(name)
        missing = np.isnan(values)
        if not missing.any():
            return values
        model = self.models[name]
        predicted = np.full(len(values), model.intercept)
        for term in model.terms:
            if term.of_levels is None:
                predicted += term.slope * before.numeric(term.column)
            else:
                # Codes -2 and -1, unseen and missing, read the last two.
                table = np.array([*term.of_levels, None, None], dtype=np.float64)
                predicted += table[before.codes(term.column)]
        return np.where(missing, np.rint(predicted) if model.whole else predicted, values)

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"models": {name: model.model_dump() for name, model in self.models.items()}}


def learn_linear(step: ImputeLinear, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn regressions, as recipes 1.0.4's `step_impute_linear` (`lm`).

    Each column on those of `impute_with` without itself, over the rows where all of these are
    there; a factor by treatment contrasts. A column that is a linear combination of those before it
    gets 0. Of whole numbers the prediction is rounded. Where a predictor is missing too the gap
    stays, in this row alone (R then imputes no row at all, with a warning). Without a complete row
    R ends with an error; here the column is left as it is, with the warning `no_complete_rows`.

    Raises:
        InvalidSpec: `impute_with` selects what is not there.
    """
    kinds = training.stage.columns
    near_by = [
        name
        for name in training.stage.others(step, "impute_with", "all_predictors")
        if kinds[name] != "date"
    ]
    models: dict[str, Regression] = {}
    for name in columns:
        found = _model(name, [other for other in near_by if other != name], kinds, training)
        if found is not None:
            models[name] = found
    left = tuple(name for name in columns if name not in models)
    warnings = tuple(
        RecipeWarning(
            step=step.step,
            columns=(name,),
            code="no_complete_rows",
            message=f"Expected a training row with '{name}' and all columns that it is imputed "
            "with. Received none: it stays as it is. Select fewer with `impute_with`.",
        )
        for name in left
    )
    return Learned(fitted=RegressionFilled(models=models), warnings=warnings)


def _model(
    name: str, others: Sequence[str], kinds: Mapping[str, Kind], training: View
) -> Regression | None:
    complete = ~np.isnan(training.numeric(name))
    for other in others:
        gaps = training.codes(other) < 0 if kinds[other] == "nominal" else None
        complete &= ~(np.isnan(training.numeric(other)) if gaps is None else gaps)
    if not complete.any():
        return None
    # One column a number, one a level that occurs but the first.
    design: list[tuple[str, int | None]] = []
    seen: dict[str, list[int]] = {}
    for other in others:
        if kinds[other] == "nominal":
            seen[other] = np.unique(training.codes(other)[complete]).tolist()
            design += [(other, code) for code in seen[other][1:]]
        else:
            design.append((other, None))
    factor = triangle(_design(name, design, training, others, kinds), len(design) + 2)
    slopes = _solved(factor, name)
    by_place = dict(zip(design, slopes[1:], strict=True))
    terms = []
    for other in others:
        if kinds[other] == "nominal":
            effects: list[float | None] = [None] * len(training.levels(other))
            for code in seen[other]:
                effects[code] = by_place.get((other, code), 0.0)
            terms.append(Term(column=other, of_levels=tuple(effects)))
        else:
            terms.append(Term(column=other, slope=by_place[other, None]))
    return Regression(intercept=slopes[0], terms=tuple(terms), whole=training.is_integer(name))


def _design(
    name: str,
    design: Sequence[tuple[str, int | None]],
    training: View,
    others: Sequence[str],
    kinds: Mapping[str, Kind],
) -> Iterator[Floats]:
    """Yield intercept, design and outcome of the complete rows, block by block."""
    for block in views(training, len(design) + 2):
        matrix = np.ones((block.n_rows, len(design) + 2))
        for place, (other, code) in enumerate(design, start=1):
            if code is None:
                matrix[:, place] = block.numeric(other)
            else:
                matrix[:, place] = block.codes(other) == code
        matrix[:, -1] = block.numeric(name)
        complete = np.isfinite(matrix).all(axis=1)
        for other in others:
            if kinds[other] == "nominal":
                complete &= block.codes(other) >= 0
        yield matrix[complete]


def _solved(factor: Floats, name: str) -> list[float]:
    """Return the least-squares coefficients from the triangular factor of [design, outcome]."""
    design, outcome = factor[:, :-1], factor[:, -1]
    out = set(dependent(design))
    kept = [place for place in range(design.shape[1]) if place not in out]
    solved = np.linalg.lstsq(design[:, kept], outcome, rcond=None)[0]
    coefficients = np.zeros(design.shape[1])
    coefficients[kept] = solved
    if not np.isfinite(coefficients).all():
        detail = f"Expected values that a regression of '{name}' can be computed from."
        raise InvalidData(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
    return [float(value) for value in coefficients]


KINDS = (StepKind(ImputeLinear, RegressionFilled, learn_linear),)
