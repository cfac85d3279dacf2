"""One page of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some items of a list; `next` is the `after` of the next page, None on the last one."""

    data: list[T]
    has_more: bool
    next: str | None


def page_of(
    rows: Sequence[R], limit: int, cursor: Callable[[R], str]
) -> tuple[Sequence[R], str | None]:
    """Return the page's rows and its `next`, from one row more than the page may hold."""
    if len(rows) <= limit:
        return rows, None
    kept = rows[:limit]
    return kept, cursor(kept[-1])
