"""The one map from what went wrong to an RFC 9457 problem, and what each kind of problem means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, JsonValue

from service.api.problem_kinds import KINDS
from service.domain.errors import FieldError, FitpointError, from_stored

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
MAX_BYTES = 8 * 1024
MAX_DETAIL = 1000
MAX_MESSAGE = 400
MAX_ECHO = 100
# Where the clients of other protocols look for the words.
_WORDS_AT = {"/v2/": "error", "/vetiver/": "message"}


def _absent(value: object) -> bool:
    return value is None


class ProblemField(BaseModel):
    """One wrong field: where it is, and what was expected of it and received."""

    loc: list[str | int]
    msg: str
    expected: JsonValue = Field(default=None, exclude_if=_absent)
    received: JsonValue = Field(default=None, exclude_if=_absent)


class Problem(BaseModel):
    """An RFC 9457 problem; `type` is a path of this service that explains it."""

    type: str = Field(examples=["/problems/not-found"])
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemField] | None = Field(default=None, exclude_if=_absent)
    error: str | None = Field(
        default=None, exclude_if=_absent, description="The detail again, below /v2."
    )
    message: str | None = Field(
        default=None, exclude_if=_absent, description="The detail again, below /vetiver."
    )

    def encode(self) -> bytes:
        """Return the JSON text."""
        return self.model_dump_json().encode()


def clip(text: str, length: int) -> str:
    """Return one printable line of at most `length` characters."""
    line = "".join(char if char.isprintable() else " " for char in text[: length + 1])
    return line if len(line) <= length else line[: length - 3] + "..."


def _clipped(value: JsonValue) -> JsonValue:
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if abs(value) < 2**53 else f"{value:.3e}" if value < 10**300 else "huge"
        case str():
            return clip(value, MAX_ECHO)
        case list():
            return [clip(str(item), MAX_ECHO) for item in value[:MAX_ERRORS]]
        case _:
            return clip(str(value), MAX_ECHO)


def _field(error: FieldError) -> ProblemField:
    return ProblemField(
        loc=[clip(part, MAX_ECHO) if isinstance(part, str) else part for part in error.loc],
        msg=clip(error.msg, MAX_MESSAGE),
        expected=_clipped(error.expected),
        received=_clipped(error.received),
    )


def problem_of(error: FitpointError, instance: str) -> Problem:
    """Return the problem that tells of `error`: at most 20 fields and 8 kB, nothing internal."""
    kind = KINDS.get(error.code, KINDS[FitpointError.code])
    fields: Sequence[ProblemField] = [_field(field) for field in error.errors[:MAX_ERRORS]]
    detail = clip(error.detail, MAX_DETAIL)
    while True:
        left_out = len(error.errors) - len(fields)
        told = f"{detail} ({left_out} more errors are left out.)" if left_out else detail
        also = {name: told for path, name in _WORDS_AT.items() if instance.startswith(path)}
        problem = Problem(
            type=f"/problems/{error.code if error.code in KINDS else FitpointError.code}",
            title=kind.title,
            status=kind.status,
            detail=told,
            instance=clip(instance, 2 * MAX_ECHO),
            errors=list(fields) or None,
            **also,
        )
        if len(problem.encode()) <= MAX_BYTES or not fields:
            return problem
        fields = fields[:-1]


def problem_of_stored(stored: Mapping[str, Any] | None, instance: str) -> Problem | None:
    """Return the problem that a failed job keeps, or None for a job without an error."""
    return None if stored is None else problem_of(from_stored(stored), instance)
