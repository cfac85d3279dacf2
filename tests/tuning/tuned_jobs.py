"""Tunes that are really claimed and carried, over a database and a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from service import calibrations
from service.api.submission import resolved, submit
from service.api.tune_submission import resolved_tune, submit_tune
from service.attempt import Attempt
from service.carrying import Carrying
from service.domain.cost import TYPICAL, Calibration
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Job
from service.domain.models import RegisteredModel
from service.domain.tune.results import TrialResult
from service.domain.tune.spec import TuneSpec
from service.engine.tables.table import Table
from service.engine.task import CohortTask, FitOutcome
from service.executors.port import Executor, OnEnded, OnEpoch, OnKept, ShouldStop
from service.executors.process import ProcessExecutor
from service.settings import Settings
from service.store import claims, datasets, epochs, events, jobs, logs, migrations, models, trials
from service.store.database import Database
from service.store.tables import EpochRow, JobRow
from service.tuning.attempt import TuneAttempt
from tests.executors.fits import table

OPEN = {"tune": True}
Key = tuple[int, int]


class NotingExecutor(ProcessExecutor):
    """A process that trains, and notes which fits it was asked for and which epochs it told."""

    def __init__(self) -> None:
        super().__init__(device="cpu")
        self.asked: list[list[Key]] = []
        self.told: list[tuple[int, int, int]] = []

    def forget(self) -> None:
        """Note from now on."""
        self.asked, self.told = [], []

    def run(
        self,
        task: CohortTask,
        on_epoch: OnEpoch,
        should_stop: ShouldStop,
        on_kept: OnKept = lambda _: None,
        on_ended: OnEnded = lambda _place, _outcome: None,
    ) -> tuple[FitOutcome, ...]:
        trained = [task.fits[place] for place in task.training]
        self.asked.append([(each.trial, each.fold_number) for each in trained])

        def told(records: tuple[EpochRecord, ...]) -> None:
            self.told += [(each.trial, each.fold, each.epoch) for each in records]
            on_epoch(records)

        return super().run(task, told, should_stop, on_kept, on_ended)


class TunedJobs:
    """A database with one table of 400 rows and four classes; see `tests.executors.fits`."""

    def __init__(self, folder: Path, executor: Executor, *, hole: bool = False) -> None:
        self.settings = Settings(data_dir=folder / "data")
        self.settings.make_data_dir()
        self.settings.staging_dir.mkdir(parents=True)
        migrations.migrate(self.settings.database_url)
        self.database = Database.open(self.settings.database_url)
        self._executor = executor
        # Measuring takes seconds. It decides how fits are packed, and finds what tests here find
        # themselves: that company changes no bit.
        here = Calibration(
            environment=executor.start(), alone_equals_packed=True, **TYPICAL.model_dump()
        )
        calibrations.keep(self.settings.data_dir, here)
        source = table(folder, hole=hole)
        at = self.settings.datasets_dir / source.path.relative_to(folder / "datasets")
        at.parent.mkdir(parents=True, exist_ok=True)
        source.path.rename(at)
        self._table = at
        with self.database.write() as s:
            datasets.register(
                s,
                name="table",
                n_rows=source.dataset.n_rows,
                n_columns=source.dataset.n_columns,
                sha256=source.dataset.sha256,
                bytes=1,
                columns=source.dataset.columns,
            )

    def submit(self, **changes: Any) -> str:
        """Queue a tune; parts of `fit` may be given as `model`, `engine`, `recipe`."""
        fit: dict[str, Any] = {
            "dataset": "table",
            "outcome": "y",
            "recipe": [{"step": "normalize"}],
            "model": {"hidden_units": OPEN, "activation": "relu", "epochs": 3, "seeds": [1, 2, 3]},
        }
        fit |= {
            part: changes.pop(part) for part in ("model", "engine", "recipe") if part in changes
        }
        body = {
            "kind": "tune",
            "fit": fit,
            "grid": {"kind": "expand", "values": {"hidden_units": [3, 4]}},
            "resamples": {"kind": "vfold", "v": 2, "seed": 5},
            "metrics": ["accuracy", "roc_auc"],
            **changes,
        }
        with self.database.write() as s:
            found, used = resolved_tune(s, TuneSpec.model_validate(body))
            return submit_tune(s, found, used).id

    def carry(
        self,
        is_draining: Callable[[], bool] = lambda: False,
        others: Sequence[Executor] = (),
    ) -> Job:
        """Claim the next job, carry it as a worker's slot does, and return it as it then is."""
        with self.database.write() as s:
            claim = self.claim = claims.claim(s, "wrk_test")
        assert claim is not None
        carrying = Carrying(self.database, self.settings, claim, is_draining)
        TuneAttempt(self.database, self.settings, carrying).run((self._executor, *others))
        assert not carrying.staging.exists()
        return self.job(claim.job.id)

    def fitted(self, spec: FitSpec) -> Job:
        """Queue a fit, carry it, and return it as it then is."""
        with self.database.write() as s:
            found, used = resolved(s, spec)
            job_id = submit(s, found.spec, used, epochs=found.spec.model.epochs).id
            claim = claims.claim(s, "wrk_test")
        assert claim is not None
        carrying = Carrying(self.database, self.settings, claim, lambda: False)
        Attempt(self.database, self.settings, carrying).run(self._executor)
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        with self.database.read() as s:
            return jobs.get(s, job_id)

    def cancel(self, job_id: str) -> None:
        with self.database.write() as s:
            jobs.request_cancel(s, job_id)

    def release(self) -> None:
        """Queue the job again whose attempt ended without a word, as a rescue does."""
        claim = self.claim
        assert claim is not None
        with self.database.write() as s:
            claims.release(s, claim.job.id, claim.token)

    def results(self, job_id: str) -> list[TrialResult]:
        with self.database.read() as s:
            return trials.of_job(s, job_id)

    def model(self, job: Job) -> RegisteredModel:
        assert job.model_id is not None
        with self.database.read() as s:
            return models.get(s, job.model_id)

    def histories(self, job_id: str) -> dict[Key, list[float]]:
        """Return the losses of each fit, epoch by epoch."""
        found: dict[Key, list[float]] = {}
        with self.database.read() as s:
            for record in epochs.page(s, job_id, 10_000).data:
                found.setdefault((record.trial, record.fold), []).append(record.values["loss"])
        return found

    def durable_epochs(self, job_id: str) -> int | None:
        """Return what was told of the job's checkpoints."""
        with self.database.read() as s:
            return s.scalar(select(JobRow.ckpt_epoch).where(JobRow.id == job_id))

    def rows_of_class(self, level: str) -> list[int]:
        """Return the 1-based rows of the table whose outcome is `level`."""
        table = Table.open(self._table)
        code = table.category_levels("y").index(level)
        return [at for at, each in enumerate(table.codes("y").tolist(), 1) if each == code]

    def trial_events(self, job_id: str) -> list[dict[str, Any]]:
        """Return what events told of fits that ended, in order."""
        with self.database.read() as s:
            found = events.after(s, job_id, 0, 10_000)
        return [each.data for each in found if each.what == "trial"]

    def log(self, job_id: str) -> list[str]:
        with self.database.read() as s:
            return [line.line for line in logs.page(s, job_id).data]

    def attempts(self, job_id: str) -> dict[Key, set[int]]:
        """Return in which attempts the epochs of each fit were recorded."""
        found: dict[Key, set[int]] = {}
        query = select(EpochRow.trial, EpochRow.fold, EpochRow.attempt).distinct()
        with self.database.read() as s:
            for row in s.execute(query.where(EpochRow.job_id == job_id)):
                found.setdefault((row.trial, row.fold), set()).add(row.attempt)
        return found
