"""The tables. What must hold of a row is a constraint here, whatever the code above forgets."""

from __future__ import annotations

from sqlalchemy import event

from service.store.columns import Table
from service.store.tables.dataset_origins import DatasetOriginRow
from service.store.tables.datasets import DatasetRow
from service.store.tables.histories import EpochRow, EventRow, JobLogRow
from service.store.tables.idempotency import IdempotencyKeyRow
from service.store.tables.jobs import JobDatasetRow, JobRow
from service.store.tables.models import EvaluationRow, ModelNameRow, ModelRow
from service.store.tables.trials import ProposalRow, TrialRow
from service.store.tables.workers import WorkerRow
from service.store.triggers import create_triggers

__all__ = [
    "DatasetOriginRow",
    "DatasetRow",
    "EpochRow",
    "EvaluationRow",
    "EventRow",
    "IdempotencyKeyRow",
    "JobDatasetRow",
    "JobLogRow",
    "JobRow",
    "ModelNameRow",
    "ModelRow",
    "ProposalRow",
    "Table",
    "TrialRow",
    "WorkerRow",
]

event.listen(Table.metadata, "after_create", create_triggers)
