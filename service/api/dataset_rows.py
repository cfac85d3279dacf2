"""Looking at a dataset: its rows, the counts of a column, charts, and a row as a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, JsonValue

from service.api.answers import PNG, SVG, Rows, cached, encode, picture
from service.api.dependencies import ColumnQuery, DatabaseOf, Reference, SettingsOf
from service.api.openapi import NOT_MODIFIED, content, problems
from service.api.stored_tables import open_table
from service.api.validation import invalid_fields
from service.domain.datasets import Column, Dataset
from service.domain.errors import FieldError, NotFound
from service.engine.plots.bar import bar
from service.engine.plots.histogram import histogram
from service.engine.plots.image import image
from service.engine.tables.table import Table
from service.store import datasets
from service.store.database import Database

router = APIRouter(prefix="/v1/datasets/{d}", tags=["datasets"])

MAX_TAB_LEVELS = 10_000
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


class Count(BaseModel):
    """How often a level occurs; the level is null for missing values."""

    level: str | None
    n: int
    prop: float


class CountRows(Rows[Count]):
    """The counts of a column."""


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
    table = open_table(settings, _dataset(database, d))
    return cached(request, encode({"data": table.records(start, count)}))


@router.get("/tab", response_model=CountRows, responses={**problems(404), **NOT_MODIFIED})
def count_levels(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    column: ColumnQuery,
    sort: Annotated[bool, Query(description="By count, the most common first.")] = False,
) -> Response:
    """How often each value of a column occurs, in the order of its levels."""
    dataset = _dataset(database, d)
    counts = tab(open_table(settings, dataset), _column(dataset, column))
    if sort:
        counts.sort(key=lambda count: -count.n)
    return cached(request, encode(CountRows(data=counts)))


@router.get(
    "/plots/bar.{extension}",
    response_class=Response,
    responses={200: content(SVG, "The chart"), **problems(404), **NOT_MODIFIED},
)
def plot_column(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    extension: Literal["svg", "png"],
    column: ColumnQuery,
) -> Response:
    """The bar chart of `tab`; a histogram for a numeric column."""
    dataset = _dataset(database, d)
    profile = _column(dataset, column)
    table = open_table(settings, dataset)
    if profile.is_numeric:
        drawn = histogram(table.numeric(column), column=column, fmt=extension)
    else:
        counts = [count for count in tab(table, profile) if count.level is not None]
        drawn = bar(
            [count.n for count in counts],
            [str(count.level) for count in counts],
            column=column,
            missing=profile.n_missing,
            fmt=extension,
        )
    return picture(request, drawn, SVG if extension == "svg" else PNG)


@router.get(
    "/rows/{n}/image.png",
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
    width: Annotated[int | None, Query(ge=1, le=4096)] = None,
    height: Annotated[int | None, Query(ge=1, le=4096)] = None,
) -> Response:
    """The row's numeric predictors as a grey picture, `x` runs fastest, any column overridden.

    Without `width` and `height` the picture is square. The header `X-Label` tells the value of the
    column that is no pixel.
    """
    dataset = _dataset(database, d)
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
    drawn = image(values, wide, tall, overrides, maximum=brightest)
    return picture(request, drawn, PNG, _label(dataset, row, names))


def tab(table: Table, column: Column) -> list[Count]:
    """Return the counts of a column's levels, or of a numeric column's values, ascending."""
    if column.is_numeric:
        if column.n_unique > MAX_TAB_LEVELS:
            msg = (
                f"Expected a column with at most {MAX_TAB_LEVELS:,} values. Received "
                f"'{column.name}' with {column.n_unique:,}. `plots/bar.svg` shows its histogram."
            )
            raise invalid_fields([FieldError(loc=("query", "column"), msg=msg)])
        values = table.numeric(column.name)
        known, found = np.unique(values[~np.isnan(values)], return_counts=True)
        levels = [f"{value:.15g}" for value in known.tolist()]
    else:
        levels = list(table.category_levels(column.name))
        codes = table.codes(column.name)
        found = np.bincount(codes[codes >= 0], minlength=len(levels))
    rows = max(table.n_rows, 1)
    counts = [
        Count(level=level, n=n, prop=n / rows)
        for level, n in zip(levels, found.tolist(), strict=True)
    ]
    if column.n_missing:
        counts.append(Count(level=None, n=column.n_missing, prop=column.n_missing / rows))
    return counts


def _dataset(database: Database, ref: str) -> Dataset:
    with database.read() as s:
        return datasets.get(s, ref)


def _column(dataset: Dataset, name: str) -> Column:
    return dataset.require(name, "query", "column")


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
