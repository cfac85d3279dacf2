"""One attempt at a claimed fit or replay: have it run, record what it tells, finish the job."""

from __future__ import annotations

from service import calibrations
from service.carrying import Carrying
from service.domain.errors import Diverged
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Environment, Progress
from service.domain.plan import Plan
from service.domain.replay import report
from service.domain.resolve import resolve
from service.engine.resamples.testing import kept_apart
from service.engine.tables.table import Table
from service.engine.task import CohortTask, FitOutcome, FitTask, FittedNetwork
from service.executors.port import Executor
from service.planning import plan_of
from service.publishing import publish
from service.settings import Settings
from service.sources import Sources
from service.store import claims, replays
from service.store.database import Database


class Attempt:
    """Has one claimed fit trained; what comes of it is written through its `Carrying`."""

    def __init__(self, database: Database, settings: Settings, carrying: Carrying) -> None:
        self._database = database
        self._settings = settings
        self._carrying = carrying
        self._job = carrying.job
        self._replays = carrying.job.kind == "replay"

    def run(self, executor: Executor) -> None:
        """Run the job; afterwards it has ended, is queued again, or belongs to somebody else."""
        self._carrying.carry(lambda: self._train(executor))

    def _train(self, executor: Executor) -> None:
        carrying = self._carrying
        self._spec = FitSpec.model_validate(self._job.spec)
        if self._replays:
            # Only what decides the weights is done again.
            self._spec = self._spec.model_copy(update={"evaluate": []})
        carrying.environment = executor.start(carrying.should_stop)
        task = self._task()
        self._plan = self._planned(task)
        self._promise(bit_exact=self._plan.bit_exact)
        # A replay proves something only when it trains every epoch itself.
        kept = None if self._replays else carrying.checkpoints
        cohort = CohortTask(fits=(task,), checkpoints=kept)
        (outcome,) = executor.run(cohort, self._record, carrying.should_stop, self._kept)
        self._finish(outcome)

    def _task(self) -> FitTask:
        spec = self._spec
        sources = Sources(self._database, self._settings, self._job.id)
        training, split = sources[spec.dataset], spec.split
        return FitTask(
            spec=spec,
            training=training,
            fold=None if split is None else kept_apart(split, Table.open(training.path)),
            validation=sources.get(spec.engine.validation_dataset),
            evaluations=tuple(sources[each.dataset] for each in spec.evaluate),
            staging=self._carrying.staging,
            na=sources.na(spec.dataset),
        )

    def _planned(self, task: FitTask) -> Plan:
        both = zip(self._spec.evaluate, task.evaluations, strict=True)
        names = {each.dataset: source.dataset for each, source in both}
        found = resolve(
            self._spec,
            task.training.dataset,
            task.validation.dataset if task.validation is not None else None,
            names,
        )
        calibration = calibrations.read(self._settings.data_dir, self._known_environment())
        return plan_of(found, self._settings.backend, calibration)

    def _promise(self, *, bit_exact: bool) -> None:
        plan = self._plan.model_dump(mode="json")
        self._carrying.write(claims.record_plan, plan, bit_exact)

    def _record(self, records: tuple[EpochRecord, ...]) -> None:
        epochs = self._spec.model.epochs
        last = records[-1]
        progress = Progress(
            epoch=last.epoch,
            epochs=epochs,
            eta_seconds=round(last.seconds * (epochs - last.epoch), 1),
        )
        self._carrying.write(claims.record_epochs, records, progress)

    def _kept(self, epoch: int) -> None:
        self._carrying.write(claims.checkpointed, epoch, self._known_environment().fingerprint)

    def _known_environment(self) -> Environment:
        environment = self._carrying.environment
        assert environment is not None, "the executor tells it before the fit"
        return environment

    def _finish(self, outcome: FitOutcome) -> None:
        if not outcome.bit_exact:
            self._promise(bit_exact=False)
        if outcome.log:
            self._carrying.write(claims.log, outcome.log)
        if outcome.ending == "cancelled":
            self._carrying.hand_back()
        elif outcome.ending == "diverged" or outcome.fitted is None:
            self._carrying.fail(
                Diverged(
                    f"The loss was not finite in epoch {outcome.epochs_run}. Lower "
                    "model.learn_rate, scale the predictors in the recipe, or set "
                    "engine.terminate_on_nan to false."
                )
            )
        elif self._replays:
            self._compare(outcome.fitted)
        else:
            publish(
                self._carrying,
                self._settings,
                outcome.fitted,
                spec=self._spec,
                stopped_epoch=outcome.stopped_epoch,
            )

    def _compare(self, fitted: FittedNetwork) -> None:
        """End a replay with what it found."""
        asked, environment = self._job.replay, self._known_environment()
        assert asked is not None, "a job of kind replay has one"
        with self._database.read() as session:
            then = replays.original(session, self._job.id)
        found = report(asked, then, fitted.weights_sha256, environment)
        self._carrying.write(claims.finish_replay, found, environment)
