"""Names: what one may look like, and the nearest known one for a message."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated

from pydantic import StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that `word` most likely meant, or None when none is close."""
    names = list(known)
    matches = get_close_matches(word[:64], names, n=1, cutoff=0.6)
    if matches:
        return matches[0]
    folded = word.casefold()
    return next((name for name in names if name.casefold() == folded), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest known name, or an empty string."""
    name = nearest(word, known)
    return f" Did you mean '{name}'?" if name else ""
