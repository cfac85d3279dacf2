"""A fitted model that answers: raw rows in, classes, probabilities or numbers out. No Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.domain.errors import FieldError, MissingValues
from service.domain.fit import Mode
from service.engine.activations import ACTIVATIONS, Matrix
from service.engine.artifact import Artifact
from service.engine.forward import BLOCK_ROWS, forward
from service.engine.prediction_columns import InputColumns, PredictionRows
from service.engine.recipe import ColumnSource, FittedRecipe, affine, bake

# Raw values that are held at once, as float64 and as float32: about 12 MB.
_CHUNK_VALUES = 2**20


@dataclass(frozen=True, kw_only=True)
class Output:
    """The network's output, float32 (rows, outputs), and what it means."""

    raw: Matrix
    levels: tuple[str, ...] | None
    outcomes: tuple[str, ...]

    @property
    def codes(self) -> NDArray[np.int64]:
        """The 0-based level with the largest probability (the first of equal ones), (rows,).

        -1 where the probabilities are not finite, as of a network that diverged.
        """
        best = self.prob.argmax(axis=1)
        return np.where(np.isfinite(self.prob).all(axis=1), best, -1)

    @property
    def classes(self) -> list[str | None]:
        """The most probable level of each row; None where there is none."""
        names = (*(self.levels or ()), None)
        return [names[code] for code in self.codes.tolist()]

    @property
    def prob(self) -> Matrix:
        """The probabilities of the levels, float32 (rows, levels).

        Raises:
            ValueError: the model is a regression.
        """
        if self.levels is None:
            raise ValueError("Expected a classification. Received a regression's output.")
        return self.raw

    @property
    def numeric(self) -> Matrix:
        """The predicted outcomes, float32 (rows, outcomes).

        Raises:
            ValueError: the model is a classification.
        """
        if self.levels is not None:
            raise ValueError("Expected a regression. Received a classification's output.")
        return self.raw


class _Folded(NamedTuple):
    """An affine recipe before a dense layer: `(raw - centre) @ kernel + bias`."""

    columns: tuple[str, ...]
    centre: NDArray[np.float64]
    kernel: Matrix
    bias: Matrix


class FirstLayer(NamedTuple):
    """The sums of the first layer before its activation, `sums = x @ kernel + constant`, float32.

    `x` is (rows, columns) and `places` are the columns of it that one raw column alone decides, by
    name; a raw column that others have a say in is not among them.
    """

    x: Matrix
    kernel: Matrix
    sums: Matrix
    places: Mapping[str, list[int]]


class Predictor:
    """Predicts from raw columns, in numpy; it holds weights and no file, and may be shared.

    An affine recipe, `baked = raw * scale + offset = (raw - centre) * scale`, is folded in: the
    scale into the first kernel, in float64 and rounded once. The centre is taken off in float64
    while the raw columns become a float32 matrix, which costs nothing there and keeps the digits of
    columns whose mean is many standard deviations from 0; folded into the bias it would lose them.
    Other recipes are baked.

    Answers differ from Keras's on the baked rows by float32 rounding (relative 1e-5); of the
    neighbours of a row they do not depend beyond that: see `forward`.
    """

    def __init__(self, artifact: Artifact) -> None:
        network = artifact.network
        self.mode: Mode = artifact.mode
        self.levels = artifact.levels
        self.outcomes = artifact.outcomes
        self.summary = artifact.summary
        self.n_parameters = network.n_parameters
        self.constant = artifact.constant
        self.case_weights = artifact.spec.case_weights
        self.inputs = _inputs(artifact)
        self.warnings = tuple(each.message for each in artifact.recipe.warnings)
        self.versions = artifact.versions
        self._recipe = artifact.recipe
        self._activation = network.activation
        self._output_activation = network.output_activation
        self._weights = artifact.weights
        self._folded = _folded(artifact.recipe, *artifact.weights[:2])

    def predict(self, source: ColumnSource) -> Output:
        """Return the network's output for each row of `source`, in order.

        Args:
            source: raw columns; those beyond `inputs` are ignored.

        Raises:
            InvalidData: a column is missing (the nearest name is told) or of another type.
            MissingValues: a value that the network would read is missing or not finite; the row
                (from 1) and the column are named.
        """
        if not (isinstance(source, PredictionRows) and source.inputs is self.inputs):
            self.inputs.check(source.types)
        outputs = self._weights[-1].shape[0]
        raw = np.empty((source.n_rows, outputs), dtype=np.float32)
        width = max(len(self.inputs.columns), 1)
        step = max(_CHUNK_VALUES // width // BLOCK_ROWS, 1) * BLOCK_ROWS
        for start in range(0, source.n_rows, step):
            rows = slice(start, min(start + step, source.n_rows))
            if self._folded is None:
                x, first = bake(self._recipe, source, rows), self._weights[:2]
            else:
                x, first = _centred(self._folded, source, rows), self._folded[2:]
            weights = (*first, *self._weights[2:])
            raw[rows] = forward(x, weights, self._activation, self._output_activation)
        return Output(raw=raw, levels=self.levels, outcomes=self.outcomes)

    @property
    def widest(self) -> int:
        """The units of the widest layer."""
        return max(len(bias) for bias in self._weights[1::2])

    def first_layer(self, source: ColumnSource) -> FirstLayer:
        """Return the first layer's sums for each row, and which raw column is where in them.

        Raises:
            InvalidData, MissingValues: as `predict`.
        """
        self.inputs.check(source.types)
        if self._folded is not None:
            folded = self._folded
            x = _centred(folded, source, slice(0, source.n_rows))
            places = {name: [place] for place, name in enumerate(folded.columns)}
            return FirstLayer(x, folded.kernel, x @ folded.kernel + folded.bias, places)
        x, (kernel, bias) = bake(self._recipe, source), self._weights[:2]
        return FirstLayer(x, kernel, x @ kernel + bias, _alone(self._recipe))

    def outputs_of(self, sums: Matrix) -> Matrix:
        """Return the network's output for sums of its first layer, float32 (rows, outputs)."""
        hidden = self._weights[2:]
        with np.errstate(invalid="ignore", over="ignore"):
            if not hidden:
                return ACTIVATIONS[self._output_activation](sums)
            x = ACTIVATIONS[self._activation](sums)
        return forward(x, hidden, self._activation, self._output_activation)


def _inputs(artifact: Artifact) -> InputColumns:
    """Return the columns that must be given, nominal ones with the levels the recipe knows."""
    profile = {column.name: column for column in artifact.columns}
    levels = artifact.recipe.levels
    columns = [
        profile[name].model_copy(update={"levels": levels[name]})
        if name in levels
        else profile[name]
        for name in artifact.recipe.required
    ]
    new_levels = frozenset(artifact.recipe.takes_new_levels)
    return InputColumns(columns=tuple(columns), na=artifact.na, open=new_levels)


def _alone(recipe: FittedRecipe) -> dict[str, list[int]]:
    """Return the outputs of each raw column that shares none of them with another column."""
    places: dict[str, list[int]] = {name: [] for name in recipe.required}
    shared: set[str] = set()
    for place, output in enumerate(recipe.outputs):
        origins = recipe.origins(output)
        for name in origins:
            places[name].append(place)
        if len(origins) > 1:
            shared.update(origins)
    return {name: found for name, found in places.items() if name not in shared}


def _folded(recipe: FittedRecipe, kernel: Matrix, bias: Matrix) -> _Folded | None:
    linear = affine(recipe)
    if linear is None:
        return None
    scale, offset = linear.scale, linear.offset
    wide = kernel.astype(np.float64)
    with np.errstate(all="ignore"):
        # A constant column has no centre: what it adds goes into the bias.
        centre = np.where(scale == 0, 0.0, -offset / scale)
        constant = np.where(scale == 0, offset, 0.0)
        scaled = (scale[:, np.newaxis] * wide).astype(np.float32)
        shifted = (bias + constant @ wide).astype(np.float32)
    if not all(np.isfinite(part).all() for part in (centre, scaled, shifted)):
        return None
    columns = tuple(recipe.outputs)
    return _Folded(columns, centre, scaled, shifted)


def _centred(folded: _Folded, source: ColumnSource, rows: slice) -> Matrix:
    """Return the raw columns less their centres, float32 (rows, columns)."""
    names = folded.columns
    if isinstance(source, PredictionRows):
        values = source.matrix(names, rows)
    else:
        values = np.empty((rows.stop - rows.start, len(names)))
        for place, name in enumerate(names):
            values[:, place] = source.numeric(name, rows)
    x = np.empty(values.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        np.subtract(values, folded.centre, out=x, casting="same_kind")
    if not np.isfinite(x).all():
        row, place = np.argwhere(~np.isfinite(x))[0].tolist()
        raise _missing(rows.start + row + 1, names[place], float(values[row, place]))
    return x


def _missing(row: int, name: str, value: float) -> MissingValues:
    found = "a missing value" if np.isnan(value) else f"{value:g}, too large for the network"
    detail = (
        f"Expected a number in row {row} of column '{name}'. Received {found}. Give one: this "
        "model's recipe fills in none."
    )
    return MissingValues(detail, errors=[FieldError(loc=(row, name), msg=detail)])
