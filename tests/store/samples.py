"""Values that many store tests need, with what a test is about given by name."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from service.domain.datasets import Column, Dataset
from service.domain.evaluations import Baseline, Evaluation
from service.domain.history import EpochRecord
from service.domain.jobs import Environment, Job, Progress
from service.domain.models import FittedModel, RegisteredModel
from service.store import claims, datasets, jobs, replays
from service.store.database import Database
from service.store.jobs import NewJob
from service.store.sessions import ReadSession, WriteSession

NOW = datetime(2031, 5, 17, tzinfo=UTC)
COLUMNS = (
    Column(name="x1", type="numeric", n_missing=0, n_unique=9, mean=0.1, sd=1 / 3, min=0, max=1),
    Column(name="y", type="factor", n_missing=0, n_unique=2, levels=("no", "yes")),
)
ENVIRONMENT = Environment(device="cpu: 2 cores", versions={"keras": "3.15.1"})


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def register(s: WriteSession, name: str = "digits") -> Dataset:
    return datasets.register(
        s, name=name, n_rows=90, n_columns=2, sha256=sha(name), bytes=4096, columns=COLUMNS
    )


def new_job(dataset_id: str | None = None, **fields: Any) -> NewJob:
    given: dict[str, Any] = {
        "spec": {"kind": "fit", "dataset": "digits", "model": {"epochs": 5}},
        "spec_sha256": sha("spec"),
        "kind": "fit",
        "epochs": 5,
        "datasets": {} if dataset_id is None else {"digits": dataset_id},
    }
    return NewJob.model_validate(given | fields)


def submit(database: Database, **fields: Any) -> Job:
    with database.write() as s:
        return jobs.submit(s, new_job(**fields))


def claim(database: Database, worker_id: str = "wrk_a") -> tuple[Job, int]:
    with database.write() as s:
        claimed = claims.claim(s, worker_id)
    assert claimed is not None
    return claimed.job, claimed.token


def submit_and_claim(database: Database, **fields: Any) -> tuple[str, int]:
    submit(database, **fields)
    job, token = claim(database)
    return job.id, token


def get(database: Database, job_id: str) -> Job:
    with database.read() as s:
        return jobs.get(s, job_id)


def record(epoch: int, loss: float = 0.5, **fields: Any) -> EpochRecord:
    given = {"epoch": epoch, "values": {"loss": loss}, "seconds": 0.25, "samples_per_second": 360.0}
    return EpochRecord.model_validate(given | fields)


def progress(epoch: int, epochs: int = 5) -> Progress:
    return Progress(epoch=epoch, epochs=epochs)


def fitted_model(mark: str = "weights") -> FittedModel:
    artifact = sha(f"artifact of {mark}")
    return FittedModel(
        mode="classification",
        outcome=("y",),
        levels=("no", "yes"),
        predictors=("x1",),
        n_parameters=22,
        weights_sha256=sha(mark),
        artifact_sha256=artifact,
        artifact_path=f"artifacts/{artifact[:2]}/{artifact}",
        dataset_sha256=sha("digits"),
        stopped_epoch=4,
    )


def evaluation(accuracy: float | None = 0.9, id: str = "") -> Evaluation:
    return Evaluation(
        id=id,
        dataset="digits",
        dataset_sha256=sha("digits"),
        n=90,
        metrics={"accuracy": accuracy},
        baseline=Baseline(kind="majority", metric="accuracy", value=0.5),
    )


def succeed(
    s: WriteSession, job_id: str, token: int, name: str | None = None, mark: str = "weights"
) -> RegisteredModel:
    return claims.succeed(
        s,
        job_id,
        token,
        model=fitted_model(mark),
        name=name,
        evaluations=[evaluation()],
        environment=ENVIRONMENT,
    )


def train(database: Database, name: str | None = None, **fields: Any) -> RegisteredModel:
    """Carry a new job to its end and return its model."""
    job_id, token = submit_and_claim(database, name=name, **fields)
    with database.write() as s:
        return succeed(s, job_id, token, name)


def trained(database: Database, name: str | None = "m", **fields: Any) -> Job:
    """Return a succeeded fit of the registered table "digits"."""
    with database.write() as s:
        dataset_id = register(s).id
    return get(database, train(database, name, dataset_id=dataset_id, **fields).job_id)


def replay_and_claim(database: Database, job_id: str) -> tuple[str, int]:
    with database.write() as s:
        replay = replays.submit_replay(s, job_id)
    job, token = claim(database)
    assert job.id == replay.id
    return job.id, token


def states(s: ReadSession) -> dict[str, int]:
    return {state: count for state, count in jobs.counts(s).items() if count}
