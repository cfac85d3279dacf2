"""The space of a search: where its candidates lie, how many there are, which of them are new."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from service.domain.tune.combinations import dimensions, key_of
from service.domain.tune.dimensions import Dimension
from service.domain.tune.grid import Bayes, Cell
from service.domain.tune.spec import TuneSpec

# Up to this size a space is listed to find what is left of it. In a larger one, of which at most
# `MAX_CANDIDATES` are known, random draws find it soon.
_LISTED: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A dimension as a sampler sees it: points from `low` to `high`.

    "real" points are on the dimension's scale. "whole" ones are whole numbers, or the places of
    numbers in ascending order. "place" ones are the places of `cells` that have no order.
    """

    dimension: Dimension
    kind: Literal["real", "whole", "place"]
    low: float
    high: float
    cells: tuple[Cell, ...] = ()

    @classmethod
    def of(cls, dimension: Dimension) -> Axis:
        """Return a dimension's axis."""
        if dimension.kind == "choice":
            numbers = [cell for cell in dimension.values if _is_number(cell)]
            ordered = len(numbers) == len(dimension.values)
            return cls(
                dimension=dimension,
                kind="whole" if ordered else "place",
                low=0,
                high=len(dimension.values) - 1,
                cells=tuple(sorted(numbers, key=_float)) if ordered else dimension.values,
            )
        if dimension.kind == "integer" and dimension.scale == "identity":
            low, high = _whole_ends(dimension)
            return cls(dimension=dimension, kind="whole", low=low, high=high)
        return cls(dimension=dimension, kind="real", low=dimension.low, high=dimension.high)

    @property
    def count(self) -> int | None:
        """How many values it has, None of real numbers."""
        if self.cells:
            return len(self.cells)
        if self.dimension.kind == "integer":
            low, high = _whole_ends(self.dimension)
            return high - low + 1
        return None

    def value(self, point: float) -> Cell:
        """Return the value at a point."""
        if self.cells:
            return self.cells[int(point)]
        return int(point) if self.kind == "whole" else self.dimension.number(point, round)

    def point(self, value: Cell) -> float:
        """Return where a value lies: the inverse of `value`, up to rounding; whole if it is."""
        if self.cells:
            # Not `index`, to which true is 1.
            return [json.dumps(cell) for cell in self.cells].index(json.dumps(value))
        if self.kind == "whole":
            return int(_float(value))
        if self.dimension.scale != "identity" and _float(value) <= 0:
            # What the lowest part of a logarithmic scale is rounded to.
            return self.low
        share = self.dimension.unit_of(value)
        return min(max(self.low + share * (self.high - self.low), self.low), self.high)


def axes_of(spec: TuneSpec) -> tuple[Axis, ...]:
    """Return the axes of a tune's ranges, in the order of its candidates' values.

    Raises:
        InvalidSpec: as `candidates`.
    """
    return tuple(map(Axis.of, dimensions(spec)))


def most_candidates(grid: Bayes, axes: Sequence[Axis]) -> int:
    """Return how many candidates a search tries: its size, or a smaller space's."""
    space = _space(axes)
    return grid.size if space is None else min(grid.size, space)


def round_seed(seed: int, known: int) -> int:
    """Return the seed, below 2^32, of the round that is proposed when `known` candidates are known.

    No round goes on from where the random numbers of the one before ended. So it is the same one
    whoever proposes it, this process or the next.
    """
    digest = hashlib.sha256(f"{seed} {known}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def values_at(axes: Sequence[Axis], points: Mapping[str, float]) -> dict[str, Cell]:
    """Return the values at a point of the space, which has one number for each id."""
    return {axis.dimension.id: axis.value(points[axis.dimension.id]) for axis in axes}


def points_of(axes: Sequence[Axis], values: Mapping[str, Cell]) -> dict[str, float]:
    """Return where a candidate lies in the space: one number for each id."""
    return {axis.dimension.id: axis.point(values[axis.dimension.id]) for axis in axes}


def key_in(axes: Sequence[Axis], values: Mapping[str, Cell]) -> str:
    """Return a text that is the same for the same candidate and no other."""
    return key_of(values[axis.dimension.id] for axis in axes)


def unseen(axes: Sequence[Axis], seen: Collection[str], source: random.Random) -> dict[str, Cell]:
    """Return a random candidate that is not among the `seen` ones; there must be one.

    Args:
        axes: the space.
        seen: the key of each known candidate; see `key_in`.
        source: of which only `random()` is used.
    """
    space = _space(axes)
    if space is not None and space <= _LISTED:
        ids = [axis.dimension.id for axis in axes]
        rows = itertools.product(*(_cells(axis) for axis in axes))
        left = [row for row in rows if key_of(row) not in seen]
        return dict(zip(ids, left[int(source.random() * len(left))], strict=True))
    while True:
        values = {axis.dimension.id: axis.dimension.at(source.random()) for axis in axes}
        if key_in(axes, values) not in seen:
            return values


def _space(axes: Sequence[Axis]) -> int | None:
    counts = [axis.count for axis in axes]
    known = [count for count in counts if count is not None]
    return math.prod(known) if len(known) == len(counts) else None


def _cells(axis: Axis) -> Sequence[Cell]:
    low, high = _whole_ends(axis.dimension) if not axis.cells else (0, 0)
    return axis.cells or range(low, high + 1)


def _whole_ends(dimension: Dimension) -> tuple[int, int]:
    """Return the least and the greatest of the whole numbers that `Dimension.at` gives."""
    low, high = dimension.number(dimension.low, round), dimension.number(dimension.high, round)
    return int(low), int(high)


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _float(cell: Cell) -> float:
    assert isinstance(cell, int | float), "a number, as `_is_number` tells"
    return float(cell)
