"""The candidates of a tune: what the grid and the fit's open arguments make together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import FitSpec
from service.domain.tune.combinations import Places, combinations, key_of
from service.domain.tune.grid import Cell
from service.domain.tune.placeholders import placeholders, substituted
from service.domain.tune.spec import TuneSpec

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

    def as_named(self) -> dict[str, Any]:
        """Return what an event tells of it: what tune calls it, and its values by id."""
        return {"config": self.config, "values": dict(self.values)}


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
    rows = combinations(spec, places)
    names = _configs(rows, places)
    found = tuple(
        _candidate(spec, places, at, config, row, words)
        for at, (config, row) in enumerate(zip(names, rows, strict=True), start=1)
    )
    refuse_all_invalid(found)
    return found


def proposed(
    spec: TuneSpec,
    trial: int,
    iteration: int,
    values: Mapping[str, Cell],
    words: Words | None = None,
) -> Candidate:
    """Return a candidate of a Bayesian search beyond the initial ones.

    Args:
        spec: the tune.
        trial: its number among all candidates, from 1.
        iteration: its number beyond the initial ones, from 1; tune calls it Iter1.
        values: one for each id.
        words: as for `candidates`.

    Raises:
        InvalidSpec: as `candidates`, for a fit that is wrong whatever the values are.
    """
    places = placeholders(spec.fit)
    return _candidate(spec, places, trial, f"Iter{iteration}", values, words)


def _configs(rows: Sequence[Mapping[str, Cell]], places: Places) -> list[str]:
    """Return tune's names: one number for the recipe's values, one for the model's within them.

    Recipes are numbered in the order in which they first appear; numbers have equal width.
    """
    of_recipe = [each for each, own in places.items() if own[0].of_recipe]
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(key_of(row[each] for each in of_recipe), []).append(at)
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
    # Of a union's alternatives, the one that got farthest is the one that was meant.
    fields.sort(key=lambda field: -len(field.loc))
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


def refuse_all_invalid(found: Sequence[Candidate]) -> None:
    """Raise InvalidSpec with the reasons, grouped, if no candidate can be fitted."""
    if any(each.spec is not None for each in found):
        return
    reasons = Counter(each.note or "" for each in found)
    detail = "Expected a candidate that can be fitted. " + " ".join(
        f"{count} of {len(found)}: {reason}" for reason, count in reasons.most_common(5)
    )
    raise InvalidSpec(detail, errors=[FieldError(loc=("body", "grid"), msg=detail)])
