"""The kinds of problems: the status of each, what causes it and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.errors import FitpointError


class UnreadableBody(FitpointError):
    """A body that is not the JSON or the form that its content type promises."""

    code = "unreadable-body"
    title = "The body could not be read"


class UnsupportedMedia(FitpointError):
    """A body of a content type that this route does not read."""

    code = "unsupported-media-type"
    title = "The content type is not read here"


class NotAcceptable(FitpointError):
    """An Accept header that no answer of this route satisfies."""

    code = "not-acceptable"
    title = "No answer of the accepted types"


class MethodNotAllowed(FitpointError):
    """A method that this path does not answer."""

    code = "method-not-allowed"
    title = "The method is not answered here"


class BadRequest(FitpointError):
    """A request that HTTP itself cannot make sense of."""

    code = "bad-request"
    title = "The request could not be understood"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of problem: its status, and for a reader what causes it and what to do."""

    status: int
    title: str
    cause: str
    cure: str


def _kind(error: type[FitpointError], status: int, cause: str, cure: str) -> tuple[str, Kind]:
    return error.code, Kind(status=status, title=error.title, cause=cause, cure=cure)


def _kinds() -> Mapping[str, Kind]:
    from service.domain import errors as e

    return dict(
        (
            _kind(
                e.InvalidSpec,
                422,
                "A field of the request is unknown, has the wrong type, is out of its range, or "
                "contradicts another field or the columns of the dataset.",
                "`errors` names each field, what was expected and what was received.",
            ),
            _kind(
                UnreadableBody,
                422,
                "The body is not valid JSON (NaN, Infinity, a key twice, text that is not UTF-8, "
                "nesting without end), or the form lacks a part.",
                "Send UTF-8 JSON with each key once and null for a missing number.",
            ),
            _kind(
                e.UnreadableFile,
                422,
                "The uploaded file is not the table that its content looks like: a ragged row, a "
                "header that is empty or there twice, a broken archive, another encoding.",
                "`detail` names the line and the column; `options` says how a file is to be read.",
            ),
            _kind(
                e.InvalidData,
                422,
                "Rows do not fit the columns that they were sent for: a column is missing, or a "
                "value is not of the column's type.",
                "`GET /v1/models/{m}/prototype` shows the columns with an example.",
            ),
            _kind(
                e.MissingValues,
                422,
                "A missing or non-finite value would reach the network, which cannot use it.",
                "Remove the rows, drop the column in the recipe, or send a value.",
            ),
            _kind(
                e.NoPredictors,
                422,
                "The recipe drops every predictor, or the dataset has no column beside the "
                "outcome.",
                "`POST /v1/recipes/preview` shows which step drops what.",
            ),
            _kind(
                e.TooLarge,
                413,
                "The body, the file or the table is over a limit of this service.",
                "`GET /v1/about` shows the limits in force.",
            ),
            _kind(
                e.NotFound,
                404,
                "Nothing here has this path, id or name.",
                "The lists (`GET /v1/datasets`, `/v1/jobs`, `/v1/models`) show what there is.",
            ),
            _kind(
                e.Conflict,
                409,
                "The resource is in a state that does not allow this: a name is taken, a job has "
                "ended, a dataset is in use.",
                "`detail` names the state; read the resource and decide again.",
            ),
            _kind(
                e.NotExportable,
                409,
                "The recipe has a step that the form cannot hold, the file's answers differ from "
                "the model's, or an extra of the installation is missing.",
                "`detail` names it. `format=keras` and `format=saved_model` leave the recipe out.",
            ),
            _kind(
                e.KeyReused,
                422,
                "The Idempotency-Key was sent with another body or query before.",
                "Choose a new key for a new request; send a key again only with its own request.",
            ),
            _kind(
                e.Diverged,
                422,
                "The loss became NaN or infinite in training.",
                "Scale the predictors, lower `learn_rate`, or set `terminate_on_nan` to false.",
            ),
            _kind(
                e.AllFailed,
                422,
                "No candidate of the tune could be trained and judged.",
                "`detail` groups the reasons; `GET /v1/jobs/{j}/trials` has a `note` for each "
                "candidate.",
            ),
            _kind(
                e.ChildDied,
                500,
                "The process that trained was killed or crashed.",
                "`detail` says by what. Retry the job; with less data or fewer units if it ends "
                "the same way.",
            ),
            _kind(
                e.Hung,
                500,
                "Training made no progress for ten times its usual epoch (at least a minute; ten "
                "minutes before the first one), so its process was ended.",
                "Retry the job; the worker's log has more when it ends the same way.",
            ),
            _kind(
                e.OutOfMemory,
                507,
                "The machine ran out of memory while the job trained, twice.",
                "Train on fewer rows or with fewer units, give the worker fewer slots, or more "
                "memory.",
            ),
            _kind(
                e.DeviceOutOfMemory,
                507,
                "What the training asks for at once is more than the device's memory.",
                "Choose fewer units or a smaller `batch_size`, or another device.",
            ),
            _kind(
                e.Interrupted,
                500,
                "The job ran into its time limit, or its workers died too often.",
                "Raise `max_seconds`, or retry the job when the machine is well.",
            ),
            _kind(
                e.Unavailable,
                503,
                "The database, the storage or a child process does not answer at the moment.",
                "Try again after the seconds that `Retry-After` says.",
            ),
            _kind(
                e.NoSpace,
                507,
                "The disk of the database or of the storage is nearly full. Predictions go on.",
                "Delete datasets, jobs or models that nobody needs, or enlarge the disk; what was "
                "deleted gives its space back within an hour.",
            ),
            _kind(
                e.LeaseLost,
                409,
                "Another worker holds the job now.",
                "Nothing: the worker that lost it stops by itself.",
            ),
            _kind(
                e.CancelRequested,
                409,
                "The job was asked to stop, so that it cannot succeed any more.",
                "Wait for its state `cancelled`.",
            ),
            _kind(
                UnsupportedMedia,
                415,
                "The Content-Type header is absent, or names a format that this route does not "
                "read.",
                "`detail` lists the types that are read.",
            ),
            _kind(
                NotAcceptable,
                406,
                "The Accept header excludes every format of the answer.",
                "`detail` lists the formats that there are.",
            ),
            _kind(
                MethodNotAllowed,
                405,
                "The path exists, but not with this method.",
                "The Allow header lists the methods.",
            ),
            _kind(
                BadRequest,
                400,
                "The request line or a header is malformed.",
                "Compare it with the OpenAPI document.",
            ),
            _kind(
                FitpointError,
                500,
                "A defect of the service. The log has it under the request's id.",
                "Report it with the `X-Request-ID` of the answer.",
            ),
        )
    )


KINDS: Mapping[str, Kind] = _kinds()
