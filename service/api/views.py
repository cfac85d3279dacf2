"""The resources as clients see them: API.md's fields in API.md's order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from service.api.answers import Listing
from service.api.problems import Problem, problem_of_stored
from service.domain.datasets import Column, ColumnType, Dataset, Reading
from service.domain.evaluations import Evaluation
from service.domain.jobs import Job, JobState, Progress, Replay
from service.domain.models import RegisteredModel
from service.domain.origins import Origin, SplitPart
from service.engine.tables.tab import value_text


def _absent(value: object) -> bool:
    return value is None


class ColumnView(BaseModel):
    """A column's profile; moments are of the values that are not missing, `sd` with n-1.

    Of dates and times, `min` and `max` are ISO 8601 text.
    """

    name: str
    type: ColumnType
    n_missing: int
    n_unique: int
    mean: float | None
    sd: float | None
    min: float | str | None
    max: float | str | None
    levels: tuple[str, ...] | None = Field(
        default=None, exclude_if=_absent, description="Of a column that is not numeric."
    )


class DatasetItem(BaseModel):
    """A registered table, in a list."""

    id: str = Field(examples=["ds_06ewykbd3x8s4vrqjn2tc9m7ha"])
    name: str
    n_rows: int
    n_columns: int
    sha256: str
    created_at: datetime


class DatasetList(Listing[DatasetItem]):
    """A page of datasets."""


class DatasetView(DatasetItem):
    """A registered table and the profile of its columns."""

    columns: list[ColumnView]
    reading: Reading | None = Field(
        description="How the upload was read, and each column's type found; null for a dataset "
        "that a library ships."
    )
    split: SplitPart | None = Field(description="Of which dataset this is a part, and which rows.")


class JobItem(BaseModel):
    """A job, in a list."""

    id: str
    kind: str
    name: str | None
    state: JobState
    spec_sha256: str
    attempt: int
    priority: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    progress: Progress
    error: Problem | None
    model_id: str | None
    evaluations: tuple[Evaluation, ...]
    device: str | None
    versions: dict[str, str] | None
    bit_exact: bool | None = Field(
        description="Whether the same bits come out alone or packed, interrupted or not, and in "
        "every process of the same environment; null as long as nothing was said yet."
    )
    replay: Replay | None = Field(description="What a job of kind replay found.")
    tags: dict[str, str]


class JobList(Listing[JobItem]):
    """A page of jobs."""


class JobView(JobItem):
    """A job with the spec it runs: everything that was left open is filled in."""

    plan: dict[str, Any] | None = Field(description="How it is trained; null before it runs.")
    spec: dict[str, Any]


class ModelItem(BaseModel):
    """One version of a named model, in a list."""

    id: str
    name: str
    version: int
    job_id: str
    mode: str
    outcome: str | list[str] = Field(description="One column, or a list when there are several.")
    predictors: tuple[str, ...]
    n_parameters: int
    weights_sha256: str
    artifact_sha256: str
    artifact_path: str = Field(description="Relative to the storage.")
    dataset_sha256: str
    evaluations: tuple[Evaluation, ...] = Field(
        description="The latest 20, the latest last; the list of evaluations has all of them."
    )
    created_at: datetime
    tags: dict[str, str]


class ModelList(Listing[ModelItem]):
    """A page of models."""


class ModelView(ModelItem):
    """One version of a named model."""

    levels: tuple[str, ...] | None
    spec: dict[str, Any]


def column_view(column: Column) -> ColumnView:
    """Return the profile as it is shown."""
    told = column.model_dump(exclude={"top_counts"})
    if column.is_temporal:
        ends = {end: told[end] for end in ("min", "max") if told[end] is not None}
        told.update({end: value_text(value, column.type) for end, value in ends.items()})
    return ColumnView(**told)


def dataset_item(dataset: Dataset) -> DatasetItem:
    """Return a dataset for a list."""
    return DatasetItem(**dataset.model_dump(exclude={"columns"}))


def dataset_view(dataset: Dataset, origin: Origin) -> DatasetView:
    """Return a whole dataset."""
    return DatasetView(
        **dataset.model_dump(exclude={"columns"}),
        columns=[column_view(column) for column in dataset.columns],
        reading=origin.reading,
        split=origin.split,
    )


def job_path(job_id: str) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{job_id}"


def _job_fields(job: Job) -> dict[str, Any]:
    fields = {name: getattr(job, name) for name in JobItem.model_fields if name != "error"}
    return {**fields, "error": problem_of_stored(job.error, job_path(job.id))}


def job_item(job: Job) -> JobItem:
    """Return a job for a list."""
    return JobItem(**_job_fields(job))


def job_view(job: Job) -> JobView:
    """Return a whole job."""
    return JobView(**_job_fields(job), plan=job.plan, spec=job.spec)


def _model_fields(model: RegisteredModel, kind: type[ModelItem]) -> dict[str, Any]:
    fields = {name: getattr(model, name) for name in kind.model_fields if name != "outcome"}
    outcome = model.outcome[0] if len(model.outcome) == 1 else list(model.outcome)
    return {**fields, "outcome": outcome}


def model_item(model: RegisteredModel) -> ModelItem:
    """Return a model for a list."""
    return ModelItem(**_model_fields(model, ModelItem))


def model_view(model: RegisteredModel) -> ModelView:
    """Return a whole model."""
    return ModelView(**_model_fields(model, ModelView))
