"""Which columns a step means: names, groups of a kind, prefixes, suffixes, patterns, and minus."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from pydantic_core import SchemaError, SchemaValidator, core_schema

from service.domain.errors import FieldError, InvalidSpec
from service.domain.names import did_you_mean
from service.domain.recipe import Step

GROUPS: dict[str, Callable[[bool], bool]] = {
    "all_predictors": lambda _: True,
    "all_numeric_predictors": lambda is_numeric: is_numeric,
    "all_nominal_predictors": lambda is_numeric: not is_numeric,
}
_SHOWN = 5


def resolve(
    selectors: str | Sequence[str] | None,
    columns: Sequence[tuple[str, bool]],
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
        columns: the predictors as they stand before the step, in order: (name, is numeric).
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


def columns_of(
    step: Step,
    columns: Sequence[tuple[str, bool]],
    *,
    gone: Collection[str] = (),
    loc: tuple[str | int, ...] = ("columns",),
) -> tuple[str, ...]:
    """Return the columns that a step works on, by its selectors or by what the step is for.

    Args:
        step: a step of a recipe; `step.selects` is the group it is for.
        columns: the predictors as they stand before the step, in order: (name, is numeric).
        gone: names that earlier steps dropped.
        loc: where the step's selectors stand in the request, for the error.

    Raises:
        InvalidSpec: as `resolve`, or a selected column is not of the kind that the step is for.
    """
    chosen = resolve(step.columns, columns, step.selects, gone=gone, loc=loc)
    belongs = GROUPS[step.selects]
    known = dict(columns)
    wrong = [name for name in chosen if not belongs(known[name])]
    if wrong:
        kind = "numeric" if step.selects == "all_numeric_predictors" else "nominal"
        other = "nominal" if kind == "numeric" else "numeric"
        raise _refused(
            f"Expected {kind} columns in step '{step.step}'. Received {listed(wrong)}, {other}.",
            wrong[0],
            loc,
        )
    return chosen


def listed(names: Iterable[str], shown: int = _SHOWN) -> str:
    """Return names in quotes for a message, the first few and how many more there are."""
    every = [f"'{name}'" for name in names]
    rest = len(every) - shown
    return ", ".join(every[:shown]) + (f" and {rest} more" if rest > 0 else "")


def _meant(
    selector: str,
    known: dict[str, bool],
    gone: Collection[str],
    minus: bool,
    loc: tuple[str | int, ...],
) -> list[str]:
    if selector in known:
        return [selector]
    if selector in GROUPS:
        return [name for name, is_numeric in known.items() if GROUPS[selector](is_numeric)]
    kind, colon, text = selector.partition(":")
    if colon and kind == "starts_with":
        return [name for name in known if name.lower().startswith(text.lower())]
    if colon and kind == "ends_with":
        return [name for name in known if name.lower().endswith(text.lower())]
    if colon and kind == "matches":
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
