"""What a job recorded: its epochs, its log, its learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from service.api.answers import (
    CSV,
    JSON,
    PNG,
    SVG,
    TEXT,
    Listing,
    cached,
    csv_text,
    encode,
    negotiate,
    picture,
)
from service.api.dependencies import After, DatabaseOf, Reference
from service.api.openapi import NOT_MODIFIED, content, problems
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord, best_epoch, monitored
from service.domain.jobs import Job
from service.engine.plots.history import history
from service.store import epochs, jobs, logs, models
from service.store.database import Database
from service.store.pages import Page
from service.store.sessions import ReadSession

router = APIRouter(prefix="/v1/jobs/{j}", tags=["jobs"])

# More than the 100 of other lists: these items are small and come in thousands.
Many = Annotated[int, Query(ge=1, le=10_000, description="How many at most.")]

_KEYS = ("trial", "fold", "epoch")
_TIMES = ("seconds", "samples_per_second")


class EpochView(BaseModel):
    """One epoch: its loss, its metrics, and the same of the validation rows as `val_...`.

    A value that is not finite is null, and then `diverged` is true.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]

    trial: int
    fold: int
    epoch: int
    loss: float | None
    seconds: float
    samples_per_second: float
    diverged: bool = False


class EpochsView(Listing[EpochView]):
    """A page of the history, and what the whole of it says."""

    epochs_run: int
    stopped_epoch: int | None
    best_epoch: int | None


class LogView(BaseModel):
    """A line that a job printed."""

    attempt: int
    at: datetime
    line: str


class LogList(Listing[LogView]):
    """A page of log lines."""


def _also_as(media: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a list that is JSON, or text of another media type."""
    text = {"description": "The page", "content": {media: {"schema": {"type": "string"}}}}
    return {200: text, **problems(404, 406), **NOT_MODIFIED}


@router.get("/epochs", response_model=EpochsView, responses=_also_as("text/csv"))
def list_epochs(
    request: Request, database: DatabaseOf, j: Reference, limit: Many = 1000, after: After = None
) -> Response:
    """The history, ascending by trial, fold and epoch; as CSV when Accept asks for it."""
    media = negotiate(request, JSON, "text/csv")
    with database.read() as s:
        job = jobs.get(s, j)
        page = epochs.page(s, job.id, limit, after)
        epochs_run = epochs.epochs_run(s, job.id)
        stopped, best = _marks(s, job, None if page.has_more or after else page.data)
    if media == "text/csv":
        headers = {"X-Next": page.next} if page.next is not None else {}
        return cached(request, _csv(page).encode(), CSV, {"Vary": "Accept", **headers})
    told = {
        "data": [record.as_row() for record in page.data],
        "has_more": page.has_more,
        "next": page.next,
        "epochs_run": epochs_run,
        "stopped_epoch": stopped,
        "best_epoch": best,
    }
    return cached(request, encode(told), headers={"Vary": "Accept"})


@router.get("/log", response_model=LogList, responses=_also_as("text/plain"))
def list_log(
    request: Request, database: DatabaseOf, j: Reference, limit: Many = 1000, after: After = None
) -> Response:
    """The job's log lines, oldest first; as plain text when Accept asks for it."""
    media = negotiate(request, JSON, "text/plain")
    with database.read() as s:
        page = logs.page(s, j, limit, after)
    if media == "text/plain":
        text = "".join(f"{line.line}\n" for line in page.data)
        headers = {"X-Next": page.next} if page.next is not None else {}
        return cached(request, text.encode(), TEXT, {"Vary": "Accept", **headers})
    lines = [LogView(attempt=line.attempt, at=line.at, line=line.line) for line in page.data]
    told = LogList(data=lines, has_more=page.has_more, next=page.next)
    return cached(request, encode(told), headers={"Vary": "Accept"})


@router.get(
    "/plots/history.{extension}",
    response_class=Response,
    responses={200: content(SVG, "The learning curve"), **problems(404), **NOT_MODIFIED},
)
def plot_history(
    request: Request,
    database: DatabaseOf,
    j: Reference,
    extension: Literal["svg", "png"],
    trial: Annotated[int, Query(ge=1, description="Of a tune.")] = 1,
    fold: Annotated[int, Query(ge=1, description="Of a tune.")] = 1,
) -> Response:
    """The learning curve, training and validation, the best and the stopped epoch marked."""
    job, records, stopped, best = _history(database, j, trial, fold)
    drawn = history(records, best, stopped, title=job.name or job.id, fmt=extension)
    return picture(request, drawn, SVG if extension == "svg" else PNG)


def _history(
    database: Database, job_id: str, trial: int, fold: int
) -> tuple[Job, Sequence[EpochRecord], int | None, int | None]:
    with database.read() as s:
        job = jobs.get(s, job_id)
        records = epochs.all_of(s, job.id, trial, fold)
        stopped, best = _marks(s, job, records)
    return job, records, stopped, best


def _marks(
    s: ReadSession, job: Job, records: Sequence[EpochRecord] | None
) -> tuple[int | None, int | None]:
    """Return the stopped and the best epoch; `records` is the whole history, if it is at hand."""
    if job.kind == "tune":
        # Of several fits; each one's are among the job's trials.
        return None, None
    engine = FitSpec.model_validate(job.spec).engine
    monitor = engine.early_stopping.monitor if engine.early_stopping is not None else None
    whole = epochs.all_of(s, job.id) if records is None else records
    stopped = models.get(s, job.model_id).stopped_epoch if job.model_id is not None else None
    return stopped, best_epoch(whole, monitored(monitor, engine.validates()))


def _csv(page: Page[EpochRecord]) -> str:
    rows: list[dict[str, Any]] = [record.as_row() for record in page.data]
    names = dict.fromkeys(name for record in page.data for name in record.values)
    header = [*_KEYS, *names, *_TIMES]
    if any("diverged" in row for row in rows):
        header.append("diverged")
        for row in rows:
            row.setdefault("diverged", False)
    return csv_text(header, ([row.get(name) for name in header] for row in rows))
