"""A small tune for tests of the API, and what a worker would write of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.domain.jobs import Claim, Progress
from service.domain.tune.leading import Leading
from service.domain.tune.proposals import known_candidates
from service.domain.tune.results import TrialResult
from service.domain.tune.spec import TuneSpec
from service.store import proposals, trials
from service.store.database import Database
from tests.api.numpy_trainer import ENVIRONMENT

OPEN = {"tune": True}
# Four candidates: hidden_units varies slowest.
GRID = {"kind": "expand", "values": {"hidden_units": [2, 4], "penalty": [0.0, 0.1]}}


def tune(table: str, **changes: Any) -> dict[str, Any]:
    """Return the body of a tune of a table; `changes` replace its parts."""
    return {
        "kind": "tune",
        "name": "grid",
        "fit": {
            "dataset": table,
            "outcome": "y",
            "recipe": [{"step": "zv"}, {"step": "remove", "columns": "t"}, {"step": "normalize"}],
            "model": {"hidden_units": OPEN, "penalty": OPEN, "epochs": 3, "seeds": [1, 2, 3]},
            "engine": {"batch_size": 8},
        },
        "grid": GRID,
        "resamples": {"kind": "vfold", "v": 3, "seed": 5},
        "metrics": ["accuracy", "roc_auc"],
        **changes,
    }


def result(trial: int, fold: int, accuracy: float | None, **fields: Any) -> TrialResult:
    """Return what came of a fit; without an accuracy it diverged."""
    given: dict[str, Any] = {"ending": "completed", "epochs_run": 3}
    if accuracy is None:
        given |= {"ending": "diverged", "note": "The loss was not finite in epoch 2."}
    else:
        given["scores"] = {"accuracy": accuracy, "roc_auc": 1 - accuracy}
    return TrialResult.model_validate({"trial": trial, "fold": fold, **given, **fields})


def results(by_trial: Mapping[int, Iterable[float | None]], **fields: Any) -> list[TrialResult]:
    """Return the results of candidates, one for each of their folds."""
    return [
        result(trial, fold, accuracy, **fields)
        for trial, own in by_trial.items()
        for fold, accuracy in enumerate(own, 1)
    ]


def record(database: Database, claim: Claim, found: list[TrialResult]) -> None:
    """Record results, as a worker does when fits end."""
    told = Progress(
        epoch=3 * len(found), epochs=36, trials_done=len({each.trial for each in found}), trials=4
    )
    spec = TuneSpec.model_validate(claim.job.spec)
    with database.write() as s:
        known = known_candidates(spec, proposals.of_job(s, claim.job.id))
        by_trial = {each.trial: each for each in known}
        leading = Leading("accuracy")
        leading.add(trials.of_job(s, claim.job.id), by_trial)
        leading.add(found, by_trial)
        names = {trial: each.as_named() for trial, each in by_trial.items()}
        trials.record(s, claim.job.id, claim.token, found, told, leading.row(), names)


def finish(database: Database, claim: Claim) -> None:
    """End a tune that publishes nothing."""
    with database.write() as s:
        trials.finish(s, claim.job.id, claim.token, ENVIRONMENT)
