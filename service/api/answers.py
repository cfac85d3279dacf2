"""Answers: JSON without NaN, strong ETags, the list envelope, negotiation, harmless CSV."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from service.api.problem_kinds import NotAcceptable
from service.engine.prediction_answers import inert

Item = TypeVar("Item")

JSON = "application/json"
CSV = "text/csv; charset=utf-8"
SVG = "image/svg+xml"
PNG = "image/png"
TEXT = "text/plain; charset=utf-8"

# A picture opened by itself styles itself inline, and loads nothing but what it holds.
PICTURE_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"


class Listing(BaseModel, Generic[Item]):
    """One page of a list: ask for the next one with `?after=` the value of `next`."""

    data: list[Item]
    has_more: bool
    next: str | None


class Rows(BaseModel, Generic[Item]):
    """A small answer: flat objects in the order that is asked for."""

    data: list[Item]


def encode(value: Any) -> bytes:
    """Return the JSON text of a value or a model; a number that is not finite is null."""
    if isinstance(value, BaseModel):
        return value.model_dump_json().encode()
    return to_json(value, inf_nan_mode="null")


def answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer that no cache keeps."""
    return Response(encode(value), status, headers, JSON)


def cached(
    request: Request,
    content: bytes,
    media: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return `content` with its strong ETag, or 304 when the client has these very bytes."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    told = {"ETag": etag, "Cache-Control": "private, no-cache", **(headers or {})}
    if not_modified(request, etag):
        return Response(status_code=304, headers=told)
    return Response(content, 200, told, media)


def not_modified(request: Request, etag: str) -> bool:
    """Return whether the client has the bytes of this ETag."""
    known = request.headers.get("if-none-match", "")
    # A weak validator of ours would be the same bytes: If-None-Match compares weakly (RFC 9110).
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag in tags or "*" in tags


def resource(request: Request, value: Any) -> Response:
    """Return one resource as JSON, with its ETag."""
    return cached(request, encode(value))


def picture(
    request: Request, content: bytes, media: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an image with its ETag and a policy under which it may show itself alone."""
    told = {"Content-Security-Policy": PICTURE_POLICY, **(headers or {})}
    return cached(request, content, media, told)


def negotiate(request: Request, *offered: str) -> str:
    """Return which of the offered media types the client likes best; the first for `*/*`.

    Raises:
        NotAcceptable: it accepts none of them.
    """
    header = request.headers.get("accept", "*/*").strip() or "*/*"
    liked = [(_quality(header, media), -at, media) for at, media in enumerate(offered)]
    quality, _, media = max(liked)
    if quality <= 0:
        raise NotAcceptable(
            f"Expected the header Accept to allow {' or '.join(offered)}. Received '{header[:64]}'."
        )
    return media


def _quality(header: str, media: str) -> float:
    """Return the quality that an Accept header gives a media type (RFC 9110, 12.5.1)."""
    kind = media.split("/", 1)[0]
    found = {media: -1.0, f"{kind}/*": -1.0, "*/*": -1.0}
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name in found:
            found[name] = next(
                (_number(p.removeprefix("q=")) for p in parameters if p.startswith("q=")), 1.0
            )
    # The most specific range decides, whatever the others say.
    return next((quality for quality in found.values() if quality >= 0), 0.0)


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV whose text cells no spreadsheet takes for a formula; missing is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([inert(name) for name in header])
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _cell(cell: Any) -> Any:
    if isinstance(cell, bool):
        return str(cell).upper()
    return inert(cell) if isinstance(cell, str) else cell
