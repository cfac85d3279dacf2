"""The one tree of errors. No class knows HTTP; `service.api.problems` maps `code` to a status."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue


class FieldError(BaseModel):
    """One thing wrong at one place: where, what was expected, what was received."""

    model_config = ConfigDict(frozen=True)

    loc: tuple[str | int, ...]
    msg: str
    expected: JsonValue = None
    received: JsonValue = None


class FitpointError(Exception):
    """Root of every error that Fitpoint raises on purpose.

    `code` names the kind of problem for ever: it ends the problem's `type` and is what a failed
    job stores. `detail` is one sentence or two: what was expected, what was received, what to do.
    """

    code = "internal"
    title = "Something failed inside the service"

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)

    def as_stored(self) -> dict[str, Any]:
        """Return the JSON form that a failed job keeps: `{code, detail, errors}`."""
        return {
            "code": self.code,
            "detail": self.detail,
            "errors": [error.model_dump(mode="json") for error in self.errors],
        }


# What the client sent cannot be done as it stands.


class InvalidSpec(FitpointError):
    """A request whose fields contradict the schema, each other or the dataset's profile."""

    code = "invalid-spec"
    title = "The request asks for something that cannot be done"


class UnreadableFile(FitpointError):
    """An uploaded file that is not the table that its format promises."""

    code = "unreadable-file"
    title = "The file could not be read as a table"


class InvalidData(FitpointError):
    """Values that a prediction or an evaluation sent do not fit the model's columns."""

    code = "invalid-data"
    title = "The data do not fit"


class MissingValues(FitpointError):
    """Missing or non-finite values would reach the network."""

    code = "missing-values"
    title = "Missing values would reach the network"


class NoPredictors(FitpointError):
    """The recipe leaves no predictor for the network."""

    code = "no-predictors"
    title = "The recipe leaves no predictor"


class TooLarge(FitpointError):
    """A body, an upload or a table over a limit in force."""

    code = "too-large"
    title = "Over a size limit"


class NotFound(FitpointError):
    """Nothing has the id or name that was asked for."""

    code = "not-found"
    title = "Not found"


class Conflict(FitpointError):
    """The state of a resource forbids what was asked."""

    code = "conflict"
    title = "The resource's state forbids this"


class NotExportable(FitpointError):
    """A model that cannot be given in the form that was asked for, or not by this installation."""

    code = "not-exportable"
    title = "The model cannot be given in this form"


class KeyReused(FitpointError):
    """An idempotency key that another request carried before."""

    code = "idempotency-key-reused"
    title = "The idempotency key belongs to another request"


# A job could not be carried to its end.


class Diverged(FitpointError):
    """A loss became NaN or infinite while `terminate_on_nan` was set."""

    code = "diverged"
    title = "The loss diverged"


class AllFailed(FitpointError):
    """No candidate of a tune could be trained and judged."""

    code = "all-failed"
    title = "Every candidate failed"


class ChildDied(FitpointError):
    """The process that trained ended without an answer."""

    code = "child-died"
    title = "The training process died"


class Hung(ChildDied):
    """The process that trained was ended because it made no progress any more."""

    code = "deadline"
    title = "Training made no progress"


class OutOfMemory(FitpointError):
    """The machine had too little memory for the training; another time there may be more."""

    code = "out-of-memory"
    title = "Memory did not suffice"


class DeviceOutOfMemory(FitpointError):
    """The device has too little memory for the training, today and tomorrow."""

    code = "device-out-of-memory"
    title = "The device's memory does not suffice"


class Interrupted(FitpointError):
    """The job's time limit ended it, or its rescue was given up."""

    code = "poison"
    title = "The job was given up"


# The service itself cannot answer now.


class Unavailable(FitpointError):
    """A resource that the service needs does not answer at the moment."""

    code = "unavailable"
    title = "Not available at the moment"


class NoSpace(Unavailable):
    """The disk has too little room for what was asked."""

    code = "no-space"
    title = "Too little space on the disk"


def is_disk_full(error: OSError) -> bool:
    """Tell whether the system refused a write for want of space, or of a user's share of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


# Never shown to a client: answers between the worker and the store or the engine.


class LeaseLost(FitpointError):
    """A write carried a fencing token that is no longer the job's: somebody else holds it."""

    code = "lease-lost"
    title = "The lease was lost"


class CancelRequested(FitpointError):
    """A job cannot succeed any more, because a cancel was accepted: acknowledge the cancel."""

    code = "cancel-requested"
    title = "A cancel was requested"


def error_types() -> Mapping[str, type[FitpointError]]:
    """Return every error class of the tree by its `code`."""
    found: dict[str, type[FitpointError]] = {}
    pending: list[type[FitpointError]] = [FitpointError]
    while pending:
        kind = pending.pop()
        found[kind.code] = kind
        pending.extend(kind.__subclasses__())
    return found


def from_stored(stored: Mapping[str, Any]) -> FitpointError:
    """Rebuild an error from `as_stored()`, as it crosses a process border or leaves the store."""
    kind = error_types().get(str(stored["code"]), FitpointError)
    return kind(
        str(stored["detail"]),
        errors=[FieldError.model_validate(error) for error in stored.get("errors", ())],
    )
