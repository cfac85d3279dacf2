"""The candidates of a tune: what the grid and the fit's open arguments make together."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import FitSpec
from service.domain.names import did_you_mean
from service.domain.tune.designs import Point, independent, space_filling
from service.domain.tune.dimensions import Dimension, dimension
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
from service.domain.tune.placeholders import Placeholder, placeholders, substituted
from service.domain.tune.spec import TuneSpec

Places = Mapping[str, tuple[Placeholder, ...]]
Words = Callable[[ValidationError], InvalidSpec]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One combination of values. `trial` is 1-based; `config` is what tune calls it.

    `spec` is the fit, or None for values that it refuses; then `note` says why.
    """

    trial: int
    config: str
    values: Mapping[str, Cell]
    spec: FitSpec | None
    note: str | None = None


def candidates(spec: TuneSpec, words: Words | None = None) -> tuple[Candidate, ...]:
    """Return the candidates of a tune in the grid's order; of "bayes" the initial ones.

    Equal draws of a random or space-filling grid count once, as in dials, so there may be fewer
    than `size`.

    Args:
        spec: the tune, its seeds filled in by `seeded`.
        words: what tells of a fit that its schema refuses, below body.fit.

    Raises:
        InvalidSpec: what `placeholders` and `dimension` raise; an id without values, values without
            an id, more than `MAX_CANDIDATES`; a fit that is wrong whatever the values are, or for
            all of them.
    """
    places = placeholders(spec.fit)
    rows = _rows(spec, places)
    names = _configs(rows, places)
    found = tuple(
        _candidate(spec, places, at, config, row, words)
        for at, (config, row) in enumerate(zip(names, rows, strict=True), start=1)
    )
    if all(each.spec is None for each in found):
        raise _none_left(found)
    return found


def proposed(
    spec: TuneSpec, trial: int, values: Mapping[str, Cell], words: Words | None = None
) -> Candidate:
    """Return a candidate of a Bayesian search beyond the initial ones, the 1-based `trial`-th.

    tune calls it by its iteration: Iter1 is the first after the initial ones.
    """
    initial = spec.grid.initial if isinstance(spec.grid, Bayes) else 0
    config = f"Iter{trial - initial}"
    return _candidate(spec, placeholders(spec.fit), trial, config, values, words)


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


def _rows(spec: TuneSpec, places: Places) -> list[dict[str, Cell]]:
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
        key = _key(row.values())
        if key not in seen:
            seen.add(key)
            yield row


def _given_once(rows: Sequence[Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    order = list(rows[0])
    seen: dict[str, int] = {}
    for at, row in enumerate(rows):
        first = seen.setdefault(_key(row[each] for each in order), at)
        if first != at:
            raise _refused(
                ("grid", "rows", at),
                f"Expected each candidate once. Row {at + 1} is row {first + 1} again.",
            )
    return [{each: row[each] for each in order} for row in rows]


def _configs(rows: Sequence[Mapping[str, Cell]], places: Places) -> list[str]:
    """Return tune's names: one number for the recipe's values, one for the model's within them.

    Recipes are numbered in the order in which they first appear; numbers have equal width.
    """
    of_recipe = [each for each, own in places.items() if own[0].of_recipe]
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(_key(row[each] for each in of_recipe), []).append(at)
    names = [""] * len(rows)
    for number, members in enumerate(groups.values(), start=1):
        for model, at in enumerate(members, start=1):
            names[at] = (
                f"Preprocessor{number:0{len(str(len(groups)))}d}"
                f"_Model{model:0{len(str(len(members)))}d}"
            )
    return names


def _candidate(
    spec: TuneSpec,
    places: Places,
    trial: int,
    config: str,
    values: Mapping[str, Cell],
    words: Words | None,
) -> Candidate:
    body = substituted(spec.fit, places, values)
    fit: FitSpec | None = None
    note: str | None = None
    try:
        fit = FitSpec.model_validate(body)
    except ValidationError as error:
        told = _plain(error, body) if words is None else words(error)
        paths = [each.path for own in places.values() for each in own]
        if not all(_depends(field.loc[2:], paths) for field in told.errors):
            raise told from None
        note = told.detail
    return Candidate(trial=trial, config=config, values=values, spec=fit, note=note)


def _depends(loc: tuple[str | int, ...], paths: Sequence[tuple[str | int, ...]]) -> bool:
    """Return whether an error may be one of the values: it is at, above or below one of them."""
    return any(loc[: len(path)] == path[: len(loc)] for path in paths)


def _plain(error: ValidationError, body: Mapping[str, Any]) -> InvalidSpec:
    fields = []
    for detail in error.errors(include_url=False):
        text = str(detail.get("ctx", {}).get("error", detail["msg"]))
        place = _place(detail["loc"], body, missing=detail["type"] == "missing")
        fields.append(FieldError(loc=("body", "fit", *place), msg=text))
    return InvalidSpec(f"{'.'.join(map(str, fields[0].loc[1:]))}: {fields[0].msg}", errors=fields)


def _place(loc: tuple[str | int, ...], body: Any, *, missing: bool) -> tuple[str | int, ...]:
    """Return the parts of a place that lead through the body, without a union's labels."""
    place: list[str | int] = []
    for part in loc:
        known = (
            part in body
            if isinstance(body, dict)
            else isinstance(body, list) and part in range(len(body))
        )
        if known:
            body = body[part]
            place.append(part)
    return (*place, loc[-1]) if missing else tuple(place)


def _none_left(found: Sequence[Candidate]) -> InvalidSpec:
    reasons: dict[str, int] = {}
    for each in found:
        reasons[each.note or ""] = reasons.get(each.note or "", 0) + 1
    detail = "Expected a candidate that can be fitted. " + " ".join(
        f"{count} of {len(found)}: {reason}" for reason, count in list(reasons.items())[:5]
    )
    return InvalidSpec(detail, errors=[FieldError(loc=("body", "grid"), msg=detail)])


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


def _key(values: Iterable[Cell]) -> str:
    return json.dumps(list(values))


def _refused(loc: tuple[str | int, ...], msg: str) -> InvalidSpec:
    field = FieldError(loc=("body", *loc), msg=msg)
    return InvalidSpec(f"{'.'.join(map(str, loc))}: {msg}", errors=[field])
