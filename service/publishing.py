"""From an artifact in staging to a published model: files first, row second."""

from __future__ import annotations

from service.carrying import Carrying
from service.domain.fit import FitSpec
from service.domain.models import FittedModel
from service.engine import artifact
from service.engine.task import FittedNetwork
from service.settings import Settings
from service.store import claims


def publish(
    carrying: Carrying,
    settings: Settings,
    fitted: FittedNetwork,
    *,
    spec: FitSpec,
    stopped_epoch: int | None,
) -> None:
    """End a job as succeeded with the model whose artifact lies in its staging.

    A crash between files and row leaves a file that nobody names. The model has the name in `spec`,
    or the job's id for one.
    """
    environment = carrying.environment
    assert environment is not None, "the executor tells it before the fit"
    path, sha256 = artifact.publish(carrying.staging, settings.storage_root)
    model = FittedModel(
        mode=fitted.mode,
        outcome=fitted.outcomes,
        levels=fitted.levels,
        predictors=fitted.predictors,
        n_parameters=fitted.n_parameters,
        weights_sha256=fitted.weights_sha256,
        artifact_sha256=sha256,
        artifact_path=path,
        dataset_sha256=fitted.dataset_sha256,
        stopped_epoch=stopped_epoch,
        spec=None if carrying.job.kind == "fit" else spec.model_dump(mode="json"),
    )
    carrying.write(
        claims.succeed,
        model=model,
        name=spec.name or carrying.job.id,
        evaluations=fitted.evaluations,
        environment=environment,
    )
    carrying.forget_checkpoints()
