"""What may stand in a column: text that every database takes, JSON, floats JSON lacks."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from service.domain.errors import InvalidSpec

# PostgreSQL refuses NUL in text, and no driver encodes half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Return whether `text` holds neither NUL nor a lone surrogate."""
    return _UNSTORABLE.search(text) is None


def require_storable(text: str) -> str:
    """Return `text`, or raise InvalidSpec when no database could keep it."""
    found = _UNSTORABLE.search(text)
    if found is not None:
        raise InvalidSpec(
            "Expected text without NUL and without lone surrogates. Received the code point "
            f"U+{ord(found.group()):04X} at position {found.start()}. Remove it."
        )
    return text


def scrub(text: str, limit: int) -> str:
    """Return the first `limit` characters, with U+FFFD for what cannot be stored.

    For text that must be kept whatever it holds: what a dying child printed, or why it died.
    """
    return _UNSTORABLE.sub("\ufffd", text[:limit])


def scrub_json(value: Any, limit: int) -> Any:
    """Return a JSON value whose every text went through `scrub`."""
    if isinstance(value, str):
        return scrub(value, limit)
    if isinstance(value, dict):
        return {scrub(str(key), limit): scrub_json(item, limit) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_json(item, limit) for item in value]
    return words_for_floats(value)


def words_for_floats(value: Any) -> Any:
    """Return a JSON value in which "nan", "inf" and "-inf" stand for the floats JSON lacks.

    `float()` reads the words back, and so does pydantic where a field is a float.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: words_for_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [words_for_floats(item) for item in value]
    return value


def to_json(value: Any) -> str:
    """Return the JSON text of a column; InvalidSpec for a bare NaN and for unstorable text."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise InvalidSpec("Expected finite numbers. Received NaN or an infinity.") from error
    require_storable(text)
    # NUL is written as an escape, and so is a backslash before a harmless "u0000".
    if "\\u0000" in text:
        _require_storable_inside(value)
    return text


def _require_storable_inside(value: Any) -> None:
    if isinstance(value, str):
        require_storable(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            require_storable(str(key))
            _require_storable_inside(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _require_storable_inside(item)
