"""Requests to train become jobs: their rows, the datasets that they mean, their first event."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select

from service.domain.errors import Conflict, NotFound
from service.domain.jobs import Job, JobState, Replay
from service.domain.schema import Value
from service.store import events, ids, job_rows
from service.store.sessions import ReadSession, WriteSession, clock_of, lock_catalogue
from service.store.tables import DatasetRow, JobDatasetRow, JobRow, ModelNameRow


class NewJob(Value):
    """A request to train, validated and resolved.

    `datasets` gives the dataset id for every name (or id) by which the spec means a dataset;
    `epochs` is the most that the job can run; `replay` is what a job of that kind trains again.
    """

    spec: dict[str, Any]
    spec_sha256: str
    kind: str
    name: str | None = None
    priority: int = 0
    tags: dict[str, str] = {}  # noqa: RUF012 (pydantic copies it)
    epochs: int
    trials: int = 1
    datasets: dict[str, str]
    replay: Replay | None = None


def submit(s: WriteSession, new: NewJob) -> Job:
    """Queue a job (T1). It is accepted once the transaction is committed, not before.

    Raises:
        NotFound: a dataset was deleted since the spec was resolved.
        Conflict: the name is an alias.
        InvalidSpec: the name has the form of an id, or a text cannot be stored.
    """
    lock_catalogue(s)
    require_model_name(s, new.name)
    found = {
        row.id: row.sha256
        for row in s.execute(
            select(DatasetRow.id, DatasetRow.sha256).where(
                DatasetRow.id.in_(list(new.datasets.values()))
            )
        )
    }
    for spec_name, dataset_id in new.datasets.items():
        if dataset_id not in found:
            raise NotFound(f"Expected dataset '{spec_name}' to exist. It was deleted just now.")
    at = clock_of(s).utc()
    job_id = ids.new_id("job", at, s.scalar(select(func.max(JobRow.id))))
    row = {
        "id": job_id,
        "kind": new.kind,
        "name": new.name,
        "state": JobState.QUEUED.value,
        "spec_sha256": new.spec_sha256,
        "priority": new.priority,
        "tags": new.tags,
        "created_at": at,
        "attempt": 0,
        "stalls": 0,
        "errors": 0,
        "losses": 0,
        "lease_token": 0,
        "epoch": 0,
        "epochs": new.epochs,
        "trials_done": 0,
        "trials": new.trials,
        "first_event": 0,
        "replay_of": new.replay.of if new.replay else None,
        "replay": new.replay.model_dump(mode="json") if new.replay else None,
        "spec": new.spec,
    }
    s.execute(insert(JobRow), [row])
    if new.datasets:
        links = [
            {
                "job_id": job_id,
                "spec_name": spec_name,
                "dataset_id": dataset_id,
                "sha256": found[dataset_id],
            }
            for spec_name, dataset_id in new.datasets.items()
        ]
        s.execute(insert(JobDatasetRow), links)
    events.append_state(s, job_id, 0, JobState.QUEUED)
    return job_rows.get(s, job_id)


def require_model_name(s: ReadSession, name: str | None) -> None:
    """Raise when a job's model cannot be called `name`: an alias or an id is called so."""
    if name is None:
        return
    ids.refuse_lookalike(name)
    alias = select(ModelNameRow.name).where(
        ModelNameRow.name == name, ModelNameRow.alias_of.is_not(None)
    )
    if s.scalar(alias) is not None:
        raise Conflict(f"Expected a name for a model. '{name}' is an alias. Choose another name.")
