"""What a step's writer in Python is given, and values as Python writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pprint import pformat
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A step to write: as it was asked for, fitted, its columns in Python, whole numbers so far."""

    step: Any
    fitted: Any
    chosen: str
    integers: set[str]


Writer = Callable[[Asked], list[str]]


def dropped(names: Sequence[str]) -> list[str]:
    """Return the lines that drop columns which the service found, none where it found none."""
    if not names:
        return []
    return ["# As the service found them.", f"x = x.drop(columns={literal(names)})"]


def literal(value: Any) -> str:
    """Return a value as Python writes it, on lines of at most 88 characters."""
    if isinstance(value, tuple):
        value = list(value)
    return pformat(value, width=88, compact=True, sort_dicts=False)
