"""What an unreadable upload is told: where, what was expected, what was received, what to do."""

from __future__ import annotations

from service.domain.errors import FieldError, TooLarge, UnreadableFile


def shown(text: str) -> str:
    """Return a received value as messages show it: quoted, at most 64 characters."""
    return f"'{text[:64]}'" if len(text) <= 64 else f"'{text[:64]}'..."


def bad_file(expected: str, received: str, advice: str = "") -> UnreadableFile:
    """Return the refusal of a file as a whole."""
    detail = _sentences(f"Expected {expected}. Received {received}.", advice)
    error = FieldError(loc=("file",), msg=detail, expected=expected, received=received)
    return UnreadableFile(detail, errors=[error])


def bad_line(
    line: int, column: int | None, expected: str, received: str, advice: str = ""
) -> UnreadableFile:
    """Return the refusal of a text file for its 1-based `line` and 1-based field `column`."""
    place = f"Line {line}" if column is None else f"Line {line}, column {column}"
    detail = _sentences(f"{place}: expected {expected}. Received {received}.", advice)
    loc: tuple[str | int, ...] = ("file", "line", line)
    loc = loc if column is None else (*loc, "column", column)
    error = FieldError(loc=loc, msg=detail, expected=expected, received=received)
    return UnreadableFile(detail, errors=[error])


def bad_value(
    row: int, column: str, expected: str, received: str, advice: str = ""
) -> UnreadableFile:
    """Return the refusal of a table for the value in its 1-based data `row` of a named column."""
    detail = _sentences(
        f"Row {row}, column '{column}': expected {expected}. Received {received}.", advice
    )
    loc = ("file", "row", row, "column", column)
    error = FieldError(loc=loc, msg=detail, expected=expected, received=received)
    return UnreadableFile(detail, errors=[error])


def bad_column(column: str, expected: str, received: str, advice: str = "") -> UnreadableFile:
    """Return the refusal of a table for a whole column."""
    detail = _sentences(f"Column '{column}': expected {expected}. Received {received}.", advice)
    error = FieldError(
        loc=("file", "column", column), msg=detail, expected=expected, received=received
    )
    return UnreadableFile(detail, errors=[error])


def too_large(expected: str, received: str, advice: str = "") -> TooLarge:
    """Return the refusal of an upload over a limit in force."""
    detail = _sentences(f"Expected {expected}. Received {received}.", advice)
    error = FieldError(loc=("file",), msg=detail, expected=expected, received=received)
    return TooLarge(detail, errors=[error])


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)
