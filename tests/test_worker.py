"""A real worker over real child processes whose program is a double; time is the test's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service import carrying
from service.domain.jobs import Job
from service.executors.patience import Patience
from service.executors.process import ProcessExecutor
from service.settings import Settings
from service.store import claims, datasets, jobs, logs, migrations
from service.store.database import Database
from service.store.jobs import NewJob
from service.worker import Worker
from tests.executors import child_doubles
from tests.executors.fits import table, task
from tests.store.manual_clock import ManualClock
from tests.store.samples import sha
from tests.store.test_store_rescue import count

pytestmark = pytest.mark.timeout(60)


class Workplace:
    """A worker with one slot in a thread of this process, and the jobs that it is given."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.settings = Settings(data_dir=folder / "data", slots=1)
        self.settings.make_data_dir()
        self.settings.staging_dir.mkdir(parents=True)
        migrations.migrate(self.settings.database_url)
        self.database = Database.open(self.settings.database_url, clock=self.clock)
        self._source = table(folder)
        self._folder = folder
        with self.database.write() as s:
            self._dataset = datasets.register(
                s,
                name="table",
                n_rows=self._source.dataset.n_rows,
                n_columns=self._source.dataset.n_columns,
                sha256=self._source.dataset.sha256,
                bytes=1,
                columns=self._source.dataset.columns,
            )
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    def work(self) -> Worker:
        """Start a worker."""
        self._worker = Worker(self.settings, self.database, "cpu", executor=_executor)
        self._thread = threading.Thread(target=self._worker.run)
        self._thread.start()
        return self._worker

    def rest(self) -> float:
        """Drain the worker as SIGTERM does; return the seconds that it took."""
        started = time.monotonic()
        if self._worker is not None and self._thread is not None:
            self._worker.stop()
            self._thread.join()
        return time.monotonic() - started

    def submit(self, name: str) -> str:
        """Queue a fit; its name says how the child behaves."""
        spec = task(self._source, self._folder / "unused", name=name, evaluate=[]).spec
        job = NewJob(
            spec=spec.model_dump(mode="json"),
            spec_sha256=sha(name),
            kind="fit",
            name=name,
            epochs=spec.model.epochs,
            datasets={"table": self._dataset.id},
        )
        with self.database.write() as s:
            return jobs.submit(s, job).id

    def job(self, job_id: str) -> Job:
        with self.database.read() as s:
            return jobs.get(s, job_id)

    def until(self, condition: Callable[[], object], *, passing: float = 0.0) -> None:
        """Wait, and let `passing` seconds of the database's clock pass at every look."""
        deadline = time.monotonic() + 50
        while not condition():
            assert time.monotonic() < deadline, "it did not come"
            self.clock.pass_seconds(passing)
            time.sleep(0.02)

    def ended(self, job_id: str, *, passing: float = 0.0) -> Job:
        """Return a job once it has ended."""
        self.until(lambda: self.job(job_id).state.is_terminal, passing=passing)
        return self.job(job_id)

    def log(self, job_id: str) -> list[str]:
        with self.database.read() as s:
            return [line.line for line in logs.page(s, job_id).data]


def _executor() -> ProcessExecutor:
    patience = Patience(unknown_seconds=5, least_seconds=1)
    return ProcessExecutor(device="cpu", program=child_doubles.program, patience=patience)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(tmp_path)
    with closing(made.database):
        yield made
        made.rest()


@pytest.mark.parametrize(
    ("name", "said"), [("poison", "signal SIGKILL"), ("stops", "deadline")], ids=["dies", "hangs"]
)
def test_a_job_that_kills_or_hangs_its_process_is_given_up_and_the_others_go_on(
    place: Workplace, name: str, said: str
) -> None:
    bad = place.submit(name)
    good = [place.submit(f"good-{number}") for number in range(4)]
    place.work()
    for job_id in good:
        assert place.ended(job_id).state == "succeeded"
    # They did not wait for its back-off to pass: the clock stood still.
    assert place.job(bad).attempt == 1
    # Less than a lease at each look, so that every heartbeat is in time.
    job = place.ended(bad, passing=1)
    assert job.state == "failed"
    assert job.attempt == 4
    assert job.error is not None
    assert job.error["code"] == "poison"
    assert said in job.error["detail"]
    assert count(place.database, bad, "stalls") == 4
    assert count(place.database, bad, "losses") == 0
    lines = place.log(bad)
    assert len(lines) == 4
    assert all(line.startswith("Stalled: ") and said in line for line in lines)
    assert place.ended(place.submit("good-after")).state == "succeeded"


def test_a_job_that_memory_did_not_suffice_for_is_tried_once_more(place: Workplace) -> None:
    bad = place.submit("fails-worn")
    place.work()
    job = place.ended(bad, passing=1)
    assert job.state == "failed"
    assert job.attempt == 2
    assert job.error is not None
    assert job.error["code"] == "out-of-memory"
    assert ["Failed: " in line and "9 EiB" in line for line in place.log(bad)] == [True, True]


def test_a_drain_ends_with_the_epoch_and_the_next_worker_goes_on_from_its_checkpoint(
    place: Workplace,
) -> None:
    job_id = place.submit("trains-slowly")
    place.work()
    place.until(lambda: place.job(job_id).progress.epoch == 1)
    assert place.rest() < 10
    job = place.job(job_id)
    assert job.state == "queued"
    assert job.progress.epoch == 2
    counters = [count(place.database, job_id, name) for name in ("stalls", "errors", "losses")]
    assert counters == [0, 0, 0]
    with place.database.write() as s:
        claimed = claims.claim(s, "another")
    assert claimed is not None
    assert claimed.checkpoint is not None
    assert claimed.checkpoint.epoch == 2


def test_a_drain_does_not_wait_for_an_epoch_without_end(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "DRAIN_SECONDS", 0.2)
    job_id = place.submit("spins")
    place.work()
    place.until(lambda: place.job(job_id).progress.epoch == 1)
    assert place.rest() < 5
    assert place.job(job_id).state == "queued"
    assert count(place.database, job_id, "stalls") == 0


def test_a_cancel_does_not_wait_for_an_epoch_without_end(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "CANCEL_SECONDS", 0.1)
    job_id = place.submit("never-begins")
    place.work()
    place.until(lambda: place.job(job_id).state == "running")
    with place.database.write() as s:
        jobs.request_cancel(s, job_id)
    started = time.monotonic()
    assert place.ended(job_id).state == "cancelled"
    # A heartbeat brings it, the next tick ends it: less than the deadline of 5 s.
    assert time.monotonic() - started < 4


def test_a_lease_is_kept_while_the_child_says_nothing(place: Workplace) -> None:
    job_id = place.submit("never-begins")
    worker = place.work()
    place.until(lambda: place.job(job_id).state == "running")
    for _ in range(3):
        # A little less than a lease, and a heartbeat.
        place.clock.pass_seconds(25)
        time.sleep(1.2)
        with place.database.write() as s:
            assert claims.rescue(s) == 0
    worker.stop()
