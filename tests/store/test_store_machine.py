"""The store against the model: any order of calls, any clock, stale tokens; both databases."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from service.domain.errors import ChildDied, Diverged, FitpointError, Unavailable
from service.store import audit, claims, events, jobs
from service.store.database import Database
from service.store.sessions import ReadSession, WriteSession
from service.store.tables import EpochRow, EventRow, JobLogRow, JobRow, ModelRow
from tests.store import samples
from tests.store.job_model import JobModel, ModelJob
from tests.store.manual_clock import ManualClock
from tests.store.private_cluster import PrivateCluster

# The gate's examples are the same every time; a longer look takes new ones.
EXAMPLES = int(os.environ.get("FITPOINT_TEST_EXAMPLES", "0"))
# Told by `mutations.py`, which has all the time in the world.
MUTANT = os.environ.get("FITPOINT_TEST_MUTANT")
PATIENCE = 3600 if EXAMPLES or MUTANT else 180
SETTINGS = settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=50,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    # A mutant need not be made small to be killed.
    phases=[Phase.generate] if MUTANT else list(Phase),
    suppress_health_check=list(HealthCheck),
)
WORKERS = ("wrk_a", "wrk_b")
COLUMNS = (
    *(JobRow.id, JobRow.state, JobRow.priority, JobRow.name, JobRow.lease_token, JobRow.attempt),
    *(JobRow.stalls, JobRow.errors, JobRow.losses, JobRow.lease_owner, JobRow.lease_until),
    *(JobRow.lease_clock, JobRow.run_after, JobRow.run_after_clock, JobRow.epoch),
    *(JobRow.ckpt_epoch, JobRow.ckpt_fingerprint, JobRow.error_code, JobRow.model_sha256),
    *(JobRow.started_at, JobRow.finished_at, JobRow.cancel_requested_at),
)
# How a running job is let go. Deaths and errors come often, because it takes four to reach a limit.
LEAVING = (
    *("succeed", "succeed", "release", "acknowledge_cancel", "fail", "park"),
    *("child_died", "child_died", "child_died", "retry_later", "retry_later"),
)
WRITING = ("heartbeat", "record", "record", "record", "checkpointed", "log")

WAYS: dict[str, tuple[str, ...]] = {
    "write": WRITING,
    "leave": LEAVING,
    "ask": ("cancel", "cancel", "retry", "retry", "delete"),
    "insist": ("child_died", "child_died", "retry_later", "stuck", "cancel", "cancel", "again"),
    "queue": ("submit", "claim", "claim", "claim"),
    "pass_time": ("rescue", "rescue", "worker_died", "wall", "restart", "wait", "wait"),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do; what it does not need of the rest it ignores."""

    how: str
    number: int
    off: int
    back: int
    length: int
    other: bool
    priority: int
    name: str | None
    worker: str
    seconds: float
    state: str
    ending: str


ways = st.sampled_from([(what, how) for what, hows in WAYS.items() for how in hows])
steps = st.builds(
    Step,
    number=st.integers(0, 5),
    # Mostly the token in force, sometimes one that is over or was never given.
    off=st.sampled_from((0, 0, 0, 0, 0, 0, -1, 1)),
    back=st.sampled_from((0, 0, 0, 1, 2, -1)),
    length=st.integers(1, 3),
    other=st.booleans(),
    priority=st.sampled_from((-1, 0, 0, 5)),
    name=st.sampled_from((None, "m")),
    worker=st.sampled_from(WORKERS),
    seconds=st.sampled_from((0.5, 6.0, 11.0, 21.0, 31.0, 41.0, 150.0)),
    state=st.sampled_from(("running", "running", "queued", "failed", "cancelled", "succeeded")),
    ending=st.sampled_from(sorted(set(LEAVING))),
    how=st.just(""),
)


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call answers, or the type of the error that it raises."""
    try:
        return call()
    except FitpointError as error:
        return type(error)


class Machine(RuleBasedStateMachine):
    """Does everything twice, and compares the answers and every row."""

    new_database: ClassVar[Callable[[ManualClock], Database]]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.model = JobModel(self.clock)
        self.database = type(self).new_database(self.clock)
        self.boots = 1
        self.streamed: dict[str, tuple[int, int]] = {}

    def teardown(self) -> None:
        try:
            with self.database.read() as s:
                assert audit.audit(s) == []
        finally:
            self.database.close()

    @initialize(priorities=st.lists(st.sampled_from((-1, 0, 5)), min_size=2, max_size=4))
    def begin(self, priorities: list[int]) -> None:
        for priority in priorities:
            self.submit(priority, None)

    # One rule for all: of several, Hypothesis leaves some out of an example, and an example
    # without claims or ends shows nothing.
    @rule(way=ways, step=steps)
    def do(self, way: tuple[str, str], step: Step) -> None:
        step = replace(step, how=way[1])
        getattr(self, way[0])(step)

    def write(self, step: Step) -> None:
        """Write about a running job; of epochs the next ones, some again, or after a gap."""
        job = self.running(step.number)
        token = job.token + step.off
        match step.how:
            case "heartbeat":
                self.both(
                    lambda: self.model.beat(job, token),
                    lambda s: claims.heartbeat(s, job.id, token),
                )
            case "record":
                first = max(len(job.epochs) + 1 - step.back, 1)
                self.record(job, token, first, step.length, step.other)
            case "checkpointed":
                self.checkpoint(job, token, max((job.checkpoint or 0) + 1 - step.back, 1))
            case _:
                line = f"line {step.back} {step.length}"
                self.both(
                    lambda: self.model.log(job, token, line),
                    lambda s: claims.log(s, job.id, token, [line]),
                )

    def checkpoint(self, job: ModelJob, token: int, epoch: int) -> None:
        """Keep a checkpoint; its epochs are told first, as a worker does."""
        missing = epoch - len(job.epochs)
        if missing > 0:
            self.record(job, token, len(job.epochs) + 1, missing)
        self.both(
            lambda: self.model.checkpointed(job, token, epoch),
            lambda s: claims.checkpointed(s, job.id, token, epoch, "here"),
        )

    def record(
        self, job: ModelJob, token: int, first: int, length: int, other: bool = False
    ) -> None:
        losses = [1 / (epoch + other) for epoch in range(first, first + length)]
        records = [samples.record(first + at, loss) for at, loss in enumerate(losses)]
        progress = samples.progress(records[-1].epoch, 100)
        self.both(
            lambda: self.model.record(job, token, first, losses),
            lambda s: claims.record_epochs(s, job.id, token, records, progress),
        )

    def leave(self, step: Step) -> None:
        """Let a running job go, one way or another."""
        job = self.running(step.number)
        self.leave_by(job, step.how, job.token + step.off)

    def leave_by(self, job: ModelJob, how: str, token: int) -> None:
        full = Unavailable("disk is full")
        errors: dict[str, FitpointError] = {
            "fail": Diverged("nan"),
            "park": full,
            "retry_later": full,
            "child_died": ChildDied("signal 9"),
        }
        told = (errors[how],) if how in errors else ()
        if how == "succeed":
            self.both(
                lambda: self.model.succeed(job, token),
                lambda s: samples.succeed(s, job.id, token, job.name).version,
            )
            return
        self.both(
            lambda: getattr(self.model, how)(job, token, *told),
            lambda s: getattr(claims, how)(s, job.id, token, *told).value,
        )
        if job.after is not None and job.spread:
            self.learn_the_spread(job)

    def learn_the_spread(self, job: ModelJob) -> None:
        assert job.after is not None
        with self.database.read() as s:
            after = s.scalars(select(JobRow.run_after).where(JobRow.id == job.id)).one()
        assert after is not None
        assert abs(after - job.after[0]) <= job.spread
        job.after, job.spread = (after, job.after[1]), 0.0

    def insist(self, step: Step) -> None:
        """Do what single steps seldom come to: the same mishap again, or an end after a cancel."""
        job = self.running(step.number)
        if job.state != "running":
            return
        match step.how:
            case "cancel":
                self.ask_about(job, "cancel")
                self.leave_by(job, step.ending, job.token)
            case "again":
                self.record(job, job.token, max(len(job.epochs), 1), step.length)
                self.record(job, job.token, max(len(job.epochs), 1), step.length, other=True)
            case "stuck":
                # The same checkpoint before and after a death is no progress.
                for _ in range(2):
                    self.checkpoint(job, job.token, step.length)
                    self.leave_by(job, "child_died", job.token)
                    self.run_again(job)
                    if job.state == "running":
                        self.checkpoint(job, job.token, step.length)
            case _:
                for _ in range(step.length + 1):
                    if job.state == "running":
                        self.leave_by(job, step.how, job.token)
                        self.run_again(job)

    def run_again(self, job: ModelJob) -> None:
        """Wait for the end of a back-off, and claim until the job runs."""
        self.clock.pass_seconds(150)
        while job.state == "queued":
            self.claim(WORKERS[1])

    def ask(self, step: Step) -> None:
        """Ask for something as a client does, whatever the state of the job."""
        fitting = [job for job in self.model.jobs if job.state == step.state] or self.model.jobs
        if not fitting:
            return
        self.ask_about(fitting[step.number % len(fitting)], step.how)

    def ask_about(self, job: ModelJob, how: str) -> None:
        match how:
            case "cancel":
                self.both(
                    lambda: self.model.cancel(job),
                    lambda s: jobs.request_cancel(s, job.id).state.value,
                )
            case "retry":
                self.both(
                    lambda: self.model.retry(job), lambda s: jobs.retry(s, job.id).state.value
                )
            case _:
                self.both(lambda: self.model.delete(job), lambda s: jobs.delete(s, job.id))

    def queue(self, step: Step) -> None:
        """Submit a job or claim one."""
        if step.how == "submit":
            self.submit(step.priority, step.name)
        else:
            self.claim(step.worker)

    def pass_time(self, step: Step) -> None:
        """Let time pass, a clock jump or a machine start anew, and then rescue what was lost."""
        worker, seconds = step.worker, step.seconds
        match step.how:
            case "wait":
                self.clock.pass_seconds(seconds)
            case "wall":
                elapsed = self.clock.seconds
                self.clock.pass_seconds(3600 if seconds > 20 else -3600)
                self.clock.seconds = elapsed
            case "restart":
                self.boots += 1
                self.clock.restart_machine()
                self.clock.boot = f"boot-{self.boots}"
            case "worker_died":
                self.both(
                    lambda: self.model.worker_died(worker),
                    lambda s: claims.worker_died(s, worker),
                )
            case _:
                self.clock.pass_seconds(seconds)
                self.both(self.model.rescue, claims.rescue)

    @invariant()
    def every_row_is_the_models(self) -> None:
        known = self.model.jobs
        with self.database.read() as s:
            rows = {row.id: tuple(row) for row in s.execute(select(*COLUMNS))}
            assert rows == {job.id: as_row(job) for job in known}
            published = {
                row.job_id: row.version
                for row in s.execute(select(ModelRow.job_id, ModelRow.version))
            }
            assert published == {job.id: job.version for job in known if job.version is not None}
            assert events_of(s) == {
                (job.id, *event): job.events.count(event) for job in known for event in job.events
            }
            # A stream follows from the job's own events, which were just compared.
            for job in known:
                if self.streamed.get(job.id) == (len(job.events), job.first):
                    continue
                told = [(one.what, number_or_state(one.data)) for one in events.after(s, job.id)]
                streamed = job.events[job.first :]
                assert told == [(what, of) for _, what, of in streamed if what[0] != "n"]
                self.streamed[job.id] = (len(job.events), job.first)
            lines = s.execute(select(JobLogRow.job_id, JobLogRow.attempt, JobLogRow.line)).all()
            assert sorted(map(tuple, lines)) == sorted(
                (job.id, *line) for job in known for line in job.lines
            )
            epochs = s.execute(select(EpochRow.job_id, EpochRow.epoch, EpochRow.metrics))
            assert sorted((row.job_id, row.epoch, row.metrics["loss"]) for row in epochs) == sorted(
                (job.id, epoch, loss)
                for job in known
                for epoch, loss in enumerate(job.epochs, start=1)
            )

    def both(self, expected: Callable[[], Any], done: Callable[[WriteSession], Any]) -> Any:
        def write() -> Any:
            with self.database.write() as s:
                return done(s)

        answer = outcome(write)
        assert answer == outcome(expected)
        return answer

    def submit(self, priority: int, name: str | None) -> None:
        job = samples.submit(self.database, priority=priority, name=name)
        self.model.submit(job.id, priority, name)

    def claim(self, worker: str) -> None:
        def claim(s: WriteSession) -> tuple[str, int, int | None] | None:
            claimed = claims.claim(s, worker)
            if claimed is None:
                return None
            found = claimed.checkpoint
            return claimed.job.id, claimed.token, None if found is None else found.epoch

        self.both(lambda: self.model.claim(worker), claim)

    def running(self, number: int) -> ModelJob:
        """Return a running job, after a claim when there is none; else whatever job there is."""
        if not any(job.state == "running" for job in self.model.jobs):
            if not self.model.jobs:
                self.submit(0, None)
            self.claim(WORKERS[0])
        fitting = [job for job in self.model.jobs if job.state == "running"] or self.model.jobs
        return fitting[number % len(fitting)]


def as_row(job: ModelJob) -> tuple[Any, ...]:
    """Return a job of the model as `COLUMNS`."""
    until, boot = job.until or (None, None)
    after, after_boot = job.after or (None, None)
    return (
        *(job.id, job.state, job.priority, job.name, job.token, job.attempt),
        *(job.stalls, job.errors, job.losses, job.owner, until, boot, after, after_boot),
        *(job.epoch, job.checkpoint, None if job.checkpoint is None else "here", job.error),
        None if job.version is None else samples.fitted_model().artifact_sha256,
        *(job.started, job.finished, job.cancel),
    )


def events_of(s: ReadSession) -> dict[tuple[str, int, str, Any], int]:
    """Return how often each event was told, by its job, token, kind and what it tells."""
    query = select(EventRow.job_id, EventRow.token, EventRow.what, EventRow.data)
    return dict(
        Counter(
            (row.job_id, row.token, row.what, number_or_state(row.data)) for row in s.execute(query)
        )
    )


def number_or_state(data: dict[str, Any]) -> Any:
    return data["state"] if "state" in data else data["epoch"]


@contextmanager
def machine(opens: Callable[[ManualClock], Database]) -> Iterator[type[Machine]]:
    """Yield the machine over empty databases that `opens` makes."""
    yield type("Machine", (Machine,), {"new_database": staticmethod(opens)})


def _fresh(folder: Path, migrated_file: Path, clock: ManualClock) -> Database:
    for left in folder.iterdir():
        left.unlink()
    shutil.copyfile(migrated_file, folder / "fitpoint.db")
    return Database.open(f"sqlite:///{folder}/fitpoint.db", clock=clock)


@pytest.mark.timeout(PATIENCE)
def test_sqlite_does_what_the_model_does(migrated_file: Path) -> None:
    # In memory, because thousands of commits would wait for the disk, which is not the question.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(dir=memory) as folder,
        machine(lambda clock: _fresh(Path(folder), migrated_file, clock)) as over_sqlite,
    ):
        run_state_machine_as_test(over_sqlite, settings=SETTINGS)


@pytest.mark.timeout(PATIENCE)
def test_postgresql_does_what_the_model_does(
    cluster: PrivateCluster, emptied_database: str
) -> None:
    def opens(clock: ManualClock) -> Database:
        cluster.empty(emptied_database)
        return Database.open(cluster.url(emptied_database), clock=clock)

    with machine(opens) as over_postgresql:
        # A step costs three times as much there, and the model is the same.
        fewer = settings(SETTINGS, max_examples=EXAMPLES or 12)
        run_state_machine_as_test(over_postgresql, settings=fewer)
