"""What is told of a model beside its numbers: its card, and how far other data are from its own."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from service.api.answers import JSON, cached, encode, negotiate, resource
from service.api.dependencies import DatabaseOf, PredictorsOf, Reference, ResourcesOf
from service.api.openapi import NOT_MODIFIED, problems
from service.api.served import served
from service.api.stored_tables import dataset_of, open_table
from service.api.validation import placed
from service.domain.datasets import Dataset
from service.domain.errors import Conflict, NotFound
from service.domain.models import RegisteredModel
from service.engine.card import card
from service.engine.drift import Verdict, drift
from service.store import datasets, jobs, models
from service.store.database import Database

router = APIRouter(prefix="/v1/models/{m}", tags=["models"])

MARKDOWN = "text/markdown"
HTML = "text/html"


class CardSection(BaseModel):
    """A part of the card."""

    title: str
    facts: dict[str, str]
    notes: list[str]


class CardView(BaseModel):
    """A model card."""

    title: str
    sections: list[CardSection]


class DriftBinView(BaseModel):
    """Rows above `low`, up to `high` (null: without an end), or of one label."""

    low: float | None
    high: float | None
    label: str | None
    training: int
    new: int


class ColumnDriftView(BaseModel):
    """PSI: below 0.1 stable, below 0.25 moderate, else large."""

    column: str
    psi: float
    verdict: Verdict
    bins: list[DriftBinView]


class DriftView(BaseModel):
    """The columns that the model reads, the furthest first."""

    model: str
    version: int
    dataset: str
    n: int
    n_training: int
    columns: list[ColumnDriftView]


_CARD: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The card",
        "content": {
            MARKDOWN: {"schema": {"type": "string"}},
            HTML: {"schema": {"type": "string"}},
        },
    },
    **problems(404, 406),
    **NOT_MODIFIED,
}


@router.get("/card", response_model=CardView, responses=_CARD)
def get_card(
    request: Request, database: DatabaseOf, predictors: PredictorsOf, m: Reference
) -> Response:
    """The model card: data, training, scores, limits; JSON, Markdown or HTML by Accept."""
    media = negotiate(request, JSON, MARKDOWN, HTML)
    asked, predictor = served(database, predictors, m)
    model = _whole(database, asked.id)
    with database.read() as s:
        device = jobs.get(s, model.job_id).device
    made = card(
        model,
        dataset=_trained_on(database, model),
        made_with={**({"device": device} if device else {}), **predictor.versions},
        inputs=predictor.inputs,
        warnings=predictor.warnings,
    )
    headers = {"Vary": "Accept"}
    if media == MARKDOWN:
        return cached(request, made.as_markdown().encode(), f"{MARKDOWN}; charset=utf-8", headers)
    if media == HTML:
        # Its own style is in it; it loads nothing and runs nothing.
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return cached(request, made.as_html().encode(), f"{HTML}; charset=utf-8", headers)
    return cached(request, encode(made.as_json()), headers=headers)


@router.get("/drift", response_model=DriftView, responses={**problems(404, 409), **NOT_MODIFIED})
async def get_drift(
    request: Request,
    resources: ResourcesOf,
    m: Reference,
    dataset: Annotated[str, Query(min_length=1, max_length=128, description="Its id or name.")],
) -> Response:
    """How far a dataset is from the training data: the population stability index by column."""
    database, settings = resources.database, resources.settings
    asked, predictor = await run_in_threadpool(served, database, resources.predictors, m)
    model = await run_in_threadpool(_whole, database, asked.id)
    with placed("query", "dataset"):
        new = await run_in_threadpool(dataset_of, database, dataset)
    training = await run_in_threadpool(_trained_on, database, model)
    if training is None:
        raise Conflict(
            f"Expected the data that '{model.name}' was trained on. They were removed. Upload them "
            "again to compare."
        )
    before, after = open_table(settings, training), open_table(settings, new)
    with placed("query", "dataset"):
        # Seconds for a wide table: in one of the few places for long work.
        found = await resources.in_child(partial(drift, before, after, predictor.inputs))
    told = DriftView(
        model=model.id,
        version=model.version,
        dataset=new.name,
        n=new.n_rows,
        n_training=training.n_rows,
        columns=[ColumnDriftView.model_validate(each, from_attributes=True) for each in found],
    )
    return resource(request, told)


def _whole(database: Database, model_id: str) -> RegisteredModel:
    with database.read() as s:
        return models.get(s, model_id)


def _trained_on(database: Database, model: RegisteredModel) -> Dataset | None:
    """Return the dataset that a model was trained on, None when it was removed."""
    with database.read() as s:
        try:
            named = str(model.spec.get("dataset"))
            found = jobs.datasets_of(s, model.job_id).get(named) or datasets.get(s, named)
        except NotFound:
            return None
    return found if found.sha256 == model.dataset_sha256 else None
