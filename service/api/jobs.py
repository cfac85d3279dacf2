"""Jobs: submitted, looked up, cancelled, tried again, replayed, removed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from service.api import submission, tune_submission
from service.api.admission import Room, require_room
from service.api.answers import answer, resource
from service.api.bodies import describe_kinds, json_body_of_kind
from service.api.dependencies import (
    After,
    DatabaseOf,
    Limit,
    PredictorsOf,
    Reference,
    SettingsOf,
)
from service.api.idempotency import Once, OnceOfJson, OnceWithoutBody
from service.api.openapi import NOT_MODIFIED, problems
from service.api.tune_submission import TuneDryRun
from service.api.views import JobList, JobView, job_item, job_path, job_view
from service.domain.errors import InvalidSpec
from service.domain.fit import FitSpec
from service.domain.jobs import JobState
from service.domain.plan import Plan
from service.domain.resolve import spec_sha256
from service.domain.tune.spec import TuneSpec
from service.settings import Settings
from service.store import jobs, models, replays
from service.store.database import Database
from service.store.sessions import WriteSession

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_KINDS: dict[str, type[BaseModel]] = {"fit": FitSpec, "tune": TuneSpec}
_EXAMPLES = {
    "the_shortest": {"kind": "fit", "dataset": "iris", "outcome": "Species"},
    "relu_30": {
        "kind": "fit",
        "name": "relu-30",
        "dataset": "mnist_train",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {
            "hidden_units": 30,
            "activation": "relu",
            "epochs": 200,
            "seeds": [87591, 536, 27860],
        },
        "engine": {
            "validation_split": 0.16666666666666666,
            "metrics": ["accuracy"],
            "early_stopping": {"monitor": "val_loss", "min_delta": 0, "patience": 10},
        },
        "evaluate": [{"dataset": "mnist_test", "metrics": ["accuracy", "roc_auc"]}],
    },
    "the_grid": {
        "kind": "tune",
        "name": "grid",
        "fit": {
            "dataset": "mnist_train",
            "outcome": "y",
            "recipe": [{"step": "zv"}, {"step": "normalize"}],
            "model": {
                "hidden_units": {"tune": True},
                "penalty": {"tune": True},
                "activation": "relu",
                "epochs": 20,
            },
        },
        "grid": {
            "kind": "expand",
            "values": {
                "hidden_units": [5, 10, 20, 30, 50, 100],
                "penalty": [1e-5, 1e-4, 1e-2, 1e-1],
            },
        },
        "resamples": {"kind": "validation_split", "prop": 0.8333333333333334, "seed": 102030},
        "metrics": ["accuracy"],
        "finalize": {"select": "best", "metric": "accuracy", "refit": True},
    },
}


class DryRun(BaseModel):
    """What a fit would be; nothing was queued.

    With `exact` false the recipe may leave fewer predictors, and so parameters, once it is prepared
    on the rows that train. The plan's `expected_seconds` are null before a worker has measured what
    training costs here; they count every epoch asked for.
    """

    spec: dict[str, Any]
    spec_sha256: str
    n_parameters: int
    n_predictors: int
    predictors: tuple[str, ...]
    exact: bool
    memory_bytes: int
    plan: Plan


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    responses={
        200: {
            "model": JobView | DryRun | TuneDryRun,
            "description": "Nothing was queued: dry run, or reused",
        },
        **problems(409),
    },
    openapi_extra=describe_kinds(_KINDS, **_EXAMPLES),
)
def create_job(
    database: DatabaseOf,
    settings: SettingsOf,
    spec: Annotated[FitSpec | TuneSpec, Depends(json_body_of_kind(_KINDS))],
    once: OnceOfJson,
    dry_run: Annotated[bool, Query(description="Validate everything, queue nothing.")] = False,
    reuse: Annotated[
        bool,
        Query(description="Answer with a succeeded job of the same spec, data and environment."),
    ] = False,
) -> Response:
    """Queue a fit or a tune. Whatever spec and data profile decide is refused here, not later."""
    earlier = None if dry_run else once.earlier(database)
    if earlier is not None:
        return earlier
    if isinstance(spec, TuneSpec):
        if reuse:
            raise InvalidSpec("Expected `reuse` with a fit. Received a tune.")
        return _create_tune(database, settings, spec, once, dry_run=dry_run)
    with database.read() as s:
        found, used = submission.resolved(s, spec)
    if dry_run:
        told = DryRun(
            spec=found.spec.model_dump(mode="json"),
            spec_sha256=spec_sha256(found.spec),
            n_parameters=found.n_parameters,
            n_predictors=len(found.predictors),
            predictors=found.predictors,
            exact=found.exact,
            memory_bytes=found.memory_bytes,
            plan=submission.expected(found, settings),
        )
        return answer(told)
    require_room(settings)

    def create(s: WriteSession) -> Response:
        like = submission.reusable(s, found.spec, used, settings.backend) if reuse else None
        if like is not None:
            return answer(job_view(like), headers={"Location": job_path(like.id)})
        job = submission.submit(s, found.spec, used, epochs=found.spec.model.epochs)
        return submission.queued(job)

    return once.make(database, create)


def _create_tune(
    database: Database, settings: Settings, spec: TuneSpec, once: Once, *, dry_run: bool
) -> Response:
    with database.read() as s:
        found, used = tune_submission.resolved_tune(s, spec)
    if dry_run:
        return answer(tune_submission.foretold(found))
    require_room(settings)
    return once.make(
        database, lambda s: submission.queued(tune_submission.submit_tune(s, found, used))
    )


@router.get("", response_model=JobList)
def list_jobs(
    database: DatabaseOf,
    limit: Limit = 20,
    after: After = None,
    state: JobState | None = None,
    kind: Literal["fit", "tune", "replay"] | None = None,
    dataset: Annotated[str | None, Query(max_length=128)] = None,
    name: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Jobs, newest first; each filter that is given must match."""
    with database.read() as s:
        page = jobs.page(s, limit, after, state, kind, dataset, name)
    items = [job_item(job) for job in page.data]
    return answer(JobList(data=items, has_more=page.has_more, next=page.next))


@router.get("/{j}", response_model=JobView, responses={**problems(404), **NOT_MODIFIED})
def get_job(request: Request, database: DatabaseOf, j: Reference) -> Response:
    """A job: its state, how far it is, what it was asked and what came of it."""
    with database.read() as s:
        job = jobs.get(s, j)
    return resource(request, job_view(job))


@router.post(
    "/{j}/cancel",
    response_model=JobView,
    responses={
        202: {"model": JobView, "description": "It runs, and ends within one epoch or 2 s"},
        **problems(404, 409),
    },
)
def cancel_job(database: DatabaseOf, j: Reference) -> Response:
    """Cancel a job: a queued one will not run, a running one ends and keeps its history."""
    with database.write() as s:
        job = jobs.request_cancel(s, j)
    return answer(job_view(job), status=202 if job.state is JobState.RUNNING else 200)


@router.post(
    "/{j}/retry",
    status_code=202,
    response_model=JobView,
    responses=problems(404, 409),
    dependencies=[Room],
)
def retry_job(database: DatabaseOf, j: Reference, once: OnceWithoutBody) -> Response:
    """Queue a failed or cancelled job again, as a new attempt."""
    return once.make(database, lambda s: submission.queued(jobs.retry(s, j)))


@router.post(
    "/{j}/replay",
    status_code=202,
    response_model=JobView,
    responses=problems(404, 409),
    dependencies=[Room],
)
def replay_job(database: DatabaseOf, j: Reference, once: OnceWithoutBody) -> Response:
    """Train a succeeded fit again from its stored spec and data, and compare the weights.

    The answer is a new job of kind `replay`, which starts in a fresh process and from no
    checkpoint. Once it has succeeded, its `replay` says whether the weights are the `same`, and
    which parts of the environment are not. It leaves no model.
    """
    return once.make(database, lambda s: submission.queued(replays.submit_replay(s, j)))


@router.delete("/{j}", status_code=204, responses=problems(404, 409))
def delete_job(database: DatabaseOf, predictors: PredictorsOf, j: Reference) -> Response:
    """Remove a job that has ended, with its history and its models."""
    with database.write() as s:
        model_id = jobs.get(s, j).model_id
        model = None if model_id is None else models.get(s, model_id)
        jobs.delete(s, j)
    if model is not None:
        predictors.forget(model.artifact_path, model.artifact_sha256)
    return Response(status_code=204)
