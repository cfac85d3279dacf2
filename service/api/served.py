"""A model that is asked: which one it is, and its predictor."""

from __future__ import annotations

from service.domain.models import ServedModel
from service.engine.predictor import Predictor
from service.serving import Predictors
from service.store import models
from service.store.database import Database


def served(database: Database, predictors: Predictors, ref: str) -> tuple[ServedModel, Predictor]:
    """Return a model by id, alias, name or name@version, and what answers for it.

    Raises:
        NotFound: nothing is called so.
        Unavailable: its artifact is gone, or is not what was published.
    """
    with database.read() as s:
        model = models.served(s, ref)
    return model, predictors.get(model.artifact_path, model.artifact_sha256)
