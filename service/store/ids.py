"""Ids: a prefix that says of what, then 128 bits that sort by the time they were made."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Literal

from service.domain.errors import FieldError, InvalidSpec

Prefix = Literal["ds", "job", "mdl", "wrk", "ev"]

# Crockford's base 32, lower case: its digits sort as their values do, in every collation.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_ID = re.compile(rf"(?:ds|job|mdl|wrk|ev)_[{_DIGITS}]{{{_LENGTH}}}")


def new_id(prefix: Prefix, at: datetime, latest: str | None = None) -> str:
    """Return a new id of the form of a version 7 UUID: 48 bits of milliseconds, then 80 random.

    It is greater than `latest`, the greatest id so far, even when the wall clock was set back: the
    order of ids is the order in which rows were written.
    """
    milliseconds = max(int(at.timestamp() * 1000), 0)
    number = (milliseconds << 80) | secrets.randbits(80)
    if latest is not None:
        floor = _number(latest)
        if number <= floor:
            # A random step, so that an id cannot be guessed from the one before it.
            number = floor + 1 + secrets.randbits(64)
    return f"{prefix}_{_digits(number)}"


def is_id(text: str) -> bool:
    """Return whether `text` looks like an id, whether or not anything has it."""
    return _ID.fullmatch(text) is not None


def refuse_lookalike(name: str) -> None:
    """Raise InvalidSpec for a name that could be taken for an id."""
    if is_id(name):
        raise InvalidSpec(
            f"Expected a name. Received '{name}', which has the form of an id. Choose another.",
            errors=[FieldError(loc=("name",), msg="has the form of an id", received=name)],
        )


def require_cursor(after: str | None, prefix: Prefix) -> str | None:
    """Return a list's `after`, or raise InvalidSpec when it is no id of that list."""
    if after is not None and not (is_id(after) and after.startswith(f"{prefix}_")):
        raise InvalidSpec(
            f"Expected `after` to be the `next` of the page before ('{prefix}_...'). Received "
            f"{after[:64]!a}.",
            errors=[FieldError(loc=("query", "after"), msg="is no id of this list")],
        )
    return after


def _number(text: str) -> int:
    number = 0
    for digit in text.rpartition("_")[2]:
        number = number * 32 + _DIGITS.index(digit)
    return number


def _digits(number: int) -> str:
    digits: list[str] = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 32)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
