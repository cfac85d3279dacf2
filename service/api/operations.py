"""Operations: is it alive, is it ready, what is it, who works."""

from __future__ import annotations

from datetime import datetime
from tempfile import TemporaryFile
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

import service
from service.api.admission import short_of_room
from service.api.answers import Listing, answer, resource
from service.api.dependencies import After, DatabaseOf, Limit, Resources, ResourcesOf
from service.api.openapi import problems
from service.api.submission import installed_version
from service.domain.datasets import ReadLimits
from service.domain.errors import Unavailable
from service.domain.schema import (
    MAX_COLUMNS,
    MAX_EPOCHS,
    MAX_LAYERS,
    MAX_PARAMETERS,
    MAX_UNITS,
)
from service.store import workers
from service.store.workers import WorkerState

router = APIRouter(tags=["operations"])


class Live(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Database and storage work; `degraded` tells what does not work as well as it should."""

    status: Literal["ready"] = "ready"
    workers: int
    degraded: list[str]


class About(BaseModel):
    """Versions, where things run, and the limits in force."""

    name: Literal["fitpoint"] = "fitpoint"
    service: str
    keras: str | None
    backend: str
    backend_version: str | None
    device: str | None
    devices: list[str]
    database: str
    sqlite: str | None
    journal_mode: str | None
    limits: dict[str, int]


class WorkerView(BaseModel):
    """A process that trains."""

    id: str
    host: str
    pid: int
    device: str
    state: WorkerState
    job_id: str | None
    started_at: datetime
    heartbeat_at: datetime
    heartbeat_age_seconds: float | None
    alive: bool


class WorkerList(Listing[WorkerView]):
    """A page of workers."""


@router.get("/livez", response_model=Live)
def check_live() -> Response:
    """200 as long as the process answers."""
    return answer(Live())


@router.get("/readyz", response_model=Ready, responses=problems(503))
def check_ready(resources: ResourcesOf) -> Response:
    """200 when database and storage work; a reason is no failure, but worth a look."""
    require_storage(resources)
    with resources.database.read() as s:
        alive = workers.alive(s)
    degraded = [] if alive else ["No worker is alive: jobs are accepted and wait."]
    if (mode := resources.database.about().get("journal_mode", "wal")) != "wal":
        degraded.append(
            f"SQLite's journal mode is {mode}: writers and readers wait for each other."
        )
    if (short := short_of_room(resources.settings)) is not None:
        degraded.append(f"{short} Uploads and jobs are refused until there is room.")
    return answer(Ready(workers=alive, degraded=degraded))


@router.get("/v1/about", response_model=About)
def get_about(request: Request, resources: ResourcesOf) -> Response:
    """Versions, backend, device, database, and the limits in force."""
    settings = resources.settings
    told = resources.database.about()
    with resources.database.read() as s:
        page = workers.page(s, 100)
    devices = sorted({worker.device for worker in page.data if worker.alive})
    is_sqlite = told["dialect"] == "sqlite"
    about = About(
        service=service.__version__,
        keras=installed_version("keras"),
        backend=settings.backend,
        backend_version=installed_version(settings.backend),
        device=", ".join(devices) or None,
        devices=devices,
        database=told["dialect"],
        sqlite=told["version"] if is_sqlite else None,
        journal_mode=told.get("journal_mode"),
        limits={
            "max_upload_bytes": settings.max_upload_bytes,
            "max_body_bytes": settings.max_body_bytes,
            "max_rows": ReadLimits().max_rows,
            "max_columns": MAX_COLUMNS,
            "max_layers": MAX_LAYERS,
            "max_units": MAX_UNITS,
            "max_parameters": MAX_PARAMETERS,
            "max_epochs": MAX_EPOCHS,
        },
    )
    return resource(request, about)


@router.get("/v1/workers", response_model=WorkerList)
def list_workers(database: DatabaseOf, limit: Limit = 20, after: After = None) -> Response:
    """Workers, newest first: host, device, state, current job, age of the last heartbeat."""
    with database.read() as s:
        page = workers.page(s, limit, after)
    items = [WorkerView.model_validate(worker, from_attributes=True) for worker in page.data]
    return answer(WorkerList(data=items, has_more=page.has_more, next=page.next))


def require_storage(resources: Resources) -> None:
    """Write a byte: permissions alone do not tell of a full or a vanished disk."""
    try:
        with TemporaryFile(dir=resources.settings.staging_dir) as probe:
            probe.write(b"?")
            probe.flush()
    except OSError as error:
        raise Unavailable(
            f"Expected the storage folder to take a file. It does not: {error.strerror}."
        ) from error
