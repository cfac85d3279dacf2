"""Rows on which an export is compared with the model, and how far apart the two are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import Column
from service.domain.errors import NotExportable
from service.domain.schema import Value
from service.engine.activations import Matrix
from service.engine.artifact import Artifact
from service.engine.prediction_columns import InputColumns, PredictionRows, is_nominal
from service.engine.prediction_rows import from_json
from service.engine.predictor import Output, Predictor
from service.engine.recipe import ColumnSource, FittedRecipe
from service.engine.recipe.coded import spread
from service.engine.recipe.view import View

Cells: TypeAlias = Mapping[str, Sequence[Any]]

TOLERANCE = 1e-4
DRAWN_ROWS = 512
STORED_ROWS = 2_000
# Of a wide model fewer rows: as Python's objects a million cells take 100 MB and a second.
_CELLS = 1_000_000
_FEWEST_ROWS = 32
# Given to columns in which the recipe knows what to do with a level that training did not have.
NEW = "a level that training did not have"


class Checked(Value):
    """How an export was compared: the largest difference, and on how many rows."""

    max_difference: float
    rows: int


class Probe:
    """Rows, as the cells of a request, and what the model itself says of them.

    512 rows are drawn from the training profile, seeded; in half of them one cell in ten is
    missing, or has a new level where the recipe takes one. The stored table gives as many as 2,000
    more, evenly spaced. Of a model with thousands of columns there are fewer rows. Those that the
    model refuses are left out.
    """

    def __init__(self, artifact: Artifact, stored: ColumnSource | None) -> None:
        """Draw the rows and predict them.

        Args:
            artifact: the model.
            stored: the table that it was trained on, if it is still there.

        Raises:
            NotExportable: it refuses every row, so that nothing can be compared.
        """
        predictor = Predictor(artifact)
        self.inputs = predictor.inputs
        cells = _drawn(self.inputs)
        if stored is not None:
            more = _stored(self.inputs, stored)
            cells = {name: [*cells[name], *more[name]] for name in cells}
        kept = np.flatnonzero(_fine(artifact.recipe, _request(self.inputs, cells)))
        if not len(kept):
            raise NotExportable(
                "Expected rows on which the file can be compared with the model. Received none: "
                "the model refuses every row that was drawn from its training profile."
            )
        self.cells: Cells = {name: [cells[name][at] for at in kept] for name in cells}
        self.n_rows = len(kept)
        self.source = _request(self.inputs, self.cells)
        self.output: Output = predictor.predict(self.source)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as dicts, None where a cell is missing."""
        return [
            {name: column[at] for name, column in self.cells.items()} for at in range(self.n_rows)
        ]

    def compare(self, raw: Matrix, classes: Sequence[str | None] | None = None) -> Checked:
        """Compare what an export says of the rows with what the model says.

        The difference is that of outputs divided by the largest output's size where that is above
        1: a regression in thousands is compared in its own units. A class may be another one only
        where the two most probable ones are closer than the tolerance.

        Args:
            raw: the export's output, (rows, outputs).
            classes: the export's classes, where it gives some.

        Raises:
            NotExportable: they differ by more than 1e-4, or in a class.
        """
        ours = self.output.raw.astype(np.float64)
        if raw.shape != ours.shape:
            raise _differs(f"the shape {raw.shape} instead of {ours.shape}")
        size = float(np.abs(ours[np.isfinite(ours)]).max(initial=1.0))
        # A network whose numbers overflow says NaN or infinity: so must the export.
        same = (raw == ours) | (np.isnan(raw) & np.isnan(ours))
        with np.errstate(invalid="ignore"):
            apart = np.where(same, 0.0, np.abs(raw - ours))
        difference = float(apart.max(initial=0.0)) / size
        if not difference <= TOLERANCE:
            raise _differs(f"a difference of {difference:.2g}")
        if classes is not None:
            ranked = np.sort(ours, axis=1)
            # Not where the output is NaN: whatever follows from it is compared above.
            clear = ranked[:, -1] - ranked[:, -2] > 2 * TOLERANCE
            others = [
                at
                for at, (mine, its) in enumerate(zip(self.output.classes, classes, strict=True))
                if mine != its and clear[at]
            ]
            if others:
                raise _differs(f"another class in {len(others)} rows")
        return Checked(max_difference=difference, rows=self.n_rows)


def _differs(found: str) -> NotExportable:
    return NotExportable(
        f"Expected a file that answers as the model does, within {TOLERANCE:g}. Received {found}, "
        "so that it is not given. The other formats may do."
    )


def _request(inputs: InputColumns, cells: Cells) -> PredictionRows:
    n_rows = len(next(iter(cells.values()), ()))
    data = [[cells[name][at] for name in inputs.names] for at in range(n_rows)]
    return from_json({"columns": list(inputs.names), "data": data}, inputs)


def _fine(recipe: FittedRecipe, source: PredictionRows) -> NDArray[np.bool_]:
    """Return which rows reach the network without a missing or an infinite value."""
    view = View(source, recipe.steps, None, recipe.levels)
    fine = np.ones(source.n_rows, dtype=np.bool_)
    with np.errstate(all="ignore"):
        for name in recipe.outputs:
            fine &= np.isfinite(spread(view.column(name)).astype(np.float32))
    return fine


def _at_most(rows: int, inputs: InputColumns) -> int:
    """Return how many rows to take: `rows`, or fewer of a wide model."""
    return min(rows, max(_CELLS // max(len(inputs.columns), 1), _FEWEST_ROWS))


def _drawn(inputs: InputColumns) -> dict[str, list[Any]]:
    draw, n_rows = np.random.default_rng(20_261_128), _at_most(DRAWN_ROWS, inputs)
    cells = {column.name: _column(column, draw, n_rows) for column in inputs.columns}
    for column in inputs.columns:
        for at in np.flatnonzero(draw.random(n_rows) < 0.1).tolist():
            if at % 2:
                new = column.name in inputs.open and at % 4 == 1
                cells[column.name][at] = NEW if new else None
    return cells


def _column(column: Column, draw: np.random.Generator, n_rows: int) -> list[Any]:
    if is_nominal(column):
        levels = column.levels or ()
        if not levels:
            return [None] * n_rows
        return [levels[code] for code in draw.integers(len(levels), size=n_rows).tolist()]
    values = draw.normal(column.mean or 0.0, column.sd or 0.0, n_rows)
    if column.min is not None and column.max is not None:
        values = values.clip(column.min, column.max)
    found: list[float] = (np.rint(values) if column.type == "integer" else values).tolist()
    return found


def _stored(inputs: InputColumns, table: ColumnSource) -> dict[str, list[Any]]:
    count = min(table.n_rows, _at_most(STORED_ROWS, inputs))
    rows = np.linspace(0, table.n_rows - 1, count).astype(np.int64)
    found: dict[str, list[Any]] = {}
    for column in inputs.columns:
        if is_nominal(column):
            names = table.category_levels(column.name)
            codes = table.codes(column.name, rows).tolist()
            known = set(column.levels or ())
            is_open = column.name in inputs.open
            found[column.name] = [
                names[code] if code >= 0 and (is_open or names[code] in known) else None
                for code in codes
            ]
        else:
            values = table.numeric(column.name, rows).tolist()
            found[column.name] = [value if value == value else None for value in values]
    return found
