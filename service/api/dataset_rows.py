"""Looking at a dataset's rows: as they are, and one of them as a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import JsonValue

from service.api.answers import PNG, SVG, Rows, cached, encode, picture
from service.api.dependencies import DatabaseOf, Reference, SettingsOf
from service.api.openapi import NOT_MODIFIED, content, problems
from service.api.stored_tables import dataset_of, open_table
from service.api.validation import invalid_fields
from service.domain.datasets import Dataset
from service.domain.errors import FieldError, InvalidSpec, NotFound
from service.engine.plots.image import image

router = APIRouter(prefix="/v1/datasets/{d}", tags=["datasets"])

_PIXEL = re.compile(r"x[0-9]+")
_OVERRIDES = {
    "parameters": [
        {
            "name": "columns",
            "in": "query",
            "style": "form",
            "explode": True,
            "description": "Any column with a value to show instead, such as `x25=255`.",
            "schema": {"type": "object", "additionalProperties": {"type": "number"}},
        }
    ]
}


class TableRows(Rows[dict[str, JsonValue]]):
    """Rows of a table, a missing value is null."""


@router.get(
    "/rows",
    response_model=TableRows,
    responses={**problems(404), **NOT_MODIFIED},
)
def list_rows(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    start: Annotated[int, Query(ge=1, le=2**53, description="The first row, 1-based.")] = 1,
    count: Annotated[int, Query(ge=1, le=1000)] = 10,
) -> Response:
    """Rows in the order of the upload; none beyond the last."""
    table = open_table(settings, dataset_of(database, d))
    return cached(request, encode({"data": table.records(start, count)}))


@router.get(
    "/rows/{n}/image.{extension}",
    response_class=Response,
    responses={200: content(PNG, "The picture"), **problems(404), **NOT_MODIFIED},
    openapi_extra=_OVERRIDES,
)
def draw_row(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    n: Annotated[int, Path(ge=1, le=2**53, description="The row, 1-based.")],
    extension: Literal["svg", "png"],
    width: Annotated[int | None, Query(ge=1, le=4096)] = None,
    height: Annotated[int | None, Query(ge=1, le=4096)] = None,
) -> Response:
    """The row's numeric predictors as a grey picture, `x` runs fastest, any column overridden.

    Without `width` and `height` the picture is square. The header `X-Label` tells the value of the
    column that is no pixel.
    """
    dataset = dataset_of(database, d)
    if n > dataset.n_rows:
        raise NotFound(f"Expected a row from 1 to {dataset.n_rows}. Received {n}.")
    (row,) = open_table(settings, dataset).records(n, 1)
    names = _pixels(dataset, width, height)
    side = math.isqrt(len(names))
    wide = width or (len(names) // height if height else side)
    tall = height or len(names) // wide
    overrides = _overrides(request)
    # The pixels' columns are numeric: their cells are numbers or missing.
    values = {name: cast(float | None, row[name]) for name in names}
    brightest = max((c.max or 0.0 for c in dataset.columns if c.name in values), default=None)
    drawn = image(values, wide, tall, overrides, maximum=brightest, fmt=extension)
    media = SVG if extension == "svg" else PNG
    return picture(request, drawn, media, _label(dataset, row, names))


def _pixels(dataset: Dataset, width: int | None, height: int | None) -> list[str]:
    """Return the columns that are a picture's pixels: x1, x2, ..., or else every numeric one."""
    numeric = [column.name for column in dataset.columns if column.is_numeric]
    numbered = [name for name in numeric if _PIXEL.fullmatch(name)]
    for names in (numbered, numeric):
        if names and _fits(len(names), width, height):
            return names
    asked = f"{width or '?'} x {height or '?'}" if width or height else "a square"
    msg = (
        f"Expected `width` and `height` whose product is the number of numeric columns, "
        f"{len(numbered) or len(numeric)}. Received {asked}."
    )
    raise invalid_fields([FieldError(loc=("query", "width"), msg=msg)])


def square_pixels(dataset: Dataset) -> list[str] | None:
    """Return the columns that make a row's square picture, None where none do."""
    try:
        return _pixels(dataset, None, None)
    except InvalidSpec:
        return None


def _fits(pixels: int, width: int | None, height: int | None) -> bool:
    if width is not None and height is not None:
        return width * height == pixels
    side = width or height
    return pixels % side == 0 if side else math.isqrt(pixels) ** 2 == pixels


def _overrides(request: Request) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, text in request.query_params.items():
        if name in ("width", "height"):
            continue
        try:
            found[name] = float(text)
        except ValueError:
            msg = f"Expected a number for column '{name[:64]}'. Received '{text[:64]}'."
            raise invalid_fields([FieldError(loc=("query", name), msg=msg)]) from None
    return found


def _label(dataset: Dataset, row: Mapping[str, Any], names: list[str]) -> dict[str, str]:
    others = [column for column in dataset.columns if column.name not in names]
    nominal = [column for column in others if not column.is_numeric]
    for column in (*nominal, *others):
        value = row[column.name]
        # A header is ASCII: any other character is percent-encoded, as in a URL.
        return {
            "X-Label": quote(str(value), safe=" !#$&'()*+,/:;=?@[]~") if value is not None else ""
        }
    return {}
