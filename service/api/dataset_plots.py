"""A dataset in pictures: bars, histograms, correlations."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response

from service.api.answers import PNG, SVG, picture
from service.api.dataset_counts import Bins, CorrelatedQuery, counts_of, numeric_columns
from service.api.dependencies import ColumnQuery, DatabaseOf, Reference, SettingsOf
from service.api.openapi import NOT_MODIFIED, content, problems
from service.api.stored_tables import dataset_of, open_table
from service.api.validation import invalid_fields
from service.domain.datasets import Column
from service.domain.errors import FieldError
from service.engine.plots.bar import bar
from service.engine.plots.canvas import PictureFormat
from service.engine.plots.heatmap import heatmap
from service.engine.plots.histogram import histogram
from service.engine.tables.correlation import correlation
from service.engine.tables.table import Table

router = APIRouter(prefix="/v1/datasets/{d}/plots", tags=["datasets"])

Extension = Literal["svg", "png"]
_PICTURE = {200: content(SVG, "The picture"), **problems(404), **NOT_MODIFIED}
_MEDIA: dict[Extension, str] = {"svg": SVG, "png": PNG}


@router.get("/bar.{extension}", response_class=Response, responses=_PICTURE)
def plot_column(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    extension: Extension,
    column: ColumnQuery,
    bins: Bins = None,
) -> Response:
    """The bar chart of `tab`; a histogram for a numeric column."""
    dataset = dataset_of(database, d)
    profile = dataset.require(column, "query", "column")
    table = open_table(settings, dataset)
    if profile.is_numeric or profile.is_temporal:
        drawn = _histogram(table, profile, bins, extension)
    else:
        counts = [count for count in counts_of(table, column) if count.level is not None]
        drawn = bar(
            [count.n for count in counts],
            [str(count.level) for count in counts],
            column=column,
            missing=profile.n_missing,
            fmt=extension,
        )
    return picture(request, drawn, _MEDIA[extension])


@router.get("/histogram.{extension}", response_class=Response, responses=_PICTURE)
def plot_histogram(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    extension: Extension,
    column: ColumnQuery,
    bins: Bins = None,
) -> Response:
    """The histogram of a numeric column, or of dates."""
    dataset = dataset_of(database, d)
    profile = dataset.require(column, "query", "column")
    if not (profile.is_numeric or profile.is_temporal):
        msg = (
            f"Expected a column of numbers or dates. Received '{column}', which is {profile.type}. "
            "`plots/bar.svg` shows its levels."
        )
        raise invalid_fields([FieldError(loc=("query", "column"), msg=msg)])
    drawn = _histogram(open_table(settings, dataset), profile, bins, extension)
    return picture(request, drawn, _MEDIA[extension])


@router.get("/correlation.{extension}", response_class=Response, responses=_PICTURE)
def plot_correlation(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    extension: Extension,
    columns: CorrelatedQuery = None,
) -> Response:
    """The correlations of the numeric columns as a coloured square."""
    dataset = dataset_of(database, d)
    names = numeric_columns(dataset, columns)
    found = correlation(open_table(settings, dataset), names)
    title = f"Correlation in {dataset.name}"
    drawn = heatmap(found.r, found.columns, title=title, fmt=extension)
    return picture(request, drawn, _MEDIA[extension])


def _histogram(table: Table, profile: Column, bins: int | None, fmt: PictureFormat) -> bytes:
    values = table.numeric(profile.name)
    return histogram(values, column=profile.name, bins=bins, kind=profile.type, fmt=fmt)
