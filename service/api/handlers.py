"""From exceptions to problems: ours, the framework's and its validation's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.api.edge import problem_headers
from service.api.problem_kinds import BadRequest, MethodNotAllowed, UnsupportedMedia
from service.api.problems import MAX_ECHO, MAX_ERRORS, clip, problem_of
from service.api.surface import Surface
from service.api.validation import invalid_fields, plain_field
from service.domain.errors import FitpointError, NotFound, TooLarge
from service.domain.names import did_you_mean


def install(app: FastAPI) -> None:
    """Answer every exception of the application with a problem."""
    app.add_exception_handler(FitpointError, _on_fitpoint_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


def respond(
    request: Request, error: FitpointError, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer that tells of `error`."""
    problem = problem_of(error, request.url.path)
    return Response(
        problem.encode(), problem.status, {**problem_headers(problem), **(headers or {})}
    )


def _on_fitpoint_error(request: Request, error: Exception) -> Response:
    return respond(request, cast(FitpointError, error))


def _on_invalid_request(request: Request, error: Exception) -> Response:
    """What FastAPI itself checks: parameters of the path, the query and the headers."""
    details: Sequence[Any] = cast(RequestValidationError, error).errors()
    return respond(request, invalid_fields([plain_field(d) for d in details[:MAX_ERRORS]]))


def _on_http_exception(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    path = clip(request.url.path, MAX_ECHO)
    match raised.status_code:
        case 404:
            return respond(request, _no_such_path(request, path))
        case 405:
            surface: Surface = request.app.state.surface
            methods = ", ".join(surface.methods(request.url.path))
            refusal = MethodNotAllowed(
                f"Expected {methods} on {path}. Received {clip(request.method, 16)}."
            )
            return respond(request, refusal, {"Allow": methods})
        case 413:
            return respond(request, TooLarge("Expected a smaller body."))
        case 415:
            return respond(request, UnsupportedMedia("Expected another Content-Type."))
        case status if status < 500:
            return respond(request, BadRequest("The request could not be understood."))
        case _:
            return respond(request, FitpointError("The service failed."))


def _no_such_path(request: Request, path: str) -> NotFound:
    surface: Surface = request.app.state.surface
    return NotFound(
        f"Expected a path of this service. Received {path}."
        f"{did_you_mean(request.url.path, surface.templates())} /openapi.json lists them."
    )
