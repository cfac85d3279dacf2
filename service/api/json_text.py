"""JSON read strictly: each key once, no NaN, no infinity, no NUL, no text that is not Unicode."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json

from service.api.problem_kinds import UnreadableBody
from service.api.problems import MAX_ECHO, clip

# Fields and list items of a specification, all told: more than the options of a table with 4,096
# declared columns and a factor of 10,000 levels need, few enough to tell what is wrong with each.
MAX_MEMBERS = 40_000


def read_json(raw: bytes) -> JsonValue:
    """Return the value of a JSON text.

    Raises:
        UnreadableBody: it is not JSON (RFC 8259), or says something twice or of no meaning.
    """
    try:
        value: JsonValue = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise UnreadableBody(
            f"Expected JSON in UTF-8. Received {len(raw)} bytes that are not: {_reason(error)}."
        ) from None
    _refuse_repeated_keys(raw, value)
    if b"\\u0000" in raw:
        _refuse_nul(value)
    return value


def _reason(error: ValueError) -> str:
    return clip(str(error), MAX_ECHO)


def count_keys(value: JsonValue, objects: int | None = None) -> int:
    """Return how many keys all objects of a value have; `objects`, when known, ends the search."""
    seen = keys = 0
    level: list[Any] = [value]
    while level and (objects is None or seen < objects):
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                seen += 1
                keys += len(item)
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        # The last objects are found before their members are looked at: a wide table's
        # cells need no look.
        level = [item for item in below if type(item) is dict or type(item) is list]
    return keys


def count_members(value: Any) -> int:
    """Return how many fields and items there are in all objects and lists of a value."""
    if isinstance(value, dict):
        return len(value) + sum(map(count_members, value.values()))
    if isinstance(value, list):
        return len(value) + sum(map(count_members, value))
    return 0


def _refuse_repeated_keys(raw: bytes, value: JsonValue) -> None:
    """The parser keeps the last of two equal keys; a client that sends both has two minds."""
    # Each key has its colon. As many colons as keys: no key was lost. More: a string holds one,
    # or a key came twice; only then is the slower reader asked.
    if raw.count(b":") == count_keys(value, raw.count(b"{")):
        return

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise UnreadableBody(
                f"Expected each key of an object once. Received '{clip(twice, MAX_ECHO)}' twice."
            )
        return found

    json.loads(raw, object_pairs_hook=once)


def _refuse_nul(value: JsonValue) -> None:
    for text in _texts(value):
        if "\0" in text:
            raise UnreadableBody(
                "Expected text without the character NUL. Received '\\u0000' in "
                f"'{clip(text, MAX_ECHO)}'."
            )


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def whole_as_integers(value: Any) -> Any:
    """Return a value in which 1e+05 is the integer it is: JSON has one kind of number.

    R's jsonlite writes 100000 so, and JSON Schema counts 20.0 as an integer.
    """
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < 2**53
        return int(value) if whole else value
    if isinstance(value, dict):
        return {key: whole_as_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_as_integers(item) for item in value]
    return value
