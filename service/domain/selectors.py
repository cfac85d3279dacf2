"""Which columns a step means: names, groups of a kind, prefixes, suffixes, patterns, and minus."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

from pydantic_core import SchemaError, SchemaValidator, core_schema

from service.domain.datasets import NUMERIC_TYPES, TEMPORAL_TYPES
from service.domain.errors import FieldError, InvalidSpec
from service.domain.names import did_you_mean
from service.domain.recipe import Interact, RecipeStep

Kind = Literal["numeric", "nominal", "date"]

GROUPS: Mapping[str, frozenset[Kind]] = {
    "all_predictors": frozenset(("numeric", "nominal", "date")),
    "all_numeric_predictors": frozenset(("numeric",)),
    "all_nominal_predictors": frozenset(("nominal",)),
    "all_date_predictors": frozenset(("date",)),
}
_SHOWN = 5


def resolve(
    selectors: str | Sequence[str] | None,
    columns: Sequence[tuple[str, Kind]],
    default: str,
    *,
    gone: Collection[str] = (),
    loc: tuple[str | int, ...] = ("columns",),
) -> tuple[str, ...]:
    """Return the names that selectors mean, each once, in the order in which they are selected.

    A selector is a column's exact name (which wins over any other reading), `all_predictors`,
    `all_numeric_predictors`, `all_nominal_predictors`, `starts_with:x`, `ends_with:x`,
    `matches:regex`, or one of these behind a minus. They are read from left to right as tidyselect
    reads `c(...)`: a plain one adds, a minus takes away, and a list that begins with a minus begins
    with all of `default`. Prefixes, suffixes and patterns ignore case, as tidyselect's do; a
    pattern is looked for anywhere in the name, in RE2's language, which takes linear time. A group
    or a pattern may select nothing.

    Args:
        selectors: what the step says; None means `default`.
        columns: the predictors as they stand before the step, in order: (name, kind).
        default: the group that the step is for.
        gone: names that earlier steps dropped. Taking one away is no error; naming one is.
        loc: where the selectors stand in the request, for the error.

    Raises:
        InvalidSpec: a name that no predictor has (the message names the nearest one), a name that
            an earlier step dropped, or a pattern that is not a regular expression of RE2.
    """
    wanted = [default] if selectors is None else selectors
    wanted = [wanted] if isinstance(wanted, str) else wanted
    known = dict(columns)
    chosen: dict[str, None] = {}
    for position, selector in enumerate(wanted):
        minus = selector.startswith("-") and selector not in known
        if minus and position == 0:
            chosen = dict.fromkeys(_meant(default, known, gone, minus=False, loc=loc))
        names = _meant(selector.removeprefix("-") if minus else selector, known, gone, minus, loc)
        if minus:
            taken = set(names)
            chosen = {name: None for name in chosen if name not in taken}
        else:
            chosen.update(dict.fromkeys(names))
    return tuple(chosen)


def kind_of(column_type: str) -> Kind:
    """Return what a column's type is to a recipe."""
    if column_type in NUMERIC_TYPES:
        return "numeric"
    return "date" if column_type in TEMPORAL_TYPES else "nominal"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a step stands: the predictors before it, in order, and what earlier steps dropped.

    `loc` is the step's place in the request, for errors.
    """

    columns: Mapping[str, Kind]
    gone: Collection[str] = ()
    loc: tuple[str | int, ...] = ()

    def chosen(self, step: RecipeStep) -> tuple[str, ...]:
        """Return the columns that the step works on; see `columns_of`."""
        return columns_of(
            step, list(self.columns.items()), gone=self.gone, loc=(*self.loc, "columns")
        )

    def others(self, step: RecipeStep, field: str, group: str) -> tuple[str, ...]:
        """Return the columns that another field of the step selects, all of one kind.

        Raises:
            InvalidSpec: as `columns_of`.
        """
        loc = (*self.loc, field)
        wanted = getattr(step, field)
        names = resolve(wanted, list(self.columns.items()), group, gone=self.gone, loc=loc)
        _require_kind(step, names, self.columns, group, loc)
        return names

    def interactions(self, step: Interact) -> tuple[tuple[str, ...], ...]:
        """Return the columns of each product that the step makes, each product once.

        As R's formulas have them: shorter products first, and in each of them the columns in the
        order in which the terms name them.

        Raises:
            InvalidSpec: as `columns_of`.
        """
        terms = step.interactions()
        if terms is None:
            return tuple(combinations(self.chosen(step), 2))
        columns = list(self.columns.items())
        loc = (*self.loc, "terms")
        place: dict[str, int] = {}
        found: dict[frozenset[str], None] = {}
        for term in terms:
            sides = [resolve(side, columns, step.selects, gone=self.gone, loc=loc) for side in term]
            for name in dict.fromkeys(name for side in sides for name in side):
                _require_kind(step, (name,), self.columns, step.selects, loc)
                place.setdefault(name, len(place))
            found |= dict.fromkeys(frozenset(names) for names in product(*sides))
        products = [
            tuple(sorted(names, key=place.__getitem__)) for names in found if len(names) > 1
        ]
        return tuple(sorted(products, key=len))


def columns_of(
    step: RecipeStep,
    columns: Sequence[tuple[str, Kind]],
    *,
    gone: Collection[str] = (),
    loc: tuple[str | int, ...] = ("columns",),
) -> tuple[str, ...]:
    """Return the columns that a step works on, by its selectors or by what the step is for.

    Args:
        step: a step of a recipe; `step.selects` is the group it is for.
        columns: the predictors as they stand before the step, in order: (name, kind).
        gone: names that earlier steps dropped.
        loc: where the step's selectors stand in the request, for the error.

    Raises:
        InvalidSpec: as `resolve`, or a selected column is not of the kind that the step is for.
    """
    chosen = resolve(step.columns, columns, step.selects, gone=gone, loc=loc)
    _require_kind(step, chosen, dict(columns), step.selects, loc)
    return chosen


def listed(names: Iterable[str], shown: int = _SHOWN) -> str:
    """Return names in quotes for a message, the first few and how many more there are."""
    every = [f"'{name}'" for name in names]
    rest = len(every) - shown
    return ", ".join(every[:shown]) + (f" and {rest} more" if rest > 0 else "")


def _meant(
    selector: str,
    known: Mapping[str, Kind],
    gone: Collection[str],
    minus: bool,
    loc: tuple[str | int, ...],
) -> list[str]:
    if selector in known:
        return [selector]
    if selector in GROUPS:
        return [name for name, kind in known.items() if kind in GROUPS[selector]]
    what, colon, text = selector.partition(":")
    if colon and what == "starts_with":
        return [name for name in known if name.lower().startswith(text.lower())]
    if colon and what == "ends_with":
        return [name for name in known if name.lower().endswith(text.lower())]
    if colon and what == "matches":
        found = _pattern(text, loc)
        return [name for name in known if found.isinstance_python(name)]
    if selector in gone:
        if minus:
            return []
        raise _refused(
            f"Expected a predictor. Received '{selector}', which an earlier step dropped.",
            selector,
            loc,
        )
    near = did_you_mean(selector, [*known, *GROUPS])
    raise _refused(
        f"Expected a predictor or a selector. Received '{selector}'.{near}", selector, loc
    )


def _require_kind(
    step: RecipeStep,
    names: Sequence[str],
    known: Mapping[str, Kind],
    group: str,
    loc: tuple[str | int, ...],
) -> None:
    belongs = GROUPS[group]
    wrong = [name for name in names if known[name] not in belongs]
    if wrong:
        cure = " Declare it a date at upload." if belongs == {"date"} else ""
        raise _refused(
            f"Expected {min(belongs)} columns in step '{getattr(step, 'step', '')}'. "
            f"Received {listed(wrong)}, {known[wrong[0]]}.{cure}",
            wrong[0],
            loc,
        )


def _pattern(text: str, loc: tuple[str | int, ...]) -> SchemaValidator:
    # pydantic-core carries Rust's regex: linear time on any pattern, where `re` can take for ever.
    try:
        return SchemaValidator(core_schema.str_schema(pattern=f"(?i){text}"))
    except SchemaError as error:
        reason = str(error).rstrip().rpartition("error: ")[2]
        raise _refused(
            f"Expected a regular expression of RE2 after 'matches:'. Received '{text}': {reason}.",
            text,
            loc,
        ) from None


def _refused(detail: str, received: str, loc: tuple[str | int, ...]) -> InvalidSpec:
    return InvalidSpec(detail, errors=[FieldError(loc=loc, msg=detail, received=received)])
