"""The application: its routers, its resources from start to end, its document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

import service
from service.api import (
    aliases,
    dataset_counts,
    dataset_files,
    dataset_plots,
    dataset_rows,
    dataset_splits,
    datasets,
    docs,
    evaluations,
    handlers,
    inference,
    job_events,
    job_history,
    jobs,
    model_cards,
    model_curves,
    model_exports,
    model_questions,
    models,
    openapi,
    operations,
    predictions,
    problem_pages,
    recipes,
    tunes,
    vetiver,
)
from service.api.dependencies import Resources
from service.api.edge import Edge
from service.api.feeds import Feeds
from service.api.inference_wire import InferBody
from service.api.surface import Surface, refuse_unknown_query
from service.domain.datasets import BuiltinRequest, ReadOptions
from service.domain.fit import FitSpec
from service.domain.tune.spec import LastFit, TuneSpec
from service.serving import Predictors
from service.settings import Settings
from service.storage.exports import Exports
from service.store.database import Database

# Children that read uploads or prepare recipes at once; each may take gigabytes.
CHILDREN = 2

_ROUTERS = (
    datasets,
    dataset_rows,
    dataset_counts,
    dataset_plots,
    dataset_files,
    dataset_splits,
    recipes,
    jobs,
    job_history,
    job_events,
    tunes,
    models,
    model_cards,
    model_exports,
    predictions,
    evaluations,
    model_questions,
    model_curves,
    inference,
    vetiver,
)
_DESCRIBED = (
    FitSpec,
    TuneSpec,
    LastFit,
    BuiltinRequest,
    ReadOptions,
    dataset_splits.SplitBody,
    recipes.PreviewBody,
    aliases.AliasBody,
    evaluations.EvaluationBody,
    models.SummaryView,
    predictions.RowsToPredict,
    predictions.ColumnsToPredict,
    predictions.StoredRows,
    InferBody,
)
_TAGS = [
    {"name": "datasets", "description": "Tables, by name: upload them, look at them."},
    {"name": "recipes", "description": "What is done to the predictors before a network."},
    {"name": "jobs", "description": "Requests to train, and what became of them."},
    {"name": "models", "description": "What was trained, and what it predicts."},
    {"name": "inference", "description": "The Open Inference Protocol, for stock clients."},
    {"name": "vetiver", "description": "What vetiver's clients send and expect."},
    {"name": "aliases", "description": "Movable names of models."},
    {"name": "operations", "description": "For who runs the service."},
]


def create_app(settings: Settings) -> FastAPI:
    """Return the application over a database that is already migrated.

    `app.state.stopping` is an event that ends open event streams; the server sets it on SIGTERM.
    """
    stopping = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(settings.staging_dir.mkdir, parents=True, exist_ok=True)
        database = await run_in_threadpool(Database.open, settings.database_url)
        feeds = Feeds(database, stopping)
        app.state.resources = Resources(
            settings=settings,
            database=database,
            predictors=Predictors(settings.storage_root, settings.loaded_models),
            exports=Exports(settings.storage_root, settings.staging_dir, settings.datasets_dir),
            feeds=feeds,
            stopping=stopping,
            children=anyio.CapacityLimiter(CHILDREN),
        )
        try:
            yield
        finally:
            stopping.set()
            await feeds.close()
            await run_in_threadpool(database.close)

    app = FastAPI(
        title="Fitpoint",
        version=service.__version__,
        description="Trains Keras multilayer perceptrons over HTTP and serves what it trained.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_tags=_TAGS,
        dependencies=[Depends(refuse_unknown_query)],
        generate_unique_id_function=lambda route: route.name,
    )
    for module in (*_ROUTERS, aliases, operations, problem_pages, docs):
        app.include_router(module.router)
    handlers.install(app)
    openapi.finish(app, _DESCRIBED)
    app.add_middleware(
        Edge,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
    )
    app.state.stopping = stopping
    app.state.surface = Surface(app)
    return app
