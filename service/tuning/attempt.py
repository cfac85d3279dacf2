"""One attempt at a claimed tune: every candidate on every resample, in cohorts, then the best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from service import calibrations
from service.carrying import Carrying
from service.domain.cost import Calibration
from service.domain.errors import AllFailed, CancelRequested, from_stored
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
from service.store import claims, proposals, trials
from service.store.database import Database
from service.tuning.choosing import chosen
from service.tuning.durable import Durable
from service.tuning.ground import Key, TuneFit
from service.tuning.proposing import sampler_name
from service.tuning.racing import race
from service.tuning.searching import next_round
from service.tuning.tune_fits import TuneFits


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
        with self._database.read() as session:
            results = trials.of_job(session, job.id)
            proposed = proposals.of_job(session, job.id)
        self._fits = TuneFits.of(job.spec, self._sources, proposed)
        self._results = {(each.trial, each.fold): each for each in results}
        self._reached: dict[Key, int] = {}
        self._epochs_here = 0
        self._began = time.monotonic()
        self._durable = Durable(results, carrying.told_epochs)
        self._leading = Leading(self._fits.resolved.metrics[0])
        self._leading.add(results, self._fits.candidates)
        try:
            ended = self._train_rounds(executors)
        except CancelRequested:
            self._tell_warnings()
            raise
        if ended or carrying.is_cancelled:
            self._tell_warnings()
        if not ended:
            carrying.hand_back()
            return
        results = [each for each in self._results.values() if each.pruned_at is None]
        if not any(each.is_judged for each in results):
            carrying.fail(AllFailed(grouped_reasons(results)))
            return
        self._finalize(executors[0])

    def _train_rounds(self, executors: Sequence[Executor]) -> bool:
        """Train all candidates, those of a search round by round; return False when stopped.

        What was proposed is kept before it trains: whoever goes on later trains the same.
        """
        carrying, recorded = self._carrying, self._carrying.job.plan
        plan = None if recorded is None else Plan.model_validate(recorded)
        while True:
            self._keep(self._fits.refused)
            plan = self._planned(executors, plan)
            self._plan = plan.model_dump(mode="json")
            carrying.write(claims.record_plan, self._plan, plan.bit_exact)
            train = partial(self._train_cohorts, plan, executors)
            if not race(self._fits, lambda: self._results, train, self._keep_stopped):
                return False
            results = list(self._results.values())
            found = next_round(self._fits.resolved, results, carrying.should_stop)
            if not found:
                return found is not None
            carrying.write(proposals.keep, found)
            line = f"{sampler_name()} proposes trials {found[0].trial} to {found[-1].trial}"
            carrying.write(claims.log, [line])
            self._fits = self._fits.with_proposals(found)

    def _planned(self, executors: Sequence[Executor], earlier: Plan | None) -> Plan:
        """Return the plan of all fits that are known; those that were planned earlier stay."""
        if earlier is not None and earlier.n_fits == len(self._fits.trained):
            return earlier
        return self._fits.plan(
            # What trains together may decide the bits, where none are promised.
            slots=len(executors) if earlier is None else earlier.slots,
            backend=self._settings.backend,
            calibration=self._calibration(executors[0]),
            earlier=earlier,
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

    def _train_cohorts(
        self, plan: Plan, executors: Sequence[Executor], until: int | None
    ) -> list[TrialResult] | None:
        """Train what has no result yet, to an epoch or to its end.

        Returns the results of what is paused, as it stands; None when it was stopped.
        """
        cohorts = [
            (number, [self._fits.trained[place] for place in cohort.fits])
            for number, cohort in enumerate(plan.cohorts)
        ]
        # What a race stopped keeps its place: the program that is compiled has one for it.
        self._cohorts = [
            (number, [each for each in own if self._fits.rungs or each.key not in self._results])
            for number, own in cohorts
            if any(each.key not in self._results for each in own)
        ]
        tasks = [
            CohortTask(
                fits=tuple(each.task for each in own),
                checkpoints=self._carrying.checkpoints / f"{number:04d}",
                until=until,
                idle=frozenset(at for at, each in enumerate(own) if each.key in self._results),
            )
            for number, own in self._cohorts
        ]
        line = (
            f"trains {sum(len(each.training) for each in tasks)} fits in {len(tasks)} cohorts"
            + ("" if until is None else f" to epoch {until}")
            + f"; {len(self._results)} had ended"
        )
        self._carrying.write(claims.log, [line])
        outcomes = spread(
            tasks,
            executors,
            self._record,
            self._carrying.should_stop,
            self._checkpointed,
            self._ended,
        )
        ended = [
            result_of(own[at], outcome)
            for (_, own), task, told in zip(self._cohorts, tasks, outcomes, strict=True)
            for at, outcome in zip(task.training, told, strict=True)
        ]
        if any(each.ending == "cancelled" for each in ended):
            return None
        return [each for each in ended if each.ending == "paused"]

    def _record(self, records: tuple[EpochRecord, ...]) -> None:
        # A cohort that goes on after a rung tells again what it told before.
        new = [each for each in records if each.epoch > self._reached.get(key_of(each), 0)]
        self._reached |= {key_of(each): each.epoch for each in new}
        self._epochs_here += len(new)
        if new:
            self._carrying.write(claims.record_epochs, new, self._progress())

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
        if outcome.ending != "paused":
            self._keep([result_of(own, outcome)])

    def _keep_stopped(self, stopped: Sequence[TrialResult], line: str) -> None:
        self._keep(stopped)
        self._carrying.write(claims.log, [line])

    def _keep(self, results: Sequence[TrialResult]) -> None:
        new = [each for each in results if (each.trial, each.fold) not in self._results]
        self._results |= {(each.trial, each.fold): each for each in new}
        candidates = self._fits.candidates
        self._durable.ended(new)
        self._leading.add(new, candidates)
        names = {each.trial: candidates[each.trial].as_named() for each in new}
        self._carrying.write(trials.record, new, self._progress(), self._leading.row(), names)

    def _tell_warnings(self) -> None:
        self._carrying.write(claims.log, told_once(self._results.values()), once=True)

    def _progress(self) -> Progress:
        here, spent = self._epochs_here, time.monotonic() - self._began
        return self._fits.progress(self._results, self._reached, spent / here if here else None)

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


def key_of(record: EpochRecord) -> Key:
    """Return whose epoch it is."""
    return record.trial, record.fold


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
