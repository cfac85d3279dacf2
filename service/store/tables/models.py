"""The tables of what jobs published: models, their names and aliases, their scores."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Table


class ModelRow(Table):
    """One version of a named model. Its tags are its job's, and its spec where it has none."""

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("job_id"),
        UniqueConstraint("name", "version"),
        CheckConstraint("version >= 1", name="version"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    name: Mapped[str]
    version: Mapped[int]
    mode: Mapped[str]
    n_parameters: Mapped[int]
    weights_sha256: Mapped[str]
    artifact_sha256: Mapped[str] = mapped_column(index=True)
    artifact_path: Mapped[str]
    dataset_sha256: Mapped[str]
    stopped_epoch: Mapped[int | None]
    created_at: Mapped[datetime]
    outcome: Mapped[list[Any]]
    predictors: Mapped[list[Any]]
    levels: Mapped[list[Any] | None]
    spec: Mapped[dict[str, Any] | None]


class ModelNameRow(Table):
    """A name of the registry: of models, or an alias when it points at one. One namespace.

    `last_version` outlives the versions, so that `name@2` never comes to mean another model.
    """

    __tablename__ = "model_names"
    __table_args__ = (
        CheckConstraint("(alias_of IS NULL) = (aliased_at IS NULL)", name="alias_has_time"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    last_version: Mapped[int]
    alias_of: Mapped[str | None] = mapped_column(
        ForeignKey("models.id", ondelete="RESTRICT"), index=True
    )
    aliased_at: Mapped[datetime | None]


class EvaluationRow(Table):
    """A model's scores on a dataset; `requested` ones were asked for by the job's spec.

    They hang on the job, because what a job reported stays when its model is deleted.
    """

    __tablename__ = "evaluations"
    __table_args__ = (UniqueConstraint("job_id", "position"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    position: Mapped[int]
    requested: Mapped[bool]
    created_at: Mapped[datetime]
    evaluation: Mapped[dict[str, Any]]
