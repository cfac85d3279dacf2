"""What a grid makes: rows of values, one for each id of the fit."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from service.domain.errors import FieldError, InvalidSpec
from service.domain.names import did_you_mean
from service.domain.tune.designs import Point, independent, space_filling
from service.domain.tune.dimensions import DEFAULTS, Dimension, dimension
from service.domain.tune.grid import (
    MAX_CANDIDATES,
    Bayes,
    Cell,
    Expand,
    Random,
    Regular,
    Rows,
    SpaceFilling,
)
from service.domain.tune.placeholders import Placeholder, placeholders
from service.domain.tune.spec import TuneSpec

Places = Mapping[str, tuple[Placeholder, ...]]


def key_of(values: Iterable[Cell]) -> str:
    """Return a text that is the same for the same values and no others."""
    return json.dumps(list(values))


def dimensions(spec: TuneSpec) -> tuple[Dimension, ...]:
    """Return the ranges of a grid that has them, in the order of its `ranges`, then of the fit.

    Raises:
        InvalidSpec: as `candidates`; a grid of values has no ranges.
    """
    places = placeholders(spec.fit)
    if spec.grid is None or isinstance(spec.grid, Expand | Rows):
        return ()
    given = spec.grid.ranges
    _refuse_strangers(given, places, "ranges")
    engine = spec.fit.get("engine", {})
    name = engine.get("name", "keras") if isinstance(engine, dict) else None
    order = [*given, *(each for each in places if each not in given)]
    return tuple(dimension(places[each][0], given.get(each), name) for each in order)


def logarithmic_ids(spec: TuneSpec) -> frozenset[str]:
    """Return the ids whose scale is a logarithm: by the grid's range, else by dials' default."""
    ranges = getattr(spec.grid, "ranges", {})
    found = set()
    for name, (place, *_) in placeholders(spec.fit).items():
        scale = ranges[name].scale if name in ranges else None
        known = DEFAULTS.get(place.argument)
        own = scale or (known.scale if known is not None else "identity")
        if own != "identity":
            found.add(name)
    return frozenset(found)


def combinations(spec: TuneSpec, places: Places) -> list[dict[str, Cell]]:
    """Return the grid's rows in its order; how many is known before any is made.

    Raises:
        InvalidSpec: an id without values, values without an id, more than `MAX_CANDIDATES` rows.
    """
    grid = spec.grid
    if grid is None:
        if places:
            raise _refused(
                ("grid",),
                f"Expected a grid for {_listed(places)}. There is none. "
                'For example {"kind": "space_filling", "size": 10}.',
            )
        return [{}]
    if not places:
        raise _refused(
            ("fit",),
            'Expected an argument that is {"tune": "id"} for the grid. There is none. Without a '
            "grid the fit is resampled as it is.",
        )
    match grid:
        case Expand():
            _refuse_strangers(grid.values, places, "values")
            _refuse_absent(grid.values, places, ("grid", "values"))
            _refuse_many(len(cells) for cells in grid.values.values())
            return [
                dict(zip(grid.values, row, strict=True))
                for row in itertools.product(*grid.values.values())
            ]
        case Rows():
            for at, row in enumerate(grid.rows):
                _refuse_strangers(row, places, "rows", at)
                _refuse_absent(row, places, ("grid", "rows", at))
            return _given_once(grid.rows)
        case Regular():
            return _regular(grid, dimensions(spec), places)
        case Random() | SpaceFilling() | Bayes():
            return list(_drawn(grid, dimensions(spec)))


def _regular(grid: Regular, axes: Sequence[Dimension], places: Places) -> list[dict[str, Cell]]:
    levels = grid.levels
    if not isinstance(levels, int):
        _refuse_strangers(levels, places, "levels")
        _refuse_absent(levels, places, ("grid", "levels"))
    counts = [levels if isinstance(levels, int) else levels[axis.id] for axis in axes]
    _refuse_many(axis.levels(count) for axis, count in zip(axes, counts, strict=True))
    sequences = [axis.sequence(count) for axis, count in zip(axes, counts, strict=True)]
    # The last of a product varies fastest, and here the first is to.
    return [
        dict(zip((axis.id for axis in axes), reversed(row), strict=True))
        for row in itertools.product(*reversed(sequences))
    ]


def _drawn(
    grid: Random | SpaceFilling | Bayes, axes: Sequence[Dimension]
) -> Iterator[dict[str, Cell]]:
    size = grid.initial if isinstance(grid, Bayes) else grid.size
    draws = isinstance(grid, Random)
    points: tuple[Point, ...] = (independent if draws else space_filling)(
        size, len(axes), grid.seed or 0
    )
    seen = set()
    for point in points:
        row = {
            axis.id: axis.sample(u) if draws else axis.at(u)
            for axis, u in zip(axes, point, strict=True)
        }
        key = key_of(row.values())
        if key not in seen:
            seen.add(key)
            yield row


def _given_once(rows: Sequence[Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    order = list(rows[0])
    seen: dict[str, int] = {}
    for at, row in enumerate(rows):
        first = seen.setdefault(key_of(row[each] for each in order), at)
        if first != at:
            raise _refused(
                ("grid", "rows", at),
                f"Expected each candidate once. Row {at + 1} is row {first + 1} again.",
            )
    return [{each: row[each] for each in order} for row in rows]


def _refuse_many(counts: Iterable[int]) -> None:
    size = math.prod(counts)
    if size > MAX_CANDIDATES:
        raise _refused(
            ("grid",),
            f"Expected at most {MAX_CANDIDATES:,} candidates. Received a grid of {size:,}. Use "
            "fewer values, or a 'space_filling' grid of a size.",
        )


def _refuse_strangers(names: Iterable[str], places: Places, *where: str | int) -> None:
    for name in names:
        if name not in places:
            known = f" Its ids: {', '.join(places)}." if places else ""
            raise _refused(
                ("grid", *where, name),
                f"Expected an id of the fit. Received '{name}', which no argument "
                f'is {{"tune": "{name}"}} for.{did_you_mean(name, places)}{known}',
            )


def _refuse_absent(names: Iterable[str], places: Places, where: tuple[str | int, ...]) -> None:
    given = set(names)
    absent = [each for each in places if each not in given]
    if absent:
        raise _refused(
            where,
            f"Expected values for {_listed(places)}. None for {_listed(absent)} are there.",
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _refused(loc: tuple[str | int, ...], msg: str) -> InvalidSpec:
    field = FieldError(loc=("body", *loc), msg=msg)
    return InvalidSpec(f"{'.'.join(map(str, loc))}: {msg}", errors=[field])
