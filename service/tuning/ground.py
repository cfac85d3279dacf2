"""What all fits of a tune stand on: tables and resamples; and the fits that stand on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.domain.resolve import Resolved
from service.domain.tune.resolving import Contender
from service.domain.tune.results import TrialResult
from service.engine.resamples import Resample, doubts_of
from service.engine.task import FitTask, Fold, Source

Key = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class TuneFit:
    """One candidate on one resample."""

    trial: int
    fold: int
    found: Resolved
    task: FitTask

    @property
    def key(self) -> Key:
        """Its trial and its fold, both 1-based."""
        return self.trial, self.fold


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all fits of a tune stand on: the tables, and the rows of each resample.

    `codes` are the outcome's classes by row, `levels` their names; nothing in regression.
    """

    training: Source
    validation: Source | None
    na: tuple[str, ...]
    drawn: tuple[Resample, ...]
    folds: tuple[Fold, ...]
    codes: NDArray[np.int32] | None
    levels: Sequence[str]

    def fits(
        self, contenders: Iterable[Contender]
    ) -> tuple[tuple[TuneFit, ...], tuple[TrialResult, ...]]:
        """Return the fits to train, by trial and fold, and what is refused before."""
        trained: list[TuneFit] = []
        refused: list[TrialResult] = []
        for contender in contenders:
            found, trial = contender.found, contender.candidate.trial
            if found is None:
                refused.append(_refused(trial, 1, contender.note))
                continue
            for fold, drawn in zip(self.folds, self.drawn, strict=True):
                doubts = doubts_of(
                    drawn,
                    batch_size=found.spec.engine.batch_size,
                    validation_split=found.spec.engine.validation_split,
                    codes=self.codes,
                    levels=self.levels,
                )
                stops = next((each.message for each in doubts if each.stops), None)
                if stops is not None:
                    refused.append(_refused(trial, fold.number, stops))
                    continue
                task = FitTask(
                    spec=found.spec,
                    training=self.training,
                    validation=self.validation,
                    evaluations=(),
                    staging=None,
                    fold=fold,
                    trial=trial,
                    na=self.na,
                )
                trained.append(TuneFit(trial=trial, fold=fold.number, found=found, task=task))
        return tuple(trained), tuple(refused)


def _refused(trial: int, fold: int, note: str | None) -> TrialResult:
    return TrialResult(trial=trial, fold=fold, ending="failed", note=note)
