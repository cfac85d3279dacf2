"""The OpenAPI document, finished: problems on every status, our bodies, no more than there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.problem_kinds import KINDS
from service.api.problems import MEDIA_TYPE, Problem

_REFERENCE = "#/components/schemas/{model}"
_PHRASES = {kind.status: kind.title for kind in reversed(list(KINDS.values()))} | {
    400: "The request could not be understood",
    404: "Not found",
    409: "The resource's state forbids this",
    413: "Over a size limit",
    422: "Something in the request is wrong; `errors` names each field",
    500: "Something failed inside the service",
    503: "Not available at the moment",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation that can answer with these problems."""
    return {
        status: {
            "description": _PHRASES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
        }
        for status in statuses
    }


def content(media: str, description: str, **schema: Any) -> dict[str, Any]:
    """Return the description of an answer that is not JSON, such as a picture."""
    shape = schema or {"type": "string", "format": "binary"}
    return {"description": description, "content": {media: {"schema": shape}}}


NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client has these very bytes (If-None-Match)"}
}


def finish(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> None:
    """Make `app.openapi()` return the finished document; `bodies` are what `describe` refers to."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _add_schemas(document, bodies)
            for path in document["paths"].values():
                for method, operation in path.items():
                    _add_problems(operation, writes=method != "get")
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _add_schemas(document: dict[str, Any], bodies: Sequence[type[BaseModel]]) -> None:
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _, ours = models_json_schema(
        [(Problem, "serialization"), *((body, "validation") for body in bodies)],
        ref_template=_REFERENCE,
    )
    for name, described in ours["$defs"].items():
        schema = _without_null_defaults(described)
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"Expected one schema called {name}. Received two different ones.")
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def _without_null_defaults(schema: Any) -> Any:
    """Return a schema as FastAPI writes it: that a field may be absent is said by `required`."""
    if isinstance(schema, dict):
        return {
            key: _without_null_defaults(value)
            for key, value in schema.items()
            if not (key == "default" and value is None)
        }
    return [_without_null_defaults(item) for item in schema] if isinstance(schema, list) else schema


def _add_problems(operation: dict[str, Any], *, writes: bool) -> None:
    responses: dict[str, Any] = operation["responses"]
    # FastAPI's own 422 describes a body that this service never sends.
    responses.pop("422", None)
    possible = [500, 503, 507] if writes else [500, 503]
    if operation.get("parameters") or "requestBody" in operation:
        possible.append(422)
    if "requestBody" in operation:
        possible += [413, 415]
    declared = {str(status): told for status, told in problems(*possible).items()}
    operation["responses"] = dict(sorted((declared | responses).items()))
