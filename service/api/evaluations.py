"""Evaluations: a model judged on a stored dataset, and what was found before."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from service.api.answers import Listing, answer, resource
from service.api.bodies import describe, json_body
from service.api.dependencies import After, DatabaseOf, Limit, ResourcesOf
from service.api.idempotency import OnceOfJson
from service.api.judging import Judge, ModelOf, mode_of, named_dataset, refuse_too_many
from service.api.openapi import NOT_MODIFIED, problems
from service.api.validation import placed
from service.domain.evaluations import Bootstrap, Evaluation
from service.domain.metric_names import Estimator, EventLevel
from service.domain.schema import Spec
from service.engine.judging.questions import Scored
from service.engine.metrics.registry import metric_names, refuse_estimator
from service.store import evaluations, models
from service.store.sessions import WriteSession

router = APIRouter(prefix="/v1/models/{m}/evaluations", tags=["models"])


class EvaluationBody(Spec):
    """A dataset to judge a model by.

    `estimator` and `event_level` are yardstick's: how scores of classes are averaged, and which of
    two levels is the event. Rows weigh what the column of case weights says that the model was
    trained with, where the dataset has it.
    """

    dataset: Annotated[str, Field(min_length=1, max_length=128)]
    metrics: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)] | None = (
        Field(default=None, description="Default: as for tune.")
    )
    estimator: Estimator | None = Field(
        default=None,
        description="Default: the event's score of two levels, `macro` of more; Hand and Till's "
        "for `roc_auc`.",
    )
    event_level: EventLevel | None = Field(default=None, description="Default: `first`.")
    bootstrap: Bootstrap | None = Field(
        default=None, description="Intervals of the scores from resamples of the rows."
    )


class EvaluationList(Listing[Evaluation]):
    """A page of evaluations."""


@router.post(
    "",
    status_code=201,
    response_model=Evaluation,
    responses=problems(404, 409),
    openapi_extra=describe(
        EvaluationBody,
        named_metrics={"dataset": "mnist_test", "metrics": ["accuracy", "roc_auc", "mn_log_loss"]},
        with_intervals={
            "dataset": "mnist_test",
            "metrics": ["f_meas", "recall"],
            "estimator": "macro_weighted",
            "bootstrap": {"times": 1000, "level": 0.95, "seed": 1},
        },
    ),
)
async def evaluate_model(
    request: Request,
    resources: ResourcesOf,
    model: ModelOf,
    body: Annotated[EvaluationBody, Depends(json_body(EvaluationBody))],
    once: OnceOfJson,
) -> Response:
    """Judge a model on a stored dataset, and keep what was found with the model."""
    database = resources.database
    earlier = await run_in_threadpool(once.earlier, database)
    if earlier is not None:
        return earlier
    asker = await run_in_threadpool(_asker, request, resources, model, body)
    told = await asker.answer(_scored(asker, body), root=("body", "dataset"))
    found = Evaluation.model_validate_json(told)

    def keep(s: WriteSession) -> Response:
        kept = models.add_evaluation(s, model.id, found)
        path = f"/v1/models/{model.id}/evaluations/{kept.id}"
        return answer(kept, status=201, headers={"Location": path})

    return await run_in_threadpool(once.make, database, keep)


@router.get("", response_model=EvaluationList, responses=problems(404))
def list_evaluations(
    database: DatabaseOf, model: ModelOf, limit: Limit = 20, after: After = None
) -> Response:
    """A model's evaluations, newest first, those that its job asked for among them."""
    with database.read() as s:
        page = evaluations.page(s, model.job_id, limit, after)
    return answer(EvaluationList(data=list(page.data), has_more=page.has_more, next=page.next))


@router.get("/{e}", response_model=Evaluation, responses={**problems(404), **NOT_MODIFIED})
def get_evaluation(
    request: Request,
    database: DatabaseOf,
    model: ModelOf,
    e: Annotated[str, Path(min_length=1, max_length=160)],
) -> Response:
    """One evaluation of a model, by its id."""
    with database.read() as s:
        return resource(request, evaluations.get(s, model.job_id, e))


def _asker(request: Request, resources: ResourcesOf, model: ModelOf, body: EvaluationBody) -> Judge:
    with resources.database.read() as s:
        dataset = named_dataset(s, body.dataset, "body", "dataset")
    if body.bootstrap is not None:
        refuse_too_many(body.bootstrap.times, dataset, model, "body", "bootstrap", "times")
    return Judge(request=request, resources=resources, model=model, dataset=dataset)


def _scored(asker: Judge, body: EvaluationBody) -> Scored:
    mode = mode_of(asker.model)
    with placed("body"):
        names = metric_names(body.metrics, mode, "metrics")
        refuse_estimator(names, mode, body.estimator, body.event_level or "first")
    bootstrap = body.bootstrap
    if bootstrap is not None and bootstrap.seed is None:
        bootstrap = bootstrap.model_copy(update={"seed": secrets.randbelow(2**31)})
    return Scored(
        dataset=asker.dataset.name,
        dataset_sha256=asker.dataset.sha256,
        metrics=names,
        estimator=body.estimator,
        event_level=body.event_level,
        bootstrap=bootstrap,
    )
