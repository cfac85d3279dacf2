"""A parameter's range: which values it has, on which scale, as dials and recipes give it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import KERAS3_ACTIVATIONS, KERAS_ACTIVATIONS
from service.domain.tune.grid import Cell, ParameterRange, Scale
from service.domain.tune.placeholders import Placeholder, annotation_of

Kind = Literal["integer", "double", "choice"]

_INVERSE: Final[Mapping[Scale, Callable[[float], float]]] = {
    "identity": lambda x: x,
    "log10": lambda x: math.pow(10.0, x),
    "log2": lambda x: math.pow(2.0, x),
    "log": math.exp,
}
_FORWARD: Final[Mapping[Scale, Callable[[float], float]]] = {
    "identity": lambda x: x,
    "log10": math.log10,
    "log2": math.log2,
    "log": math.log,
}
# Beyond this a whole number is no exact double any more.
_LARGEST: Final = 2.0**53


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One id's values: numbers from `low` to `high` on `scale`, or a choice of `values`.

    `low` and `high` are on the scale: -5 and -1 on "log10" are 0.00001 and 0.1.
    """

    id: str
    kind: Kind
    low: float = 0.0
    high: float = 1.0
    scale: Scale = "identity"
    values: tuple[Cell, ...] = ()

    def levels(self, n: int) -> int:
        """Return the most values that `sequence(n)` can have, without making them."""
        if self.kind == "choice":
            return min(n, len(self.values))
        if self.kind == "integer":
            low, high = (math.floor(_INVERSE[self.scale](end)) for end in (self.low, self.high))
            return min(n, high - low + 1)
        return n

    def sequence(self, n: int) -> tuple[Cell, ...]:
        """Return at most `n` values, evenly spaced on the scale, whole numbers rounded down.

        As dials::value_seq: `unique(floor(seq(low, high, length.out = n)))`; of a choice the first.
        """
        if self.kind == "choice":
            return self.values[:n]
        step = (self.high - self.low) / (n - 1) if n > 1 else 0.0
        points = [self.low + at * step for at in range(n)]
        if n > 1:
            points[-1] = self.high
        return tuple(dict.fromkeys(self.number(point, math.floor) for point in points))

    def sample(self, u: float) -> Cell:
        """Return the value that a uniform draw `u` in [0, 1) stands for (dials::value_sample).

        Whole numbers on the identity scale are equally likely, on others rounded down.
        """
        if self.kind == "choice":
            return self.values[int(u * len(self.values))]
        if self.kind == "integer" and self.scale == "identity":
            low, high = math.ceil(self.low), math.floor(self.high)
            return low + int(u * (high - low + 1))
        return self.number(self.low + u * (self.high - self.low), math.floor)

    def at(self, u: float) -> Cell:
        """Return the value at `u` in [0, 1] of the range (dials' encode_unit, backward).

        Whole numbers are the nearest ones, of two the even one; a choice has equal parts.
        """
        if self.kind == "choice":
            parts = len(self.values)
            return self.values[min(max(math.ceil(u * parts) - 1, 0), parts - 1)]
        return self.number(self.low + u * (self.high - self.low), round)

    def unit_of(self, value: Any) -> float:
        """Return where a value lies in the range, 0 to 1: the inverse of `at`, up to rounding."""
        if self.kind == "choice":
            return (self.values.index(value) + 0.5) / len(self.values)
        return (_FORWARD[self.scale](float(value)) - self.low) / (self.high - self.low)

    def number(self, point: float, whole: Callable[[float], int]) -> int | float:
        """Return the parameter's value at a point of the scale, rounded by `whole` if it is one."""
        natural = _INVERSE[self.scale](point)
        return whole(natural) if self.kind == "integer" else natural


def _integer(low: float, high: float) -> Dimension:
    return Dimension(id="", kind="integer", low=low, high=high)


def _double(low: float, high: float, scale: Scale = "identity") -> Dimension:
    return Dimension(id="", kind="double", low=low, high=high, scale=scale)


# dials 1.1 and, for steps, recipes 1.0.4's tunable().
DEFAULTS: Final[Mapping[str, Dimension]] = {
    "model.hidden_units": _integer(1, 10),
    "model.hidden_units[]": _integer(1, 10),
    "model.penalty": _double(-10, 0, "log10"),
    "model.mixture": _double(0, 1),
    "model.dropout": _double(0, 1),
    "model.epochs": _integer(10, 1000),
    "model.learn_rate": _double(-10, -1, "log10"),
    "early_stopping.patience": _integer(3, 20),
    "sgd.momentum": _double(0, 1),
    "rmsprop.momentum": _double(0, 1),
    "corr.threshold": _double(0, 1),
    "discretize.min_unique": _integer(5, 15),
    "discretize.num_breaks": _integer(2, 10),
    "filter_missing.threshold": _double(0.05, 1),
    "impute_knn.neighbors": _integer(1, 10),
    "impute_mean.trim": _double(0, 0.5),
    "ns.deg_free": _integer(1, 15),
    "nzv.freq_cut": _double(5, 25),
    "nzv.unique_cut": _double(0, 100),
    "other.threshold": _double(0, 0.1),
    "pca.num_comp": _integer(1, 4),
    "pca.threshold": _double(0, 1),
    "poly.degree": _integer(1, 3),
}


def dimension(
    place: Placeholder, given: ParameterRange | None, engine: object = "keras"
) -> Dimension:
    """Return an id's range: the given one, or that of dials for its argument.

    Args:
        place: where the id stands.
        given: what the grid says of it.
        engine: the fit's engine, which decides the activations.

    Raises:
        InvalidSpec: no range was given and dials has none; a range whose values would overflow;
            one without a scale that could mean exponents or values.
    """
    known = _known(place, engine)
    if given is None:
        if known is None:
            raise _refused(
                place.id,
                f"Expected a range for '{place.id}'. There is none by default for "
                f'{place.argument}. Give {{"min": ..., "max": ...}} or {{"values": [...]}}.',
            )
        return known
    if given.values is not None:
        return Dimension(id=place.id, kind="choice", values=tuple(given.values))
    kind = _kind(annotation_of(place.argument)) if known is None else known.kind
    if kind == "choice" or given.min is None or given.max is None:
        raise _refused(
            place.id,
            f"Expected `values` for '{place.id}', which is no number but {place.argument}. "
            "Received `min` and `max`.",
        )
    own: Scale = "identity" if known is None else known.scale
    if given.scale is None and own != "identity" and given.min >= 0:
        raise _refused(
            place.id,
            f"Expected `scale` for '{place.id}': 'identity' if min={given.min:g} and "
            f"max={given.max:g} are values, '{own}' if they are exponents.",
        )
    scale = given.scale or own
    _refuse_ends(place.id, given.min, given.max, scale)
    natural = [_INVERSE[scale](end) for end in (given.min, given.max)]
    if kind == "integer" and math.floor(natural[1]) < math.ceil(natural[0]):
        raise _refused(
            place.id,
            f"Expected a range with a whole number in it for {place.argument}. Received "
            f"{natural[0]:g} to {natural[1]:g}.",
        )
    return Dimension(id=place.id, kind=kind, low=given.min, high=given.max, scale=scale)


def _known(place: Placeholder, engine: object) -> Dimension | None:
    if place.argument == "model.activation":
        values = KERAS3_ACTIVATIONS if engine == "keras3" else KERAS_ACTIVATIONS
        return Dimension(id=place.id, kind="choice", values=values)
    known = DEFAULTS.get(place.argument)
    if known is not None:
        return replace(known, id=place.id)
    if annotation_of(place.argument) is bool:
        return Dimension(id=place.id, kind="choice", values=(True, False))
    return None


def _kind(annotation: Any) -> Kind:
    """Return what numbers a declared type takes; without any it is a choice."""
    inside = _types(annotation)
    if float in inside:
        return "double"
    return "integer" if int in inside else "choice"


def _types(annotation: Any) -> set[Any]:
    # A constraint such as Ge(1) is among an Annotated's arguments, and has none itself.
    below = get_args(annotation)
    return {annotation} if not below else set().union(*map(_types, below))


def _refuse_ends(name: str, low: float, high: float, scale: Scale) -> None:
    for end in (low, high):
        try:
            natural = _INVERSE[scale](end)
        except OverflowError:
            natural = math.inf
        if not abs(natural) <= _LARGEST:
            raise _refused(
                name,
                f"Expected a range of numbers up to 2^53. Received {end:g} on the scale '{scale}'"
                f"{' (min and max are exponents)' if scale != 'identity' else ''}.",
            )


def _refused(name: str, msg: str) -> InvalidSpec:
    field = FieldError(loc=("body", "grid", "ranges", name), msg=msg)
    return InvalidSpec(f"grid.ranges.{name}: {msg}", errors=[field])
