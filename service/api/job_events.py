"""A job's events as they come, from the stored rows, without holding a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import DatabaseOf, Reference, ResourcesOf
from service.api.openapi import problems
from service.api.validation import invalid_fields
from service.domain.errors import FieldError, NotFound, Unavailable
from service.store import events, job_rows
from service.store.database import Database

router = APIRouter(prefix="/v1/jobs/{j}", tags=["jobs"])

POLL_SECONDS = 0.2
PAGE = 500
# How long a client waits before it connects again after a server's end.
RETRY_MILLISECONDS = 1000
MAX_ID = 2**63 - 1

_DESCRIPTION = (
    "Server-sent events. `state` has `{state}`, `epoch` an epoch record as in `/epochs`, `trial` "
    "a trial's row, `done` `{state}`; after it the stream closes. Every event has an `id` that "
    "only grows."
)
_STREAM = {
    "responses": {
        "200": {
            "description": _DESCRIPTION,
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    }
}


def _existing(database: DatabaseOf, j: Reference) -> str:
    # A dependency, because the stream's 200 is sent before its generator runs.
    with database.read() as s:
        job_rows.require(s, j)
    return j


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


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses=problems(404),
    openapi_extra=_STREAM,
)
async def stream_events(
    resources: ResourcesOf,
    job_id: Annotated[str, Depends(_existing)],
    after: Annotated[int, Depends(_resume_after)],
) -> AsyncIterator[ServerSentEvent]:
    """The job's events, from its first or from the one after `Last-Event-ID`, until `done`."""
    yield ServerSentEvent(retry=RETRY_MILLISECONDS)
    while not resources.stopping.is_set():
        # One short transaction a page: an open one would keep the database from tidying up.
        try:
            page = await run_in_threadpool(_read, resources.database, job_id, after)
        except Unavailable:
            page = []
        except NotFound:
            return
        for event in page:
            after = event.n
            data = to_json(event.data, inf_nan_mode="null").decode()
            yield ServerSentEvent(event=event.what, id=str(event.n), raw_data=data)
            if event.what == "done":
                return
        if len(page) < PAGE:
            await anyio.sleep(POLL_SECONDS)


def _read(database: Database, job_id: str, after: int) -> list[events.Event]:
    with database.read() as s:
        return events.after(s, job_id, after, PAGE)
