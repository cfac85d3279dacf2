"""Recipes: prepared and baked for a look, before anything is trained."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from service.api.answers import answer
from service.api.bodies import describe, json_body
from service.api.dependencies import ResourcesOf
from service.api.stored_tables import table_path
from service.api.validation import invalid_fields, placed
from service.domain.datasets import Dataset
from service.domain.errors import FieldError, NotFound
from service.domain.roles import PreviewSpec
from service.domain.spec_checks import wrong_ids, wrong_weights
from service.executors import previewing
from service.store import datasets
from service.store.database import Database

router = APIRouter(prefix="/v1/recipes", tags=["recipes"])


class PreviewBody(PreviewSpec):
    """A recipe to prepare on one dataset and to bake it and another with."""

    training: Annotated[str, Field(min_length=1, max_length=128)]
    new_data: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class LearnedStep(BaseModel):
    """A step and what it learned from the training rows."""

    step: str
    learned: dict[str, JsonValue]


class RemovedColumn(BaseModel):
    """A column that a step dropped."""

    column: str
    step: str
    reason: str


class StepWarning(BaseModel):
    """Something in the data that a step could not treat as usual."""

    step: str
    columns: list[str]
    code: str
    message: str


class BakedColumn(BaseModel):
    """A column after the recipe; moments are of the finite values, `sd` with n-1."""

    name: str
    type: str
    mean: float | None
    sd: float | None
    min: float | None
    max: float | None
    n_missing: int
    levels: list[str] | None = None


class BakedTable(BaseModel):
    """A table after the recipe, the outcome among its columns."""

    n_rows: int
    n_columns: int
    columns: list[BakedColumn]
    rows: list[dict[str, JsonValue]]


class PreviewView(BaseModel):
    """What the recipe learned, dropped and made."""

    steps: list[LearnedStep]
    removed: list[RemovedColumn]
    warnings: list[StepWarning]
    training: BakedTable
    new_data: BakedTable | None


_EXAMPLE = {
    "training": "mnist_train",
    "new_data": "mnist_test",
    "outcome": "y",
    "recipe": [{"step": "zv"}, {"step": "normalize"}],
    "count": 3,
}


@router.post(
    "/preview",
    response_model=PreviewView,
    openapi_extra=describe(PreviewBody, the_chapters_recipe=_EXAMPLE),
)
async def preview_recipe(
    resources: ResourcesOf, body: Annotated[PreviewBody, Depends(json_body(PreviewBody))]
) -> Response:
    """Prepare a recipe on the training data and bake both tables: `prep`, `bake`, `glimpse`."""
    training, new_data = await run_in_threadpool(_datasets, resources.database, body)
    wrong = [*wrong_weights(body, training), *wrong_ids(body, training)]
    if wrong:
        raise invalid_fields(wrong)
    settings = resources.settings
    work = partial(
        previewing.preview_recipe,
        body,
        table_path(settings, training),
        table_path(settings, new_data) if new_data is not None else None,
    )
    with placed("body"):
        found: dict[str, Any] = await resources.in_child(work)
    return await run_in_threadpool(answer, found)


def _datasets(database: Database, body: PreviewBody) -> tuple[Dataset, Dataset | None]:
    training = _dataset(database, body.training, "training")
    if body.new_data is None:
        return training, None
    return training, _dataset(database, body.new_data, "new_data")


def _dataset(database: Database, ref: str, field: str) -> Dataset:
    try:
        with database.read() as s:
            return datasets.get(s, ref)
    except NotFound as error:
        raise invalid_fields([FieldError(loc=("body", field), msg=error.detail)]) from None
