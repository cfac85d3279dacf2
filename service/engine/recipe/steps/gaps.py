"""Steps that drop what has missing values: columns (`filter_missing`) and rows (`naomit`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.domain.recipe import FilterMissing, OmitMissing
from service.domain.selectors import Kind
from service.engine.recipe.step import DroppingStep, FittedStep, Learned, StepKind
from service.engine.recipe.view import View


class DroppedMissing(DroppingStep):
    """Drops the columns of which too much was missing in the training rows."""

    step: Literal["filter_missing"] = "filter_missing"


class OmittedRows(FittedStep):
    """Drops training rows that lack a value; of rows to predict it drops none."""

    step: Literal["naomit"] = "naomit"
    nominal: tuple[str, ...]
    numbers: tuple[str, ...]

    def keeps(self, before: View) -> NDArray[np.bool_]:
        """Return which training rows the step leaves for those after it."""
        kept = np.ones(before.n_rows, dtype=np.bool_)
        for name in self.numbers:
            kept &= ~np.isnan(before.numeric(name))
        for name in self.nominal:
            kept &= before.codes(name) >= 0
        return kept

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"columns": [*self.numbers, *self.nominal]}


def learn_filter_missing(
    step: FilterMissing, columns: Mapping[str, Kind], training: View
) -> Learned:
    """Find the columns of which a share above `threshold` is missing.

    As recipes 1.0.4's `step_filter_missing`, which however keeps a column when it is the only one
    selected, whatever it lacks; here one column is judged as several are.
    """
    reasons: dict[str, str] = {}
    for name, kind in columns.items():
        if kind == "nominal":
            lacking = int((training.codes(name) < 0).sum())
        else:
            lacking = int(np.isnan(training.numeric(name)).sum())
        if lacking / training.n_rows > step.threshold:
            reasons[name] = f"{lacking} of {training.n_rows} values are missing."
    return Learned(fitted=DroppedMissing(removed=tuple(reasons)), reasons=reasons)


def learn_naomit(step: OmitMissing, columns: Mapping[str, Kind], training: View) -> Learned:  # noqa: ARG001
    """Leave out training rows that lack a value, as recipes 1.0.4's `step_naomit`.

    R's default `skip = TRUE` is the only way here: rows to predict are never dropped, as each has
    to have its answer. One with a missing value is refused by name.
    """
    return Learned(
        fitted=OmittedRows(
            nominal=tuple(name for name, kind in columns.items() if kind == "nominal"),
            numbers=tuple(name for name, kind in columns.items() if kind != "nominal"),
        )
    )


KINDS = (
    StepKind(FilterMissing, DroppedMissing, learn_filter_missing),
    StepKind(OmitMissing, OmittedRows, learn_naomit),
)
