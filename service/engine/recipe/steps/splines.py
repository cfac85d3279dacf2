"""A step that replaces columns by a natural cubic spline's basis: `ns`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.column_names import spline_names
from service.domain.errors import FieldError, InvalidData
from service.domain.recipe import NaturalSpline
from service.domain.schema import Value
from service.domain.selectors import Kind
from service.engine.recipe.moments import finite
from service.engine.recipe.quantiles import quantiles
from service.engine.recipe.source import Floats
from service.engine.recipe.step import Learned, MakingStep, StepKind
from service.engine.recipe.view import View

_ORDER = 4


class Basis(Value):
    """One column's basis: knots with the boundary four times at either end, and its functions.

    `weights` are of the cubic B-splines, one row a function. Beyond the boundary a function goes
    on as the straight line of its value and slope there.
    """

    knots: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], tuple[float, ...]]
    slopes: tuple[tuple[float, ...], tuple[float, ...]]


class Splines(MakingStep):
    """The functions of each column's basis."""

    step: Literal["ns"] = "ns"
    bases: dict[str, Basis]

    @cached_property
    def _origin(self) -> dict[str, tuple[str, int]]:
        places = [
            (name, place)
            for name, basis in self.bases.items()
            for place in range(len(basis.weights))
        ]
        return dict(zip(self.made, places, strict=True))

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (self._origin[name][0],)

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        column, place = self._origin[name]
        basis = self.bases[column]
        x = before.numeric(column)
        low, high = basis.knots[0], basis.knots[-1]
        splines = before.once(
            f"ns {column}", lambda: _b_splines(np.clip(x, low, high), basis.knots)
        )
        found = np.zeros(len(x))
        for weight, spline in zip(basis.weights[place], splines, strict=True):
            found += weight * spline
        with np.errstate(over="ignore", invalid="ignore"):
            below = basis.values[0][place] + basis.slopes[0][place] * (x - low)
            above = basis.values[1][place] + basis.slopes[1][place] * (x - high)
        return np.where(x < low, below, np.where(x > high, above, found))

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {
            "knots": {n: list(b.knots[_ORDER:-_ORDER]) for n, b in self.bases.items()},
            "boundary_knots": {n: [b.knots[0], b.knots[-1]] for n, b in self.bases.items()},
        }


def learn_ns(step: NaturalSpline, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn knots, as recipes 1.0.4's `step_ns` (`splines::ns`).

    `deg_free - 1` knots at quantiles (type 7), boundary knots at the smallest and largest value.
    The basis is that of the cubic B-splines but the first whose second derivative is 0 at the
    boundary: with the QR factorisation (Householder, as R's) of the constraints, Q's columns from
    the third on. Missing values are skipped and stay missing.

    Raises:
        InvalidData: a column has fewer than two distinct values, or too few for so many knots.
    """
    bases = {name: _basis(name, finite(training.numeric(name)), step.deg_free) for name in columns}
    made = [
        made for name, basis in bases.items() for made in spline_names(name, len(basis.weights))
    ]
    return Learned(
        fitted=Splines(made=tuple(made), dropped=tuple(columns), bases=bases),
        reasons=dict.fromkeys(columns, "A spline's basis replaces it."),
    )


def _basis(name: str, x: Floats, degrees: int) -> Basis:
    inner: tuple[float, ...] = ()
    if len(x):
        inner = quantiles(x, [k / degrees for k in range(1, degrees)])
        low, high = float(x.min()), float(x.max())
    if len(x) == 0 or low == high or len(set(inner) | {low, high}) < degrees + 1:
        detail = (
            f"Expected values of '{name}' with quantiles that differ, for {degrees} degrees of "
            "freedom in step 'ns'. Received equal ones. Lower `deg_free`."
        )
        raise InvalidData(detail, errors=[FieldError(loc=("recipe",), msg=detail, received=name)])
    knots = (low,) * _ORDER + inner + (high,) * _ORDER
    ends = np.array([low, high])
    # (B-splines but the first, 2): second derivatives at the boundary.
    constraints = _derivative(ends, knots, 2)[1:]
    q = np.linalg.qr(constraints, mode="complete")[0][:, 2:]
    weights = np.vstack([np.zeros((1, degrees)), q])
    values = weights.T @ np.array(_b_splines(ends, knots))
    slopes = weights.T @ _derivative(ends, knots, 1)
    return Basis(
        knots=knots,
        weights=_rows(weights.T),
        values=(tuple(values[:, 0].tolist()), tuple(values[:, 1].tolist())),
        slopes=(tuple(slopes[:, 0].tolist()), tuple(slopes[:, 1].tolist())),
    )


def _b_splines(x: Floats, knots: Sequence[float], order: int = _ORDER) -> list[Floats]:
    """Return all B-splines of an order at x by Cox's and de Boor's recursion, each (rows,)."""
    inner = knots[_ORDER - 1 : len(knots) - _ORDER + 1]
    # The last interval is closed above.
    piece = np.searchsorted(np.array(inner[1:-1]), x, side="right")
    found = []
    for place in range(len(knots) - 1):
        within = piece == place - (_ORDER - 1)
        found.append(np.where(np.isnan(x), np.nan, within.astype(np.float64)))
    for degree in range(1, order):
        found = [
            _blend(x, knots, place, degree, found[place], found[place + 1])
            for place in range(len(found) - 1)
        ]
    return found


def _blend(
    x: Floats, knots: Sequence[float], place: int, degree: int, left: Floats, right: Floats
) -> Floats:
    total = np.zeros(len(x))
    width = knots[place + degree] - knots[place]
    if width > 0:
        total += (x - knots[place]) / width * left
    width = knots[place + degree + 1] - knots[place + 1]
    if width > 0:
        total += (knots[place + degree + 1] - x) / width * right
    return total


def _derivative(x: Floats, knots: Sequence[float], times: int) -> Floats:
    """Return derivatives of the cubic B-splines at x, float64 (splines, rows)."""
    found = _b_splines(x, knots, _ORDER - times)
    for order in range(_ORDER - times, _ORDER):
        # d/dx B(i, k) = (k - 1) (B(i, k-1) / (t[i+k-1] - t[i]) - B(i+1, k-1) / (t[i+k] - t[i+1]))
        scaled = [
            np.zeros(len(x)) if (width := knots[i + order] - knots[i]) == 0 else spline / width
            for i, spline in enumerate(found)
        ]
        found = [order * (scaled[i] - scaled[i + 1]) for i in range(len(scaled) - 1)]
    return np.array(found)


def _rows(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


KINDS = (StepKind(NaturalSpline, Splines, learn_ns),)
