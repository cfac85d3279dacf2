"""One attempt at a claimed tune: every candidate on every resample, in cohorts, then the best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from service import calibrations
from service.carrying import Carrying
from service.domain.cost import Calibration
from service.domain.errors import AllFailed, from_stored
from service.domain.history import EpochRecord
from service.domain.jobs import Progress
from service.domain.plan import Plan
from service.domain.tune.fit_warnings import told_once
from service.domain.tune.leading import Leading
from service.domain.tune.results import TrialResult, grouped_reasons
from service.engine.task import CohortTask, FitOutcome
from service.executors.port import Executor
from service.executors.spread import spread
from service.publishing import publish
from service.settings import Settings
from service.sources import Sources
from service.store import claims, trials
from service.store.database import Database
from service.tuning.choosing import chosen
from service.tuning.durable import Durable
from service.tuning.tune_fits import TuneFit, TuneFits


class TuneAttempt:
    """Has the fits of one claimed tune trained; what ended before is not trained again."""

    def __init__(self, database: Database, settings: Settings, carrying: Carrying) -> None:
        self._database = database
        self._settings = settings
        self._carrying = carrying

    def run(self, executors: Sequence[Executor]) -> None:
        """Run the job on one executor or several.

        Afterwards it has ended, is queued again, or belongs to somebody else.
        """
        self._carrying.carry(lambda: self._train(executors))

    def _train(self, executors: Sequence[Executor]) -> None:
        carrying, job = self._carrying, self._carrying.job
        carrying.environment = executors[0].start(carrying.should_stop)
        self._sources = Sources(self._database, self._settings, job.id)
        self._fits = TuneFits.of(job.spec, self._sources)
        with self._database.read() as session:
            results = trials.of_job(session, job.id)
        self._results = {(each.trial, each.fold): each for each in results}
        self._epochs_before = sum(each.epochs_run for each in results)
        self._epochs_here = 0
        self._began = time.monotonic()
        self._durable = Durable(results, carrying.told_epochs)
        self._leading = Leading(self._fits.resolved.metrics[0])
        self._leading.add(results, self._fits.candidates)
        self._keep(self._fits.refused)
        plan = self._planned(executors)
        self._plan = plan.model_dump(mode="json")
        carrying.write(claims.record_plan, self._plan, plan.bit_exact)
        ended = self._train_cohorts(plan, executors)
        results = list(self._results.values())
        if ended or carrying.is_cancelled:
            carrying.write(claims.log, told_once(results), once=True)
        if not ended:
            carrying.hand_back()
            return
        if not any(each.is_judged for each in results):
            carrying.fail(AllFailed(grouped_reasons(results)))
            return
        self._finalize(executors[0])

    def _planned(self, executors: Sequence[Executor]) -> Plan:
        """Return the plan that an earlier attempt recorded, or a new one."""
        if self._carrying.job.plan is not None:
            return Plan.model_validate(self._carrying.job.plan)
        return self._fits.plan(
            slots=len(executors),
            backend=self._settings.backend,
            calibration=self._calibration(executors[0]),
        )

    def _calibration(self, executor: Executor) -> Calibration:
        """Return what training costs here; measured first where nobody has: see `self_check`.

        Without it, no bits could be promised to candidates that train together.
        """
        environment = self._carrying.environment
        assert environment is not None, "_train() sets it"
        known = calibrations.read(self._settings.data_dir, environment)
        if known is None:
            known = executor.measure(self._carrying.should_stop)
            calibrations.keep(self._settings.data_dir, known)
        return known

    def _train_cohorts(self, plan: Plan, executors: Sequence[Executor]) -> bool:
        """Train what has no result yet; return False when it was stopped before its end."""
        waiting = [
            (number, [self._fits.trained[place] for place in cohort.fits])
            for number, cohort in enumerate(plan.cohorts)
        ]
        left = [
            (number, [each for each in own if each.key not in self._results])
            for number, own in waiting
        ]
        self._cohorts = [(number, own) for number, own in left if own]
        count = sum(len(own) for _, own in self._cohorts)
        line = (
            f"trains {count} fits in {len(self._cohorts)} cohorts; {len(self._results)} had ended"
        )
        self._carrying.write(claims.log, [line])
        tasks = [
            CohortTask(
                fits=tuple(each.task for each in own),
                checkpoints=self._carrying.checkpoints / f"{number:04d}",
            )
            for number, own in self._cohorts
        ]
        outcomes = spread(
            tasks,
            executors,
            self._record,
            self._carrying.should_stop,
            self._checkpointed,
            self._ended,
        )
        return not any(each.ending == "cancelled" for own in outcomes for each in own)

    def _record(self, records: tuple[EpochRecord, ...]) -> None:
        self._epochs_here += len(records)
        self._carrying.write(claims.record_epochs, records, self._progress())

    def _checkpointed(self, cohort: int, epoch: int) -> None:
        """Tell of progress: how many epochs of all fits are durable."""
        environment = self._carrying.environment
        assert environment is not None, "_train() sets it"
        kept = self._durable.kept((each.key for each in self._cohorts[cohort][1]), epoch)
        self._carrying.write(claims.checkpointed, kept, environment.fingerprint)

    def _ended(self, cohort: int, fit: int, outcome: FitOutcome) -> None:
        if outcome.ending == "cancelled":
            return
        own = self._cohorts[cohort][1][fit]
        if not outcome.bit_exact:
            self._carrying.write(claims.record_plan, self._plan, False)
        self._keep([result_of(own, outcome)])

    def _keep(self, results: Sequence[TrialResult]) -> None:
        new = [each for each in results if (each.trial, each.fold) not in self._results]
        self._results |= {(each.trial, each.fold): each for each in new}
        if new:
            candidates = self._fits.candidates
            self._durable.ended(new)
            self._leading.add(new, candidates)
            names = {each.trial: candidates[each.trial].as_named() for each in new}
            self._carrying.write(trials.record, new, self._progress(), self._leading.row(), names)

    def _progress(self) -> Progress:
        here, spent = self._epochs_here, time.monotonic() - self._began
        return self._fits.progress(
            self._results, self._epochs_before + here, spent / here if here else None
        )

    def _finalize(self, executor: Executor) -> None:
        """Publish the chosen candidate where that was asked for, and end the job."""
        carrying = self._carrying
        environment = carrying.environment
        assert environment is not None, "_train() sets it"
        task = chosen(self._fits, list(self._results.values()))
        if task is None:
            carrying.write(trials.finish, environment)
            carrying.forget_checkpoints()
            return
        final = replace(
            task,
            staging=carrying.staging,
            evaluations=tuple(self._sources[each.dataset] for each in task.spec.evaluate),
        )
        cohort = CohortTask(fits=(final,), checkpoints=carrying.checkpoints / "final")
        (outcome,) = executor.run(cohort, self._record, carrying.should_stop)
        carrying.write(claims.log, [f"the last fit: {line}" for line in outcome.log])
        if outcome.ending == "cancelled":
            carrying.hand_back()
        elif outcome.fitted is None:
            carrying.fail(AllFailed(f"The chosen candidate {outcome.ending} when fitted again."))
        else:
            publish(
                carrying,
                self._settings,
                outcome.fitted,
                spec=task.spec,
                stopped_epoch=outcome.stopped_epoch,
            )


def result_of(fit: TuneFit, outcome: FitOutcome) -> TrialResult:
    """Return what a fit of a tune leaves in the store."""
    assessed, note = outcome.assessed, None
    if outcome.error is not None:
        note = from_stored(dict(outcome.error)).detail
    elif outcome.ending == "diverged":
        note = f"The loss was not finite in epoch {outcome.epochs_run}."
    elif assessed is not None:
        note = assessed.note
    return TrialResult(
        trial=fit.trial,
        fold=fit.fold,
        ending=outcome.ending,
        scores=dict(assessed.scores) if assessed is not None else {},
        weights_sha256=assessed.weights_sha256 if assessed is not None else None,
        n_parameters=assessed.n_parameters if assessed is not None else None,
        n_predictors=assessed.n_predictors if assessed is not None else None,
        epochs_run=outcome.epochs_run,
        stopped_epoch=outcome.stopped_epoch,
        best_epoch=outcome.best_epoch,
        note=note,
        warnings=outcome.warnings,
    )
