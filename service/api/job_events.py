"""A job's events as they come, from the stored rows, without holding a transaction."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import StreamingResponse

from service.api.dependencies import DatabaseOf, Reference, ResourcesOf
from service.api.openapi import problems
from service.api.validation import invalid_fields
from service.domain.errors import FieldError
from service.store import events, jobs

router = APIRouter(prefix="/v1/jobs/{j}", tags=["jobs"])

MEDIA_TYPE = "text/event-stream"
MAX_ID = 2**63 - 1

_DESCRIPTION = (
    "Server-sent events. `state` has `{state}`, `epoch` an epoch record as in `/epochs`, `trial` "
    "what came of a candidate on a resample: its `trial`, `fold`, `config`, `values`, `scores` by "
    "metric, `ending` and `note`, and the `leader` by then, the first row of `show_best`. `done` "
    "has `{state}`; after it the stream closes. Every event has an `id` that only grows."
)
_STREAM = {
    "responses": {
        "200": {
            "description": _DESCRIPTION,
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        "204": {"description": "The job has ended and `Last-Event-ID` was its last event"},
    }
}


def _resume_after(
    last_event_id: Annotated[
        str | None, Header(max_length=64, description="The last id received.")
    ] = None,
) -> int:
    if last_event_id is None or not last_event_id.strip():
        return 0
    text = last_event_id.strip()
    if not (text.isascii() and text.isdecimal()) or int(text) > MAX_ID:
        msg = f"Expected the id of an event, a whole number. Received '{text}'."
        raise invalid_fields([FieldError(loc=("header", "last-event-id"), msg=msg)])
    return int(text)


def _position(
    database: DatabaseOf, j: Reference, after: Annotated[int, Depends(_resume_after)]
) -> int | None:
    """Return after which event to go on; None when the job has ended and nothing is left to tell.

    A dependency, because the stream's 200 is sent before its first event is read.
    """
    with database.read() as s:
        state = jobs.get(s, j).state
        # An id from the future (the database was restored) must not silence what comes.
        after = min(after, events.last(s, j))
        over = state.is_terminal and not events.after(s, j, after, 1)
    return None if over else after


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=problems(404),
    openapi_extra=_STREAM,
)
async def stream_events(
    resources: ResourcesOf, j: Reference, after: Annotated[int | None, Depends(_position)]
) -> Response:
    """The job's events, from its first or from the one after `Last-Event-ID`, until `done`."""
    if after is None:
        # To a browser's EventSource this says not to connect again.
        return Response(status_code=204)
    return StreamingResponse(
        resources.feeds.follow(j, after),
        media_type=MEDIA_TYPE,
        headers={"X-Accel-Buffering": "no"},
    )
