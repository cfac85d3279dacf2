"""One attempt at a claimed job: have a fit run, record what it tells, finish the job."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from typing import TypeVar

from service import calibrations
from service.domain.errors import (
    CancelRequested,
    ChildDied,
    Diverged,
    FitpointError,
    LeaseLost,
    NoSpace,
    Unavailable,
    is_disk_full,
)
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Claim, Environment, Progress
from service.domain.models import FittedModel
from service.domain.plan import Plan
from service.domain.replay import report
from service.domain.resolve import resolve
from service.engine import artifact
from service.engine.tables.storage import canonical_path
from service.engine.task import CohortTask, FitOutcome, FitTask, FittedNetwork, Source
from service.executors.port import Executor
from service.planning import plan_of
from service.settings import Settings
from service.store import claims, dataset_origins, jobs, replays, rescue
from service.store.database import Database
from service.store.sessions import WriteSession

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
_HEARTBEAT_SECONDS = 1.0
_RETRY_SECONDS = 0.5
T = TypeVar("T")


class Attempt:
    """Carries one claim to its end. Every write is fenced by the claim's token."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        claim: Claim,
        is_draining: Callable[[], bool],
    ) -> None:
        self._database = database
        self._settings = settings
        self._job = claim.job
        self._token = claim.token
        self._is_draining = is_draining
        self._spec = FitSpec.model_validate(claim.job.spec)
        self._replays = claim.job.kind == "replay"
        if self._replays:
            # Only what decides the weights is done again.
            self._spec = self._spec.model_copy(update={"evaluate": []})
        self._staging = settings.staging_dir / f"{claim.job.id}.{claim.token}"
        self._checkpoints = settings.storage_root / "checkpoints" / claim.job.id
        self._beaten_at = time.monotonic()
        self._cancel_asked = False
        self._environment: Environment | None = None

    def run(self, executor: Executor) -> None:
        """Run the job; afterwards it has ended, is queued again, or belongs to somebody else."""
        try:
            self._carry(executor)
        except LeaseLost:
            log.warning("The lease was lost; what this attempt made is dropped", extra=self._about)
        except Unavailable:
            log.exception(
                "The database did not come back; the lease will expire", extra=self._about
            )
        finally:
            shutil.rmtree(self._staging, ignore_errors=True)

    def _carry(self, executor: Executor) -> None:
        try:
            self._staging.mkdir(parents=True)
            self._environment = executor.start()
            task = self._task()
            self._plan = self._planned(task)
            self._promise(bit_exact=self._plan.bit_exact)
            # A replay proves something only when it trains every epoch itself.
            kept = None if self._replays else self._checkpoints
            cohort = CohortTask(fits=(task,), checkpoints=kept)
            (outcome,) = executor.run(cohort, self._record, self._should_stop, self._kept)
            self._finish(outcome)
        except NoSpace as error:
            self._park(error)
        except (LeaseLost, Unavailable):
            raise
        except CancelRequested:
            # Accepted between the last epoch and the publication: it must not succeed.
            self._acknowledge()
        except ChildDied as error:
            self._stalled(error)
        except FitpointError as error:
            self._fail(error)
        except OSError as error:
            if not is_disk_full(error):
                self._broken(error)
            else:
                self._park(NoSpace("The disk is full. It goes on when there is room again."))
        except Exception as error:
            self._broken(error)

    def _broken(self, error: Exception) -> None:
        log.exception("The attempt failed outside the engine", extra=self._about)
        self._fail(FitpointError(f"The worker failed: {type(error).__name__}. See its log."))

    @property
    def _about(self) -> dict[str, object]:
        return {"job": self._job.id, "attempt": self._job.attempt}

    def _task(self) -> FitTask:
        with self._database.read() as session:
            datasets = jobs.datasets_of(session, self._job.id)
            origin = dataset_origins.of(session, datasets[self._spec.dataset].id)
        folder = self._settings.datasets_dir

        def source(name: str) -> Source:
            dataset = datasets[name]
            return Source(path=canonical_path(folder, dataset.sha256), dataset=dataset)

        validation = self._spec.engine.validation_dataset
        return FitTask(
            spec=self._spec,
            training=source(self._spec.dataset),
            validation=source(validation) if validation is not None else None,
            evaluations=tuple(source(each.dataset) for each in self._spec.evaluate),
            staging=self._staging,
            na=origin.na,
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
        self._write(lambda s: claims.record_plan(s, self._job.id, self._token, plan, bit_exact))

    def _record(self, records: tuple[EpochRecord, ...]) -> None:
        epochs = self._spec.model.epochs
        last = records[-1]
        progress = Progress(
            epoch=last.epoch,
            epochs=epochs,
            eta_seconds=round(last.seconds * (epochs - last.epoch), 1),
        )
        self._write(lambda s: claims.record_epochs(s, self._job.id, self._token, records, progress))

    def _kept(self, epoch: int) -> None:
        environment = self._known_environment()
        self._write(
            lambda s: claims.checkpointed(
                s, self._job.id, self._token, epoch, environment.fingerprint
            )
        )

    def _known_environment(self) -> Environment:
        assert self._environment is not None, "the executor tells it before the fit"
        return self._environment

    def _should_stop(self) -> bool:
        """Beat, and tell whether to end after this epoch: a cancel was asked for, or we drain."""
        now = time.monotonic()
        if now - self._beaten_at >= _HEARTBEAT_SECONDS:
            try:
                with self._database.write() as session:
                    self._cancel_asked = claims.heartbeat(session, self._job.id, self._token)
                self._beaten_at = now
            except Unavailable:
                if now - self._beaten_at > LEASE_SECONDS:
                    raise
        return self._cancel_asked or self._is_draining()

    def _finish(self, outcome: FitOutcome) -> None:
        if not outcome.bit_exact:
            self._promise(bit_exact=False)
        if outcome.log:
            self._write(lambda s: claims.log(s, self._job.id, self._token, outcome.log))
        if outcome.ending == "cancelled" and not self._cancel_asked:
            self._write(lambda s: claims.release(s, self._job.id, self._token))
        elif outcome.ending == "cancelled":
            self._acknowledge()
        elif outcome.ending == "diverged" or outcome.fitted is None:
            self._fail(
                Diverged(
                    f"The loss was not finite in epoch {outcome.epochs_run}. Lower "
                    "model.learn_rate, scale the predictors in the recipe, or set "
                    "engine.terminate_on_nan to false."
                )
            )
        elif self._replays:
            self._compare(outcome.fitted)
        else:
            self._publish(outcome.fitted, outcome.stopped_epoch)

    def _publish(self, fitted: FittedNetwork, stopped_epoch: int | None) -> None:
        """Files first, row second: a crash between the two leaves a file that nobody names."""
        path, sha256 = artifact.publish(self._staging, self._settings.storage_root)
        model = FittedModel(
            mode=fitted.mode,
            outcome=fitted.outcomes,
            levels=fitted.levels,
            predictors=fitted.predictors,
            n_parameters=fitted.n_parameters,
            weights_sha256=fitted.weights_sha256,
            artifact_sha256=sha256,
            artifact_path=path,
            dataset_sha256=fitted.dataset_sha256,
            stopped_epoch=stopped_epoch,
        )
        environment = self._known_environment()
        self._write(
            lambda s: claims.succeed(
                s,
                self._job.id,
                self._token,
                model=model,
                name=self._spec.name or self._job.id,
                evaluations=fitted.evaluations,
                environment=environment,
            )
        )
        self._forget_checkpoints()

    def _compare(self, fitted: FittedNetwork) -> None:
        """End a replay with what it found."""
        asked, environment = self._job.replay, self._known_environment()
        assert asked is not None, "a job of kind replay has one"
        with self._database.read() as session:
            then = replays.original(session, self._job.id)
        found = report(asked, then, fitted.weights_sha256, environment)
        self._write(
            lambda s: claims.finish_replay(s, self._job.id, self._token, found, environment)
        )

    def _stalled(self, error: ChildDied) -> None:
        log.error("The training process died: %s", error.detail, extra=self._about)
        self._write(lambda s: rescue.child_died(s, self._job.id, self._token, error))

    def _park(self, error: NoSpace) -> None:
        log.error("The job waits: %s", error.detail, extra=self._about)
        self._write(lambda s: rescue.park(s, self._job.id, self._token, error))

    def _acknowledge(self) -> None:
        self._write(lambda s: claims.acknowledge_cancel(s, self._job.id, self._token))
        self._forget_checkpoints()

    def _fail(self, error: FitpointError) -> None:
        self._write(lambda s: claims.fail(s, self._job.id, self._token, error, self._environment))
        self._forget_checkpoints()

    def _forget_checkpoints(self) -> None:
        """An ended job has no use for them; a queued one, or somebody else's, goes on from them."""
        shutil.rmtree(self._checkpoints, ignore_errors=True)

    def _write(self, change: Callable[[WriteSession], T]) -> T:
        """Write in one transaction; while the database is unavailable, try until the lease ends."""
        deadline = time.monotonic() + LEASE_SECONDS
        while True:
            try:
                with self._database.write() as session:
                    return change(session)
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
