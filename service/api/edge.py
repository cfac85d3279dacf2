"""Around every request: its id, a limit on its body, safe headers, no error without a problem."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import MEDIA_TYPE, Problem, problem_of
from service.domain.errors import FitpointError, TooLarge

log = logging.getLogger(__name__)

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# A form's file streams to the disk. Rows to predict are held in memory, as text and as cells;
# larger tables are uploaded and predicted by name.
STREAMED = "multipart/form-data"
ROWS = {
    "text/csv": 64 * 2**20,
    # Typed columns do not grow when they are read.
    "application/octet-stream": 256 * 2**20,
    "application/vnd.apache.arrow.stream": 256 * 2**20,
    "application/vnd.apache.parquet": 256 * 2**20,
}
RETRY_SECONDS = 2

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Edge:
    """The outermost layer of the application, in plain ASGI so that streams pass untouched."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, max_upload_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get("x-request-id", ""))
        started = False

        async def send_dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(message, request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                limit = self._limit(headers)
                _refuse_announced(headers, limit)
                await self._app(scope, _counted(receive, limit), send_dressed)
            except ClientDisconnect:
                log.info("the client left before its request was read")
            except Exception as error:
                if not isinstance(error, FitpointError):
                    log.exception("unexpected error in %s %s", scope["method"], scope["path"])
                if started:
                    raise
                await _answer(_known(error), scope["path"], send_dressed)

    def _limit(self, headers: Headers) -> int:
        media = headers.get("content-type", "").split(";", 1)[0].strip().lower()
        if media == STREAMED:
            return self._max_upload_bytes
        if media in ROWS:
            return min(max(ROWS[media], self._max_body_bytes), self._max_upload_bytes)
        return self._max_body_bytes


def _known(error: Exception) -> FitpointError:
    if isinstance(error, FitpointError):
        return error
    return FitpointError("The service failed. Its log tells more under the request's id.")


def _request_id(sent: str) -> str:
    return sent if _REQUEST_ID.fullmatch(sent) else f"req_{secrets.token_hex(8)}"


def _dress(start: Message, request_id: str) -> None:
    headers = MutableHeaders(scope=start)
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers["X-Request-ID"] = request_id


def _refuse_announced(headers: Headers, limit: int) -> None:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise over(limit)


def over(limit: int) -> TooLarge:
    """Return the error for a body of more than `limit` bytes."""
    return TooLarge(
        f"Expected a body of at most {limit:,} bytes. Received more. A table is uploaded with "
        "POST /v1/datasets and named in later requests; GET /v1/about shows the limits in force."
    )


def _counted(receive: Receive, limit: int) -> Receive:
    """Return `receive` that raises once a body without a known length passes the limit."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > limit:
                raise over(limit)
        return message

    return counted


async def _answer(error: FitpointError, path: str, send: Send) -> None:
    problem = problem_of(error, path)
    body = problem.encode()
    headers = [(b"content-length", str(len(body)).encode()), *_raw(problem_headers(problem))]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return the headers that go with a problem."""
    headers = {"Content-Type": MEDIA_TYPE}
    if problem.status in (429, 503, 507):
        headers["Retry-After"] = str(RETRY_SECONDS)
    return headers


def _raw(headers: dict[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower().encode(), value.encode()) for name, value in headers.items())
