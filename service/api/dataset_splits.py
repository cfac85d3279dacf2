"""A dataset divided in two: for training and for testing."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from service.api.admission import Room
from service.api.answers import answer
from service.api.bodies import describe, json_body
from service.api.dependencies import Reference, Resources, ResourcesOf
from service.api.idempotency import OnceOfJson
from service.api.openapi import problems
from service.api.registration import refuse_taken, registered
from service.api.stored_tables import open_table, table_path
from service.api.validation import invalid_fields, placed
from service.api.views import DatasetView, dataset_view
from service.domain.datasets import Dataset, Ingested, Reading
from service.domain.errors import FieldError
from service.domain.names import Name
from service.domain.origins import Origin, Part, SplitPart
from service.domain.schema import ColumnName, Seed, Spec
from service.executors import splitting
from service.store import dataset_origins, datasets
from service.store.sessions import WriteSession

router = APIRouter(prefix="/v1/datasets/{d}/splits", tags=["datasets"])

MAX_NAME = 64


class SplitBody(Spec):
    """How to divide a dataset, as rsample's `initial_split`."""

    prop: float = Field(default=0.75, gt=0, lt=1, description="The share of rows for training.")
    strata: ColumnName | None = Field(
        default=None,
        description="A column whose values both parts hold in the same shares, exactly; of more "
        "than five distinct numbers, its quarters.",
    )
    seed: Seed | None = Field(default=None, description="Drawn and recorded when absent.")
    names: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Of the training and the testing rows."
    )


class SplitView(BaseModel):
    """The two datasets, training rows first, and the draw that made them."""

    dataset: str
    prop: float
    strata: str | None
    seed: int
    data: list[DatasetView]


@router.post(
    "",
    status_code=201,
    response_model=SplitView,
    responses=problems(404, 409),
    dependencies=[Room],
    openapi_extra=describe(
        SplitBody,
        by_class={"prop": 0.8, "strata": "y", "seed": 1, "names": ["iris_train", "iris_test"]},
    ),
)
async def split_dataset(
    resources: ResourcesOf,
    d: Reference,
    body: Annotated[SplitBody, Depends(json_body(SplitBody))],
    once: OnceOfJson,
) -> Response:
    """Divide a dataset in two; rows keep their order, a factor all its levels."""
    database, settings = resources.database, resources.settings
    earlier = await run_in_threadpool(once.earlier, database)
    if earlier is not None:
        return earlier
    dataset, reading, names = await run_in_threadpool(_asked, resources, d, body)
    seed = secrets.randbelow(2**31) if body.seed is None else body.seed
    work = partial(
        splitting.split_table,
        table_path(settings, dataset),
        settings.datasets_dir,
        body.prop,
        body.strata,
        seed,
    )
    with placed("body"):
        training, testing = await resources.in_child(work)

    def register(s: WriteSession) -> Response:
        def view(name: str, part: Part, ingested: Ingested) -> DatasetView:
            taken = SplitPart(
                dataset=dataset.id,
                name=dataset.name,
                part=part,
                prop=body.prop,
                strata=body.strata,
                seed=seed,
            )
            origin = Origin(reading=reading, split=taken)
            return dataset_view(registered(s, name, ingested, origin), origin)

        views = [view(names[0], "training", training), view(names[1], "testing", testing)]
        made = SplitView(
            dataset=dataset.id, prop=body.prop, strata=body.strata, seed=seed, data=views
        )
        return answer(made, status=201, headers={"Location": f"/v1/datasets/{views[0].id}"})

    return await run_in_threadpool(once.make, database, register)


def _asked(
    resources: Resources, d: str, body: SplitBody
) -> tuple[Dataset, Reading | None, list[str]]:
    """Return the dataset, how it was read and the parts' names, if it can be divided so."""
    database = resources.database
    with database.read() as s:
        dataset = datasets.get(s, d)
        reading = dataset_origins.of(s, dataset.id).reading
    if body.strata is not None:
        dataset.require(body.strata, "body", "strata")
    names = _names(dataset, body)
    for name in names:
        refuse_taken(database, name)
    open_table(resources.settings, dataset)
    return dataset, reading, names


def _names(dataset: Dataset, body: SplitBody) -> list[str]:
    names = body.names or [f"{dataset.name}_train", f"{dataset.name}_test"]
    if names[0] == names[1]:
        raise _refused(f"Expected two different names. Received '{names[0]}' twice.")
    if len(names[0]) > MAX_NAME:
        raise _refused(
            f"Expected `names`, because '{names[0]}' is longer than {MAX_NAME} characters."
        )
    return names


def _refused(msg: str) -> Exception:
    return invalid_fields([FieldError(loc=("body", "names"), msg=msg)])
