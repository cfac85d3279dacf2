"""A dataset in pictures: bars, histograms, correlations."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.api.answers import SVG
from service.api.dataset_looks import ANSWERS, Bins, ColumnOf, CorrelatedOf, Extension, LookerOf
from service.api.openapi import content
from service.api.validation import invalid_fields
from service.domain.errors import FieldError
from service.engine.looks import Look

router = APIRouter(prefix="/v1/datasets/{d}/plots", tags=["datasets"])

_PICTURE = {200: content(SVG, "The picture"), **ANSWERS}


@router.get("/bar.{extension}", response_class=Response, responses=_PICTURE)
async def plot_column(
    looker: LookerOf, extension: Extension, column: ColumnOf, bins: Bins = None
) -> Response:
    """The bar chart of `tab`; a histogram for a numeric column."""
    asked = Look(
        what="distribution", columns=(column.name,), profile=column, bins=bins, fmt=extension
    )
    return await looker.picture(asked)


@router.get("/histogram.{extension}", response_class=Response, responses=_PICTURE)
async def plot_histogram(
    looker: LookerOf, extension: Extension, column: ColumnOf, bins: Bins = None
) -> Response:
    """The histogram of a numeric column, or of dates."""
    if not (column.is_numeric or column.is_temporal):
        msg = (
            f"Expected a column of numbers or dates. Received '{column.name}', which is "
            f"{column.type}. `plots/bar.svg` shows its levels."
        )
        raise invalid_fields([FieldError(loc=("query", "column"), msg=msg)])
    return await plot_column(looker, extension, column, bins)


@router.get("/correlation.{extension}", response_class=Response, responses=_PICTURE)
async def plot_correlation(
    looker: LookerOf, extension: Extension, columns: CorrelatedOf
) -> Response:
    """The correlations of the numeric columns as a coloured square."""
    title = f"Correlation in {looker.dataset.name}"
    asked = Look(what="correlation", columns=columns, title=title, fmt=extension)
    return await looker.picture(asked)
