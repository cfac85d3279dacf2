"""What goes to the process that trains and what comes back: plain frozen values.

This file imports nothing that trains, so that a worker can hold them without Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.domain.datasets import DEFAULT_NA, Dataset
from service.domain.evaluations import Evaluation
from service.domain.fit import FitSpec

Ending = Literal["completed", "early_stopping", "diverged", "cancelled", "max_seconds"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A stored table: its canonical file and its profile."""

    path: Path
    dataset: Dataset


@dataclass(frozen=True, kw_only=True)
class FitTask:
    """One fit to do. `spec` is resolved; `evaluations` follow `spec.evaluate`, one source each.

    `staging` is an empty folder that the fit fills with its artifact. `trial` is the fit's number
    in the records of its epochs. `na` are the words that the training data's reader took for
    missing.
    """

    spec: FitSpec
    training: Source
    validation: Source | None
    evaluations: tuple[Source, ...]
    staging: Path
    trial: int = 1
    na: tuple[str, ...] = DEFAULT_NA


@dataclass(frozen=True, kw_only=True)
class CohortTask:
    """Fits that train together: of one cohort of a plan (service.domain.plan), or one alone.

    `checkpoints` is where they keep what an interruption must not cost, and look for it; None
    keeps nothing.
    """

    fits: tuple[FitTask, ...]
    checkpoints: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """What a fit that came to its end tells of the artifact in `staging`."""

    mode: str
    outcomes: tuple[str, ...]
    levels: tuple[str, ...] | None
    predictors: tuple[str, ...]
    n_parameters: int
    weights_sha256: str
    dataset_sha256: str
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True, kw_only=True)
class FitOutcome:
    """How a fit ended. `fitted` is None when it diverged or was cancelled.

    `bit_exact` is False when it went on from another environment's checkpoint: the same spec would
    not train the same bits again.
    """

    ending: Ending
    epochs_run: int
    stopped_epoch: int | None
    best_epoch: int | None
    fitted: FittedNetwork | None
    bit_exact: bool
    log: tuple[str, ...]
