"""How pictures of a tune say a value, order values, and tell what there is to see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeGuard

from service.domain.tune.grid import Cell
from service.domain.tune.ranking import Ranked
from service.engine.plots.canvas import counted

# So many characters fit into a picture of the usual width.
_LONGEST = 92
# Positive values that span more than this stand on a logarithmic scale.
LINEAR_RATIO = 50


def text_of(cell: Cell) -> str:
    """Return a value as a label: 1e-05, relu, 8-4, true, none."""
    match cell:
        case None:
            return "none"
        case bool():
            return str(cell).lower()
        case float():
            return f"{cell:.4g}"
        case list():
            return "-".join(map(str, cell))
        case _:
            return str(cell)


def is_number(cell: Cell) -> TypeGuard[float]:
    """Return whether a value is a number, which a switch is not."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def order_of(cell: Cell) -> tuple[bool, float, str]:
    """Return what orders values: numbers first, then by their labels."""
    value = float(cell) if is_number(cell) else math.inf
    return (not is_number(cell), value, text_of(cell))


def key_of(row: Ranked, name: str) -> str:
    """Return the label of a candidate's value for an id."""
    return text_of(row.trial.values[name])


def varied_ids(rows: Sequence[Ranked], judged: Sequence[Ranked]) -> list[str]:
    """Return the ids of which the judged candidates have more than one value."""
    ids = list(rows[0].trial.values) if rows else []
    return [name for name in ids if len({key_of(row, name) for row in judged}) > 1]


def nothing_to_compare(judged: Sequence[Ranked]) -> str:
    """Return why there is nothing to see."""
    return "One candidate: nothing varies." if judged else "No candidate was judged yet."


def words_of(rows: Sequence[Ranked], judged: Sequence[Ranked]) -> str:
    """Return how many candidates were judged, and the best one."""
    words = f"{len(judged)} of {counted(len(rows), 'candidate')} judged"
    if not judged:
        return words
    best = judged[0]
    values = ", ".join(f"{name} {text_of(value)}" for name, value in best.trial.values.items())
    told = f"{words}, best {best.metric} {best.mean:.4g}" + (f" at {values}" if values else "")
    return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"
