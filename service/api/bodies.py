"""Request bodies: read after the limits, parsed strictly, off the event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from service.api.json_text import MAX_MEMBERS, count_members, read_json, whole_as_integers
from service.api.problem_kinds import UnsupportedMedia
from service.api.validation import invalid, invalid_fields, shown
from service.domain.errors import FieldError

Body = TypeVar("Body", bound=BaseModel)

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
MULTIPART = "multipart/form-data"


def media_type(request: Request) -> str:
    """Return the content type without its parameters, in lower case; empty when absent.

    Raises:
        UnsupportedMedia: the body is compressed on its way, so that its size cannot be known.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMedia(
            f"Expected a body without Content-Encoding. Received '{encoding[:64]}'. "
            "A file may itself be gzipped, such as table.csv.gz."
        )
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def is_json(media: str) -> bool:
    """Return whether a media type is JSON, such as application/json or application/x+json."""
    return media == JSON or (media.startswith("application/") and media.endswith("+json"))


def unsupported(media: str, *known: str) -> UnsupportedMedia:
    """Return the error for a body of a type that is not among `known`."""
    received = f"'{media[:64]}'" if media else "none"
    return UnsupportedMedia(
        f"Expected the header Content-Type to be {' or '.join(known)}. Received {received}."
    )


async def raw_json(request: Request) -> bytes:
    """Return the bytes of a JSON body."""
    media = media_type(request)
    if not is_json(media):
        raise unsupported(media, JSON)
    return await request.body()


RawJson = Annotated[bytes, Depends(raw_json)]


def parse(raw: bytes, model: type[Body], *root: str | int, long: str | None = None) -> Body:
    """Return the body as the value that `model` describes.

    `long` is a field that may have more members than all others together: the model bounds it and
    tells of one mistake in it at most.

    Raises:
        UnreadableBody: it is not JSON.
        InvalidSpec: it is not what the model describes.
    """
    value = read_json(raw)
    counted = {**value, long: None} if long is not None and isinstance(value, dict) else value
    if (members := count_members(counted)) > MAX_MEMBERS:
        msg = f"Expected at most {MAX_MEMBERS:,} fields and items in all. Received {members:,}."
        raise invalid_fields([FieldError(loc=root, msg=msg)])
    try:
        return model.model_validate(whole_as_integers(value))
    except ValidationError as error:
        raise invalid(error, model, *root) from None


def json_body(model: type[Body]) -> Callable[[bytes], Body]:
    """Return the dependency that reads the request's JSON body as a `model`."""

    # Not async, so that it runs in the thread pool: a large body must not hold up the others.
    def read(raw: RawJson) -> Body:
        return parse(raw, model, "body")

    return read


def json_body_of_kind(models: Mapping[str, type[BaseModel]]) -> Callable[[bytes], BaseModel]:
    """Return the dependency that reads a JSON body as the model that its `kind` names."""

    def read(raw: RawJson) -> BaseModel:
        value = read_json(raw)
        kind = value.get("kind") if isinstance(value, dict) else next(iter(models))
        if not isinstance(kind, str) or kind not in models:
            known = " or ".join(f"'{name}'" for name in models)
            received = shown(kind) if kind is not None else "none"
            msg = f"Expected {known}. Received {received}."
            raise invalid_fields([FieldError(loc=("body", "kind"), msg=msg)])
        return parse(raw, models[kind], "body", long="resamples" if kind == "tune" else None)

    return read


def describe_kinds(models: Mapping[str, type[BaseModel]], **examples: Any) -> dict[str, Any]:
    """Return what OpenAPI is told of a JSON body whose `kind` names its model."""
    told = describe(next(iter(models.values())), **examples)
    references = {kind: f"#/components/schemas/{model.__name__}" for kind, model in models.items()}
    told["requestBody"]["content"][JSON]["schema"] = {
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "kind", "mapping": references},
    }
    return told


def describe(model: type[BaseModel], **examples: Any) -> dict[str, Any]:
    """Return what OpenAPI is told of a JSON body; the schemas themselves are added by `openapi`."""
    named = {name.replace("_", " "): {"value": value} for name, value in examples.items()}
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
                    "examples": named,
                }
            },
        }
    }
