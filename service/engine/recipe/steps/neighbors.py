"""A step that fills in from the nearest training rows: `impute_knn`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.domain.errors import FieldError, InvalidData
from service.domain.recipe import ImputeKnn
from service.domain.selectors import Kind
from service.engine.recipe.packed import Packed
from service.engine.recipe.source import Codes, Floats
from service.engine.recipe.step import FittedStep, Learned, StepKind
from service.engine.recipe.view import MISSING, View

# Below this a range is none and the column adds to no distance, as in R's gower.
_EPS = 1e-8
# Of training values that the step keeps: 160 MB.
_MAX_VALUES = 20_000_000


class NeighborFilled(FittedStep):
    """The mean, or the most common level, of the nearest training rows that have a value."""

    keeps_integers: ClassVar[bool] = True
    keeps_order: ClassVar[bool] = True

    step: Literal["impute_knn"] = "impute_knn"
    neighbors: int
    targets: tuple[str, ...]
    near_by: tuple[str, ...]
    # The training rows: numbers with NaN, codes with -1.
    numbers: dict[str, Packed]
    nominal: dict[str, Packed]
    levels_of: dict[str, tuple[str, ...]]
    whole: tuple[str, ...]

    def writes(self, name: str) -> bool:
        """Return whether the step makes or changes the column `name`."""
        return name in self.targets

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (name, *(other for other in self.near_by if other != name))

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        values = before.numeric(name)
        lacking = np.flatnonzero(np.isnan(values))
        if len(lacking) == 0:
            return values
        filled = values.copy()
        known = self.numbers[name].array
        for row, near in self._nearest(name, ~np.isnan(known), lacking, before):
            mean = float(known[near].mean())
            filled[row] = np.rint(mean) if name in self.whole else mean
        return filled

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes."""
        codes = before.codes(name)
        lacking = np.flatnonzero(codes == MISSING)
        if len(lacking) == 0:
            return codes
        filled = codes.copy()
        known = self.nominal[name].array
        for row, near in self._nearest(name, known >= 0, lacking, before):
            filled[row] = np.bincount(known[near]).argmax()
        return filled

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels after the step of a nominal column which it writes."""
        return self.levels_of[name]

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        packed = next(iter((*self.numbers.values(), *self.nominal.values())), None)
        return {
            "columns": list(self.targets),
            "impute_with": list(self.near_by),
            "neighbors": self.neighbors,
            "training_rows": packed.shape[0] if packed else 0,
        }

    @cached_property
    def _ranges(self) -> dict[str, float]:
        found = {}
        for name, packed in self.numbers.items():
            values = packed.array[np.isfinite(packed.array)]
            found[name] = float(values.max() - values.min()) if len(values) else 0.0
        return found

    def _nearest(
        self, name: str, usable: NDArray[np.bool_], rows: NDArray[np.int64], before: View
    ) -> list[tuple[int, NDArray[np.int64]]]:
        """Return for each row the nearest training rows; a row without any is left out."""
        near_by = [other for other in self.near_by if other != name]
        have = np.flatnonzero(usable)
        known = {other: self._known(other).array[have] for other in near_by}
        given = {
            other: before.numeric(other) if other in self.numbers else before.codes(other)
            for other in near_by
        }
        found = []
        for row in rows.tolist():
            cells = {other: column[row] for other, column in given.items()}
            distances = self._distances(cells, known, len(have))
            order = np.argsort(distances, kind="stable")[: self.neighbors]
            order = order[np.isfinite(distances[order])]
            if len(order):
                found.append((row, have[order]))
        return found

    def _known(self, name: str) -> Packed:
        return self.numbers[name] if name in self.numbers else self.nominal[name]

    def _distances(
        self, cells: Mapping[str, Any], known: Mapping[str, NDArray[Any]], n: int
    ) -> Floats:
        """Return Gower's distances of one row, infinite where it shares no column."""
        total = np.zeros(n)
        count = np.zeros(n)
        for name, column in known.items():
            cell = cells[name]
            if name in self.numbers:
                width = self._ranges[name]
                if width < _EPS or not np.isfinite(cell):
                    continue
                both = np.isfinite(column)
                apart = np.abs(column - cell) / width
            elif cell == MISSING:
                continue
            else:
                both = column >= 0
                apart = (column != cell).astype(np.float64)
            total += np.where(both, apart, 0.0)
            count += both
        with np.errstate(invalid="ignore"):
            return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def learn_knn(step: ImputeKnn, columns: Mapping[str, Kind], training: View) -> Learned:
    """Keep the training rows, as recipes 1.0.4's `step_impute_knn`.

    The `neighbors` rows that have a value and are nearest by Gower's distance over `impute_with`
    (without the column itself; the mean of |difference| / range, and 0 or 1 for categories, over
    the columns that both rows have) give their mean, rounded in a column of whole numbers, or their
    most common level. Of equally near rows the first are taken, of equally common levels the first
    in level order (R draws one at random). A range is the training rows' (R takes in the rows that
    are baked together, so that an answer depends on its company). A row that shares no column with
    any keeps its gap.

    Raises:
        InvalidSpec: `impute_with` selects what is not there.
        InvalidData: more training values than a model should carry.
    """
    near_by = training.stage.others(step, "impute_with", "all_predictors")
    kinds = training.stage.columns
    targets = tuple(name for name in columns if kinds[name] != "date")
    near_by = tuple(name for name in near_by if kinds[name] != "date")
    kept = tuple(dict.fromkeys((*targets, *near_by)))
    if len(kept) * training.n_rows > _MAX_VALUES:
        detail = (
            f"Expected at most {_MAX_VALUES:,} training values in step 'impute_knn', which keeps "
            f"them all. Received {training.n_rows:,} rows of {len(kept)} columns. Select fewer "
            "columns with `impute_with`, or use 'impute_linear' or 'impute_median'."
        )
        raise InvalidData(detail, errors=[FieldError(loc=("recipe",), msg=detail)])
    numbers = [name for name in kept if kinds[name] == "numeric"]
    nominal = [name for name in kept if kinds[name] == "nominal"]
    return Learned(
        fitted=NeighborFilled(
            neighbors=step.neighbors,
            targets=targets,
            near_by=near_by,
            numbers={name: Packed.of(training.numeric(name)) for name in numbers},
            nominal={name: Packed.of(training.codes(name)) for name in nominal},
            levels_of={name: training.levels(name) for name in nominal},
            whole=tuple(name for name in numbers if training.is_integer(name)),
        )
    )


KINDS = (StepKind(ImputeKnn, NeighborFilled, learn_knn),)
