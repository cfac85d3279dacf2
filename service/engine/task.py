"""What goes to the process that trains and what comes back: plain frozen values.

This file imports nothing that trains, so that a worker can hold them without Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import DEFAULT_NA, Dataset
from service.domain.evaluations import Evaluation
from service.domain.fit import FitSpec

Ending = Literal[
    "completed", "early_stopping", "diverged", "cancelled", "max_seconds", "paused", "failed"
]
Positions = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A stored table: its canonical file and its profile."""

    path: Path
    dataset: Dataset


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """A resample of the training table: what a fit learns from, and what it is assessed on.

    Both are 0-based positions, (rows,), in the order in which the rows stand in the fit's tables;
    a row may occur several times. `metrics` are what the assessment rows are scored by.
    """

    number: int
    analysis: Positions
    assessment: Positions
    metrics: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FitTask:
    """One fit to do. `spec` is resolved; `evaluations` follow `spec.evaluate`, one source each.

    `staging` is an empty folder that the fit fills with its artifact; without one it leaves none,
    as a candidate of a tune does. `fold` are the rows that it sees, default all; `trial` and the
    fold's number are the fit's in the records of its epochs. `na` are the words that the training
    data's reader took for missing.
    """

    spec: FitSpec
    training: Source
    validation: Source | None
    evaluations: tuple[Source, ...]
    staging: Path | None
    fold: Fold | None = None
    trial: int = 1
    na: tuple[str, ...] = DEFAULT_NA

    @property
    def fold_number(self) -> int:
        """The fold's number in the records of the epochs, from 1."""
        return self.fold.number if self.fold is not None else 1


@dataclass(frozen=True, kw_only=True)
class CohortTask:
    """Fits that train together: of one cohort of a plan (service.domain.plan), or one alone.

    `checkpoints` is where they keep what an interruption must not cost, and look for it; None
    keeps nothing. `until` is the epoch after which fits that have not ended are paused, None for
    no pause: they are assessed as they then stand, and leave a checkpoint from which any of them
    go on to the bits that they have without a pause.

    `idle` are the 0-based places of fits that train no more and are told nothing of. They keep
    their place in the compiled program as long as another one would cost more than it saves.
    """

    fits: tuple[FitTask, ...]
    checkpoints: Path | None = None
    until: int | None = None
    idle: frozenset[int] = frozenset()

    @property
    def training(self) -> tuple[int, ...]:
        """The places of the fits that are not idle."""
        return tuple(place for place in range(len(self.fits)) if place not in self.idle)


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
class Assessed:
    """How a candidate does on its fold's assessment rows.

    `scores` are None where a metric is undefined there; then `note` says which and why.
    """

    scores: Mapping[str, float | None]
    note: str | None = None
    weights_sha256: str
    n_parameters: int
    n_predictors: int


@dataclass(frozen=True, kw_only=True)
class FitOutcome:
    """How a fit ended. When it diverged or was cancelled, `fitted` and `assessed` are None.

    `fitted` tells of the artifact of a fit that has a `staging`, `assessed` of one that has a fold.
    One that is paused has no artifact yet; its `epochs_run` are those of its checkpoint, which may
    be more than `until`.
    `error` is why a fit without `staging` could not be trained, as a job keeps it; others raise.
    `bit_exact` is False when it went on from another environment's checkpoint: the same spec would
    not train the same bits again. `log` is what there is to tell of this fit; `warnings` are those
    lines of it that tell of the recipe or the environment, which many fits may have in common.
    """

    ending: Ending
    epochs_run: int
    stopped_epoch: int | None
    best_epoch: int | None
    fitted: FittedNetwork | None
    assessed: Assessed | None = None
    error: Mapping[str, Any] | None = None
    bit_exact: bool
    log: tuple[str, ...]
    warnings: tuple[str, ...] = ()
