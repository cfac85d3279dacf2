"""How a dataset is looked at: at once where that is quick, else in a child of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.answers import PNG, SVG, cached, picture
from service.api.dependencies import ColumnQuery, DatabaseOf, Reference, Resources, ResourcesOf
from service.api.openapi import NOT_MODIFIED, problems
from service.api.stored_tables import dataset_of, open_table, table_path
from service.api.validation import invalid_fields, placed
from service.domain.datasets import Column, Dataset
from service.domain.errors import FieldError
from service.domain.schema import ColumnName
from service.engine.looks import Look, look
from service.executors.looking import look_at

MAX_CORRELATED = 1000

Extension = Literal["svg", "png"]
MEDIA: dict[Extension, str] = {"svg": SVG, "png": PNG}
ANSWERS: dict[int | str, dict[str, Any]] = {**problems(404, 413), **NOT_MODIFIED}

Bins = Annotated[int | None, Query(ge=1, le=1000, description="Bins of equal width.")]


@dataclass(frozen=True, kw_only=True)
class Looker:
    """One request that looks at one dataset."""

    request: Request
    resources: Resources
    dataset: Dataset

    async def json(self, asked: Look) -> Response:
        """Return the answer as JSON."""
        return cached(self.request, await self._looked(asked))

    async def picture(self, asked: Look) -> Response:
        """Return the answer as a picture."""
        return picture(self.request, await self._looked(asked), MEDIA[asked.fmt or "svg"])

    async def _looked(self, asked: Look) -> bytes:
        settings = self.resources.settings
        with placed("query"):
            table = await run_in_threadpool(open_table, settings, self.dataset)
            if asked.is_quick(self.dataset.n_rows):
                return await run_in_threadpool(look, table, asked)
            path = table_path(settings, self.dataset)
            work = partial(look_at, path, asked, settings.staging_dir)
            return await self.resources.in_child(work)


def _dataset(database: DatabaseOf, d: Reference) -> Dataset:
    return dataset_of(database, d)


DatasetOf = Annotated[Dataset, Depends(_dataset)]


def _looker(request: Request, resources: ResourcesOf, dataset: DatasetOf) -> Looker:
    return Looker(request=request, resources=resources, dataset=dataset)


LookerOf = Annotated[Looker, Depends(_looker)]


def _column(dataset: DatasetOf, column: ColumnQuery) -> Column:
    return dataset.require(column, "query", "column")


ColumnOf = Annotated[Column, Depends(_column)]


def _correlated(
    dataset: DatasetOf,
    columns: Annotated[
        list[ColumnName] | None,
        Query(description="Numeric columns; repeat it for each. Default: all of them."),
    ] = None,
) -> tuple[str, ...]:
    """Return the columns to correlate: those asked for, or every numeric one.

    Raises:
        InvalidSpec: no such column, one that is not numeric, one twice, or too many.
    """
    if columns is None:
        names = [column.name for column in dataset.columns if column.is_numeric]
    else:
        names = columns
    for at, name in enumerate(names if columns is not None else []):
        profile = dataset.require(name, "query", "columns")
        if not profile.is_numeric:
            raise _refused(f"Expected numeric columns. Received '{name}', which is {profile.type}.")
        if name in names[:at]:
            raise _refused(f"Expected each column once. Received '{name}' twice.")
    if len(names) > MAX_CORRELATED:
        raise _refused(
            f"Expected at most {MAX_CORRELATED:,} columns. Received {len(names):,}. Choose some "
            "with ?columns=."
        )
    return tuple(names)


CorrelatedOf = Annotated[tuple[str, ...], Depends(_correlated)]


def _refused(msg: str) -> Exception:
    return invalid_fields([FieldError(loc=("query", "columns"), msg=msg)])
