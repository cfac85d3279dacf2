"""A dataset in numbers: counts of one or two columns, one column's distribution, correlations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from service.api.answers import Rows, cached, encode
from service.api.dependencies import ColumnQuery, DatabaseOf, Reference, SettingsOf
from service.api.openapi import NOT_MODIFIED, problems
from service.api.stored_tables import dataset_of, open_table
from service.api.validation import invalid_fields, placed
from service.domain.datasets import Column, ColumnType, Dataset
from service.domain.errors import FieldError
from service.domain.schema import ColumnName
from service.engine.tables.correlation import correlation
from service.engine.tables.distribution import spread
from service.engine.tables.tab import cross_tab, tab, value_text
from service.engine.tables.table import Table

router = APIRouter(prefix="/v1/datasets/{d}", tags=["datasets"])

MAX_CORRELATED = 1000

Bins = Annotated[int | None, Query(ge=1, le=1000, description="Bins of equal width.")]
CorrelatedQuery = Annotated[
    list[ColumnName] | None,
    Query(description="Numeric columns; repeat it for each. Default: all of them."),
]


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


@router.get("/tab", response_model=CountRows, responses={**problems(404), **NOT_MODIFIED})
def count_levels(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    column: ColumnQuery,
    by: Annotated[
        ColumnName | None, Query(description="Another column: counts each pair of levels.")
    ] = None,
    sort: Annotated[bool, Query(description="By count, the most common first.")] = False,
) -> Response:
    """How often each value of a column occurs, in the order of its levels."""
    dataset = dataset_of(database, d)
    dataset.require(column, "query", "column")
    table = open_table(settings, dataset)
    if by is None:
        data: list[Count] | list[CrossCount] = counts_of(table, column)
    else:
        dataset.require(by, "query", "by")
        rows = max(table.n_rows, 1)
        with placed("query"):
            pairs = cross_tab(table, column, by)
        data = [CrossCount(**pair._asdict(), prop=pair.n / rows) for pair in pairs]
    if sort:
        data.sort(key=lambda count: -count.n)
    return cached(request, encode(CountRows(data=[*data])))


@router.get(
    "/distribution", response_model=Distribution, responses={**problems(404), **NOT_MODIFIED}
)
def describe_column(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    column: ColumnQuery,
    bins: Bins = None,
) -> Response:
    """One column's distribution: quantiles and a histogram's bins, or the counts of its levels."""
    dataset = dataset_of(database, d)
    profile = dataset.require(column, "query", "column")
    table = open_table(settings, dataset)
    return cached(request, encode(_distribution(table, profile, bins)))


@router.get(
    "/correlation", response_model=CorrelationMatrix, responses={**problems(404), **NOT_MODIFIED}
)
def correlate_columns(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    columns: CorrelatedQuery = None,
) -> Response:
    """Pearson's correlation of the numeric columns, of the rows that have both values."""
    dataset = dataset_of(database, d)
    names = numeric_columns(dataset, columns)
    found = correlation(open_table(settings, dataset), names)
    told = {"columns": names, "data": found.r.tolist(), "n": found.n.tolist()}
    return cached(request, encode(told))


def counts_of(table: Table, column: str) -> list[Count]:
    """Return the counts of a column's levels as they are shown."""
    rows = max(table.n_rows, 1)
    with placed("query"):
        return [Count(level=level, n=n, prop=n / rows) for level, n in tab(table, column)]


def numeric_columns(dataset: Dataset, asked: list[str] | None) -> list[str]:
    """Return the columns to correlate: those asked for, or every numeric one.

    Raises:
        InvalidSpec: no such column, one that is not numeric, one twice, or too many.
    """
    if asked is None:
        names = [column.name for column in dataset.columns if column.is_numeric]
    else:
        names = [dataset.require(name, "query", "columns").name for name in asked]
    for at, name in enumerate(names):
        profile = dataset.require(name, "query", "columns")
        if not profile.is_numeric:
            raise _refused(f"Expected numeric columns. Received '{name}', which is {profile.type}.")
        if asked is not None and name in names[:at]:
            raise _refused(f"Expected each column once. Received '{name}' twice.")
    if len(names) > MAX_CORRELATED:
        raise _refused(
            f"Expected at most {MAX_CORRELATED:,} columns. Received {len(names):,}. Choose some "
            "with ?columns=."
        )
    return names


def _refused(msg: str) -> Exception:
    return invalid_fields([FieldError(loc=("query", "columns"), msg=msg)])


def _distribution(table: Table, profile: Column, bins: int | None) -> Distribution:
    name, kind = profile.name, profile.type
    told = Distribution(
        column=name,
        type=kind,
        n=table.n_rows - profile.n_missing,
        n_missing=profile.n_missing,
        n_unique=profile.n_unique,
        mean=profile.mean,
        sd=profile.sd,
        skewness=None,
        quantiles=[],
        bins=[],
        levels=[],
    )
    if not (profile.is_numeric or profile.is_temporal):
        return told.model_copy(update={"levels": counts_of(table, name)})
    found = spread(table.numeric(name), bins)

    def shown(value: float) -> float | str:
        return value_text(value, kind) if profile.is_temporal else value

    return told.model_copy(
        update={
            "skewness": None if profile.is_temporal else found.skewness,
            "quantiles": [Quantile(prob=p, value=shown(cut)) for p, cut in found.quantiles],
            "bins": [Bin(low=shown(low), high=shown(high), n=n) for low, high, n in found.bins],
        }
    )
