"""A fitted model as the registry lists it; its numbers lie in the artifact directory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.domain.evaluations import Evaluation
from service.domain.schema import Value


class FittedModel(Value):
    """What a finished fit publishes, before the registry gives it an id and a version.

    `spec` is the fit's where the job asked for more than that fit, as a tune does.
    """

    mode: str
    outcome: tuple[str, ...]
    levels: tuple[str, ...] | None
    predictors: tuple[str, ...]
    n_parameters: int
    weights_sha256: str
    artifact_sha256: str
    artifact_path: str
    dataset_sha256: str
    stopped_epoch: int | None = None
    spec: dict[str, Any] | None = None


class ServedModel(Value):
    """What a request needs of a model to be answered by it."""

    id: str
    name: str
    version: int
    artifact_sha256: str
    artifact_path: str


class RegisteredModel(FittedModel):
    """One version of a named model."""

    id: str
    name: str
    version: int
    job_id: str
    spec: dict[str, Any]
    evaluations: tuple[Evaluation, ...]
    created_at: datetime
    tags: dict[str, str]
