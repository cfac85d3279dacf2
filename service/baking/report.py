"""What a recipe did, as text for a terminal: R's `prep`, `bake` and `glimpse` in one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NAMES = 24
_SHOWN = 6
_WIDTH = 120


def report(told: Mapping[str, Any]) -> str:
    """Return the answer of a preview as text, lines of at most about 120 characters.

    Args:
        told: `{steps, removed, warnings, training, new_data}`.
    """
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    steps = told["steps"]
    yield f"Recipe: {len(steps)} step{'' if len(steps) == 1 else 's'}, prepared"
    for number, step in enumerate(steps, start=1):
        yield _cut(f"  {number:>2}  {step['step']:<15} {_learned(step['learned'])}".rstrip())
    if told["removed"]:
        yield f"Removed: {len(told['removed'])}"
        for gone in told["removed"]:
            yield _cut(f"  {_name(gone['column'])}  {gone['step']:<15} {gone['reason']}")
    if told["warnings"]:
        yield f"Warnings: {len(told['warnings'])}"
        for warning in told["warnings"]:
            # What to do about it stands at its end: not cut.
            yield f"  {warning['step']}: {_plain(warning['message'])}"
    for title, key in (("Training", "training"), ("New data", "new_data")):
        if told[key] is not None:
            yield ""
            yield from _table(title, told[key])


def _table(title: str, baked: Mapping[str, Any]) -> Iterator[str]:
    yield f"{title}: {baked['n_rows']:,} rows, {baked['n_columns']:,} columns"
    for column in baked["columns"]:
        missing = f", {column['n_missing']:,} missing" if column["n_missing"] else ""
        what = f"{_profile(column)}{missing}"
        values = [row[column["name"]] for row in baked["rows"][:_SHOWN]]
        cells = ", ".join(_value(value) for value in values)
        yield _cut(f"  {_name(column['name'])}  {column['type']:<8}  {what:<40}  {cells}".rstrip())


def _profile(column: Mapping[str, Any]) -> str:
    if column["mean"] is not None:
        sd = "" if column["sd"] is None else f" sd {column['sd']:.4g}"
        # What normalising leaves of a mean is rounding.
        mean = 0.0 if abs(column["mean"]) < 1e-9 * (column["sd"] or 0) else column["mean"]
        return f"mean {mean:.4g}{sd}, {column['min']:.4g} to {column['max']:.4g}"
    if column.get("levels") is not None:
        return f"{len(column['levels'])} levels"
    return ""


def _learned(learned: Mapping[str, Any]) -> str:
    return "; ".join(f"{what} {_value(value)}" for what, value in learned.items())


def _value(value: Any) -> str:
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        shown = [f"{_plain(key)}={_value(part)}" for key, part in _first(list(value.items()))]
        return _several(shown, len(value))
    if isinstance(value, list):
        return _several([_value(part) for part in _first(value)], len(value))
    return _plain(str(value))


def _first(values: Sequence[Any]) -> Sequence[Any]:
    return values[:_SHOWN]


def _several(shown: Sequence[str], n: int) -> str:
    more = f" and {n - len(shown):,} more" if n > len(shown) else ""
    return f"{', '.join(shown)}{more}" if n else "none"


def _name(name: str) -> str:
    name = _plain(name)
    name = name if len(name) <= _NAMES else f"{name[: _NAMES - 1]}…"
    return f"{name:<{_NAMES}}"


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _plain(text: str) -> str:
    """Return text that does nothing to a terminal but show itself."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
