"""A dataset in numbers: counts of one or two columns, one column's distribution, correlations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from service.api.answers import Rows
from service.api.dataset_looks import ANSWERS, Bins, ColumnOf, CorrelatedOf, LookerOf
from service.domain.datasets import ColumnType
from service.domain.schema import ColumnName
from service.engine.looks import Look

router = APIRouter(prefix="/v1/datasets/{d}", tags=["datasets"])


class Count(BaseModel):
    """How often a level occurs; the level is null for missing values."""

    level: str | None
    n: int
    prop: float


class CrossCount(BaseModel):
    """How often a level occurs together with a level of the column `by`."""

    level: str | None
    by: str | None
    n: int
    prop: float


class CountRows(Rows[Count | CrossCount]):
    """The counts of a column, or of each pair of levels of two columns."""


class Quantile(BaseModel):
    """The value below which a share of the values lies, by R's type 7."""

    prob: float
    value: float | str


class Bin(BaseModel):
    """How many values lie from `low` to below `high`; in the last bin, to `high` itself."""

    low: float | str
    high: float | str
    n: int


class Distribution(BaseModel):
    """How a column's values are spread: quantiles and bins of numbers, counts of levels."""

    column: str
    type: ColumnType
    n: int = Field(description="Values that are not missing.")
    n_missing: int
    n_unique: int
    mean: float | None
    sd: float | None
    skewness: float | None
    quantiles: list[Quantile] = Field(description="Empty for a column of categories.")
    bins: list[Bin] = Field(description="Empty for a column of categories.")
    levels: list[Count] = Field(description="Empty for a column of numbers.")


class CorrelationMatrix(BaseModel):
    """Pearson's correlation of each pair of columns; null where it is undefined."""

    columns: list[str]
    data: list[list[float | None]]
    n: list[list[int]] = Field(description="The rows with both values, of which it is.")


@router.get("/tab", response_model=CountRows, responses=ANSWERS)
async def count_levels(
    looker: LookerOf,
    column: ColumnOf,
    by: Annotated[
        ColumnName | None, Query(description="Another column: counts each pair of levels.")
    ] = None,
    sort: Annotated[bool, Query(description="By count, the most common first.")] = False,
) -> Response:
    """How often each value of a column occurs, in the order of its levels."""
    if by is not None:
        looker.dataset.require(by, "query", "by")
    return await looker.json(Look(what="tab", columns=(column.name,), by=by, sort=sort))


@router.get("/distribution", response_model=Distribution, responses=ANSWERS)
async def describe_column(looker: LookerOf, column: ColumnOf, bins: Bins = None) -> Response:
    """One column's distribution: quantiles and a histogram's bins, or the counts of its levels."""
    asked = Look(what="distribution", columns=(column.name,), profile=column, bins=bins)
    return await looker.json(asked)


@router.get("/correlation", response_model=CorrelationMatrix, responses=ANSWERS)
async def correlate_columns(looker: LookerOf, columns: CorrelatedOf) -> Response:
    """Pearson's correlation of the numeric columns, of the rows that have both values."""
    return await looker.json(Look(what="correlation", columns=columns))
