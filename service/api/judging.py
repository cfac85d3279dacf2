"""How a model is judged on a stored table: at once where that is quick, else in a child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.answers import PNG, SVG, cached, encode, picture
from service.api.dependencies import DatabaseOf, Reference, Resources, ResourcesOf
from service.api.openapi import NOT_MODIFIED, content, problems
from service.api.stored_tables import open_table, table_path
from service.api.validation import invalid_fields, placed
from service.domain.datasets import Dataset
from service.domain.errors import Conflict, FieldError, NotFound
from service.domain.fit import Mode
from service.domain.models import RegisteredModel
from service.engine.judging.questions import QUICK, Question, work
from service.engine.judging.replies import reply
from service.executors.judge_child import StoredArtifact
from service.executors.judging import judge
from service.store import datasets, models
from service.store.database import Database
from service.store.sessions import ReadSession

# Rows times levels times resamples: more would take minutes.
MAX_RESAMPLED = 2_000_000_000

Extension = Literal["svg", "png"]
ANSWERS: dict[int | str, dict[str, Any]] = {**problems(404, 409, 413), **NOT_MODIFIED}
PICTURES: dict[int | str, dict[str, Any]] = {200: content(SVG, "The picture"), **ANSWERS}

DatasetQuery = Annotated[
    str | None,
    Query(
        max_length=128,
        description="The rows to judge by: a dataset's id or name. Default: those of the model's "
        "latest evaluation.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """One request that asks about one model and the rows of one dataset."""

    request: Request
    resources: Resources
    model: RegisteredModel
    dataset: Dataset

    @property
    def title(self) -> str:
        """What is judged on what, for a picture."""
        return f"{self.model.name}@{self.model.version} on {self.dataset.name}"

    def head(self) -> dict[str, Any]:
        """Return what every JSON answer begins with."""
        return {
            "model": self.model.id,
            "version": self.model.version,
            "dataset": self.dataset.name,
            "dataset_sha256": self.dataset.sha256,
        }

    async def json(
        self,
        asked: Question,
        more: Mapping[str, Any] | None = None,
        others: Sequence[RegisteredModel] = (),
    ) -> Response:
        """Return the answer as JSON, below the head and what else is to be said."""
        told = await self.answer(asked, others)
        return cached(self.request, encode({**self.head(), **(more or {})})[:-1] + b"," + told[1:])

    async def picture(self, asked: Question, extension: Extension) -> Response:
        """Return the answer as a picture."""
        told = await self.answer(asked)
        return picture(self.request, told, SVG if extension == "svg" else PNG)

    async def answer(
        self,
        asked: Question,
        others: Sequence[RegisteredModel] = (),
        root: tuple[str, ...] = ("query", "dataset"),
    ) -> bytes:
        """Return the answer, off the event loop; what is wrong with the rows is told at `root`."""
        with placed(*root):
            return await _answer(self.resources, (self.model, *others), self.dataset, asked)


async def _answer(
    resources: Resources,
    asked_of: Sequence[RegisteredModel],
    dataset: Dataset,
    asked: Question,
) -> bytes:
    settings, model = resources.settings, asked_of[0]
    outputs = len(model.levels or model.outcome)
    steps = work(asked, dataset.n_rows, model.n_parameters, len(model.predictors), outputs)
    # Whether the rows and the artifacts are there is told here, in the words of this process.
    table = await run_in_threadpool(open_table, settings, dataset)
    if steps <= QUICK:
        predictors = [
            await run_in_threadpool(
                resources.predictors.get, each.artifact_path, each.artifact_sha256
            )
            for each in asked_of
        ]
        return await run_in_threadpool(reply, predictors, table, asked)
    stored = [
        StoredArtifact(
            directory=settings.storage_root / each.artifact_path, sha256=each.artifact_sha256
        )
        for each in asked_of
    ]
    work_in_child = partial(
        judge, stored, table_path(settings, dataset), asked, settings.staging_dir
    )
    return await resources.in_child(work_in_child)


def _model(database: DatabaseOf, m: Reference) -> RegisteredModel:
    with database.read() as s:
        return models.get(s, m)


ModelOf = Annotated[RegisteredModel, Depends(_model)]


def _judge(
    request: Request,
    resources: ResourcesOf,
    database: DatabaseOf,
    model: ModelOf,
    dataset: DatasetQuery = None,
) -> Judge:
    if dataset is None:
        rows = latest_dataset(database, model)
    else:
        with database.read() as s:
            rows = named_dataset(s, dataset, "query", "dataset")
    return Judge(request=request, resources=resources, model=model, dataset=rows)


JudgeOf = Annotated[Judge, Depends(_judge)]


def named_dataset(s: ReadSession, ref: str, *loc: str) -> Dataset:
    """Return a dataset by its id or name.

    Raises:
        InvalidSpec: there is none.
    """
    try:
        return datasets.get(s, ref)
    except NotFound as error:
        raise invalid_fields([FieldError(loc=loc, msg=error.detail, received=ref)]) from None


def mode_of(model: RegisteredModel) -> Mode:
    """Return whether a model tells classes or numbers."""
    return "regression" if model.levels is None else "classification"


def latest_dataset(database: Database, model: RegisteredModel) -> Dataset:
    """Return the dataset of the model's latest evaluation.

    Raises:
        Conflict: it has none, or its rows are not there any more.
    """
    name = f"{model.name}@{model.version}"
    cure = "Name one with ?dataset=, or evaluate the model on one first."
    if not model.evaluations:
        raise Conflict(f"Expected a dataset to judge '{name}' by. It has no evaluation. {cure}")
    latest = model.evaluations[-1]
    gone = Conflict(
        f"Expected the rows of the latest evaluation of '{name}'. Dataset '{latest.dataset}' has "
        f"been deleted or replaced since. {cure}"
    )
    with database.read() as s:
        try:
            found = datasets.get(s, latest.dataset)
        except NotFound:
            raise gone from None
    if found.sha256 != latest.dataset_sha256:
        raise gone
    return found


def refuse_too_many(times: int, dataset: Dataset, model: RegisteredModel, *loc: str) -> None:
    """Raise for a bootstrap of more rows than can be resampled while a client waits.

    Raises:
        InvalidSpec: fewer resamples would do.
    """
    outputs = len(model.levels or model.outcome)
    cells = max(dataset.n_rows, outputs) * outputs
    most = MAX_RESAMPLED // cells
    if times <= most:
        return
    if most == 0:
        msg = (
            f"Expected no bootstrap of {dataset.n_rows:,} rows. Judge on a part of them, which "
            "`POST /v1/datasets/{d}/splits` makes."
        )
    else:
        msg = (
            f"Expected at most {most:,} resamples of {dataset.n_rows:,} rows. Received {times:,}. "
            "Ask for fewer, or judge on a part of the rows."
        )
    raise invalid_fields([FieldError(loc=loc, msg=msg)])
