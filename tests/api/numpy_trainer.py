"""What a worker writes of a job, weights drawn by numpy: real rows, real artifacts, no Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.domain.errors import FitpointError
from service.domain.evaluations import Baseline, Confusion, Evaluation
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Claim, Environment, Progress
from service.domain.models import FittedModel, RegisteredModel
from service.domain.network import network_of, weights_sha256
from service.engine.artifact import Artifact, publish, write
from service.engine.metrics import majority_or_mean
from service.engine.outcomes import class_codes, numbers
from service.engine.recipe import prep
from service.engine.tables.table import Table
from service.settings import Settings
from service.store import claims, jobs
from service.store.database import Database

ENVIRONMENT = Environment(device="cpu", versions={"keras": "3.15.1", "backend": "tensorflow"})
SUMMARY = 'Model: "sequential"\n'


class NumpyTrainer:
    """Claims jobs and carries them on, step by step as a test wants it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def claim(self) -> Claim:
        """Take the next job."""
        with self._database.write() as s:
            claimed = claims.claim(s, "worker")
        assert claimed is not None
        return claimed

    def record(self, claim: Claim, first: int, values: Sequence[dict[str, float]]) -> None:
        """Record epochs from `first` on."""
        records = [
            EpochRecord(epoch=first + at, values=each, seconds=0.5, samples_per_second=120.0)
            for at, each in enumerate(values)
        ]
        progress = Progress(epoch=records[-1].epoch, epochs=20)
        with self._database.write() as s:
            claims.record_epochs(s, claim.job.id, claim.token, records, progress)

    def log(self, claim: Claim, lines: Sequence[str]) -> None:
        """Keep lines of the job's log."""
        with self._database.write() as s:
            claims.log(s, claim.job.id, claim.token, lines)

    def fail(self, claim: Claim, error: FitpointError) -> None:
        """End the job as failed."""
        with self._database.write() as s:
            claims.fail(s, claim.job.id, claim.token, error)

    def acknowledge_cancel(self, claim: Claim) -> None:
        """End the job as cancelled."""
        with self._database.write() as s:
            claims.acknowledge_cancel(s, claim.job.id, claim.token)

    def succeed(
        self,
        claim: Claim,
        *,
        stopped_epoch: int | None = None,
        environment: Environment = ENVIRONMENT,
    ) -> RegisteredModel:
        """Publish a network for the job and end it."""
        spec = FitSpec.model_validate(claim.job.spec)
        with self._database.read() as s:
            dataset = jobs.datasets_of(s, claim.job.id)[spec.dataset]
        table = Table.open(
            self._settings.datasets_dir / dataset.sha256[:2] / f"{dataset.sha256}.arrow"
        )
        predictors = [column.name for column in dataset.columns if column.name not in spec.outcomes]
        recipe = prep(spec.recipe, table, predictors)
        levels = None
        if spec.mode == "classification":
            levels = table.category_levels(spec.outcomes[0])
        outputs = len(spec.outcomes) if levels is None else len(levels)
        constant = majority_or_mean(
            numbers(table, spec.outcomes)
            if levels is None
            else class_codes(table, spec.outcomes[0], levels),
            "regression" if levels is None else "classification",
        )
        network = network_of(spec, len(recipe.outputs), outputs)
        draw = np.random.default_rng(7)
        shapes = [shape for kernel in network.shapes for shape in (kernel, kernel[1:])]
        weights = tuple(draw.normal(size=shape).astype(np.float32) for shape in shapes)
        artifact = Artifact(
            spec=spec,
            network=network,
            recipe=recipe,
            levels=levels,
            outcomes=spec.outcomes,
            columns=tuple(dataset.columns),
            weights=weights,
            keras_bytes=b"PK what Keras wrote",
            summary=SUMMARY,
            versions=environment.versions,
            constant=constant,
        )
        staging = self._settings.staging_dir / claim.job.id
        write(staging, artifact)
        path, sha256 = publish(staging, self._settings.storage_root)
        model = FittedModel(
            mode=str(spec.mode),
            outcome=spec.outcomes,
            levels=levels,
            predictors=recipe.outputs,
            n_parameters=network.n_parameters,
            weights_sha256=weights_sha256(weights),
            artifact_sha256=sha256,
            artifact_path=path,
            dataset_sha256=dataset.sha256,
            stopped_epoch=stopped_epoch,
        )
        with self._database.write() as s:
            return claims.succeed(
                s,
                claim.job.id,
                claim.token,
                model=model,
                name=spec.name,
                evaluations=[_evaluation(dataset.name, dataset.sha256)] if spec.evaluate else [],
                environment=environment,
            )


def _evaluation(dataset: str, sha256: str) -> Evaluation:
    return Evaluation(
        id="",
        dataset=dataset,
        dataset_sha256=sha256,
        n=60,
        metrics={"accuracy": 0.75, "roc_auc": None},
        baseline=Baseline(kind="majority", metric="accuracy", value=2 / 3),
        confusion=Confusion(levels=("no", "yes"), counts=((30, 5), (10, 15))),
    )


def fitted(trainer: NumpyTrainer, client: Any, body: dict[str, Any]) -> Any:
    """Submit a fit, finish it, and return the model as the API shows it."""
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    model = trainer.succeed(trainer.claim())
    return client.get(f"/v1/models/{model.id}").json()
