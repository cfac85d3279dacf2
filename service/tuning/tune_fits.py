"""The fits of a tune: every candidate that can be fitted, on every resample that allows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from service.domain.tune.halving import expected_epochs, rungs
from service.domain.tune.proposals import Proposal
from service.domain.tune.resolving import Contender, ResolvedTune, resolve_tune, with_proposals
from service.domain.tune.results import TrialResult
from service.domain.tune.spec import TuneSpec
from service.engine.resamples import Resample, resample_table
from service.engine.tables.table import Table
from service.engine.task import Fold
from service.sources import Sources
from service.tuning.ground import Ground, Key, TuneFit


@dataclass(frozen=True, kw_only=True)
class TuneFits:
    """A tune's fits: those to train, in the order of trial and fold, and those refused before."""

    resolved: ResolvedTune
    trained: tuple[TuneFit, ...]
    refused: tuple[TrialResult, ...]
    ground: Ground

    @property
    def spec(self) -> TuneSpec:
        """The tune as it is run."""
        return self.resolved.spec

    @cached_property
    def candidates(self) -> Mapping[int, Candidate]:
        """Every candidate by its trial."""
        return {each.candidate.trial: each.candidate for each in self.resolved.contenders}

    @property
    def folds(self) -> tuple[Resample, ...]:
        """The resamples."""
        return self.ground.drawn

    @property
    def n_trials(self) -> int:
        """How many candidates are known, those that cannot be fitted included."""
        return len(self.resolved.contenders)

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which a race judges, ascending; none without a race."""
        race = self.spec.race
        longest = max((each.task.spec.model.epochs for each in self.trained), default=0)
        return () if race is None else rungs(race.min_epochs, longest, race.factor)

    @property
    def factor(self) -> int:
        """At each rung the best `1 / factor` go on; 1 without a race."""
        return self.spec.race.factor if self.spec.race is not None else 1

    @classmethod
    def of(
        cls, spec: Mapping[str, Any], sources: Sources, proposals: Sequence[Proposal] = ()
    ) -> TuneFits:
        """Return the fits of a stored tune: its resamples are drawn, its candidates listed.

        Args:
            spec: the tune.
            sources: the datasets that it names.
            proposals: what its search has proposed so far.

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
        drawn = tuple(resample_table(tune.resamples, Table.open(training.path)))
        folds = tuple(
            Fold(
                number=number,
                analysis=each.analysis,
                assessment=each.assessment,
                metrics=resolved.metrics,
            )
            for number, each in enumerate(drawn, 1)
        )
        codes, levels = _classes(resolved, training.path)
        ground = Ground(
            training=training,
            validation=validation,
            na=na,
            drawn=drawn,
            folds=folds,
            codes=codes,
            levels=levels,
        )
        trained, refused = ground.fits(resolved.contenders)
        found = cls(resolved=resolved, trained=trained, refused=refused, ground=ground)
        return found.with_proposals(proposals)

    def with_proposals(self, proposals: Sequence[Proposal]) -> TuneFits:
        """Return these fits and, behind them, those of candidates that were proposed next."""
        if not proposals:
            return self
        validation = self.ground.validation
        resolved = with_proposals(
            self.resolved,
            proposals,
            self.ground.training.dataset,
            validation.dataset if validation is not None else None,
        )
        trained, refused = self.ground.fits(resolved.contenders[self.n_trials :])
        return replace(
            self,
            resolved=resolved,
            trained=(*self.trained, *trained),
            refused=(*self.refused, *refused),
        )

    def plan(
        self,
        *,
        slots: int,
        backend: str,
        calibration: Calibration | None,
        earlier: Plan | None = None,
    ) -> Plan:
        """Return cohorts of `trained`'s places, behind those of an `earlier` plan of the first."""
        begin = 0 if earlier is None else earlier.n_fits
        made = plan(
            [_planned(each) for each in self.trained[begin:]],
            slots=slots,
            backend=backend,
            calibration=calibration,
        )
        return made if earlier is None else earlier.followed_by(made)

    def progress(
        self,
        results: Mapping[Key, TrialResult],
        reached: Mapping[Key, int],
        epoch_seconds: float | None,
    ) -> Progress:
        """Return how far the tune is.

        `epochs` are those asked for, but for what a race spared; `eta_seconds` also foresees what
        it will spare.

        Args:
            results: what has ended.
            reached: the epochs of the fits that train, those that were told.
            epoch_seconds: what one of them took, None before the first.
        """
        unknown = self.resolved.unknown_epochs * len(self.folds)
        epochs, done, left = unknown, 0, float(unknown)
        for each in self.trained:
            result, asked = results.get(each.key), each.task.spec.model.epochs
            at = reached.get(each.key, 0) if result is None else result.epochs_run
            done += at
            epochs += asked if result is None or result.pruned_at is None else at
            if result is None:
                left += expected_epochs(at, asked, self.rungs, self.factor)
        return Progress(
            epoch=done,
            epochs=epochs,
            trials_done=self._whole(results),
            trials=self.resolved.trials,
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
