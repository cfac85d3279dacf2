"""The fits of a tune: every candidate that can be fitted, on every resample that allows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from service.domain.cost import Calibration
from service.domain.jobs import Progress
from service.domain.plan import Plan, plan
from service.domain.planned_fit import PlannedFit, planned
from service.domain.resolve import Resolved
from service.domain.spec_checks import training_rows
from service.domain.tune.candidates import Candidate
from service.domain.tune.resolving import Contender, ResolvedTune, resolve_tune
from service.domain.tune.results import TrialResult
from service.domain.tune.spec import TuneSpec
from service.engine.resamples import Resample, doubts_of, resample_table
from service.engine.tables.table import Table
from service.engine.task import FitTask, Fold
from service.sources import Sources

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
class TuneFits:
    """A tune's fits: those to train, in the order of trial and fold, and those refused before."""

    resolved: ResolvedTune
    folds: tuple[Resample, ...]
    trained: tuple[TuneFit, ...]
    refused: tuple[TrialResult, ...]

    @property
    def spec(self) -> TuneSpec:
        """The tune as it is run."""
        return self.resolved.spec

    @cached_property
    def candidates(self) -> Mapping[int, Candidate]:
        """Every candidate by its trial."""
        return {each.candidate.trial: each.candidate for each in self.resolved.contenders}

    @property
    def n_trials(self) -> int:
        """How many candidates there are, those that cannot be fitted included."""
        return len(self.resolved.contenders)

    @classmethod
    def of(cls, spec: Mapping[str, Any], sources: Sources) -> TuneFits:
        """Return the fits of a stored tune: its resamples are drawn, its candidates listed.

        Raises:
            InvalidSpec, MissingValues: what only the rows decide about the resamples.
        """
        tune = TuneSpec.model_validate(spec)
        fit = tune.fit
        training, na = sources[str(fit["dataset"])], sources.na(str(fit["dataset"]))
        engine = fit.get("engine")
        named = engine.get("validation_dataset") if isinstance(engine, dict) else None
        validation = sources.get(None if named is None else str(named))
        resolved = resolve_tune(
            tune,
            training.dataset,
            validation.dataset if validation is not None else None,
            {each.dataset: sources[each.dataset].dataset for each in tune.evaluate},
            draw=_not_drawn,
        )
        folds = tuple(resample_table(tune.resamples, Table.open(training.path)))
        shared = [
            Fold(
                number=number,
                analysis=each.analysis,
                assessment=each.assessment,
                metrics=resolved.metrics,
            )
            for number, each in enumerate(folds, 1)
        ]
        codes, levels = _classes(resolved, training.path)
        trained: list[TuneFit] = []
        refused = [
            TrialResult(trial=each.candidate.trial, fold=1, ending="failed", note=each.note)
            for each in resolved.contenders
            if each.found is None
        ]
        for contender in resolved.able:
            found = contender.found
            assert found is not None, "`able` have one"
            for fold, drawn in zip(shared, folds, strict=True):
                trial = contender.candidate.trial
                doubts = doubts_of(
                    drawn,
                    batch_size=found.spec.engine.batch_size,
                    validation_split=found.spec.engine.validation_split,
                    codes=codes,
                    levels=levels,
                )
                stops = next((each.message for each in doubts if each.stops), None)
                if stops is not None:
                    refused.append(
                        TrialResult(trial=trial, fold=fold.number, ending="failed", note=stops)
                    )
                    continue
                task = FitTask(
                    spec=found.spec,
                    training=training,
                    validation=validation,
                    evaluations=(),
                    staging=None,
                    fold=fold,
                    trial=trial,
                    na=na,
                )
                trained.append(TuneFit(trial=trial, fold=fold.number, found=found, task=task))
        return cls(resolved=resolved, folds=folds, trained=tuple(trained), refused=tuple(refused))

    def plan(self, *, slots: int, backend: str, calibration: Calibration | None) -> Plan:
        """Return cohorts of `trained`'s places."""
        return plan(
            [_planned(each) for each in self.trained],
            slots=slots,
            backend=backend,
            calibration=calibration,
        )

    def progress(
        self, results: Mapping[Key, TrialResult], done: int, epoch_seconds: float | None
    ) -> Progress:
        """Return how far the tune is.

        Args:
            results: what has ended.
            done: epochs of all fits that were trained.
            epoch_seconds: what one of them took, None before the first.
        """
        epochs = sum(each.task.spec.model.epochs for each in self.trained)
        spared = sum(
            each.task.spec.model.epochs - results[each.key].epochs_run
            for each in self.trained
            if each.key in results
        )
        left = max(epochs - spared - done, 0)
        return Progress(
            epoch=min(done, epochs),
            epochs=epochs,
            trials_done=self._whole(results),
            trials=self.n_trials,
            eta_seconds=None if epoch_seconds is None else round(epoch_seconds * left, 1),
        )

    def _whole(self, results: Mapping[Key, TrialResult]) -> int:
        """Return of how many candidates every fit has ended."""
        open_trials = {each.trial for each in self.trained if each.key not in results}
        return self.n_trials - len(open_trials)


def _planned(fit: TuneFit) -> PlannedFit:
    spec, fold = fit.task.spec, fit.task.fold
    assert fold is not None, "a fit of a tune has one"
    recipe = hashlib.sha256(repr([step.model_dump() for step in spec.recipe]).encode()).hexdigest()
    n_rows = training_rows(len(fold.analysis), spec.engine.validation_split)
    held_out = len(fold.analysis) - n_rows
    validation = fit.task.validation
    return planned(
        spec,
        rows=f"{fit.task.training.dataset.sha256} {fold.number} {recipe} "
        f"{spec.engine.validation_split}",
        n_rows=n_rows,
        n_validation=held_out if validation is None else validation.dataset.n_rows,
        predictors=len(fit.found.predictors),
        outputs=fit.found.outputs,
    )


def _classes(resolved: ResolvedTune, path: Path) -> tuple[NDArray[np.int32] | None, Sequence[str]]:
    """Return the outcome's classes by row and their names; nothing in regression."""
    if resolved.mode != "classification":
        return None, ()
    outcome = _first(resolved.able).spec.outcomes[0]
    table = Table.open(path)
    return table.codes(outcome), table.category_levels(outcome)


def _first(able: Iterable[Contender]) -> Resolved:
    found = next(iter(able)).found
    assert found is not None, "`able` have one"
    return found


def _not_drawn() -> NoReturn:
    raise AssertionError("every seed of a stored tune was filled in when it was submitted")
