"""A worker sleeps until its lease is over, and wakes up while somebody else has its job."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest
from sqlalchemy import text

from service.store.database import Database
from tests.acceptance.fault_findings import by_the_stale, events_of
from tests.acceptance.fault_load import body
from tests.acceptance.running import RunningService, until
from tests.acceptance.running_worker import (
    RunningWorker,
    having_jobs,
    signalled,
    stop_between_writes,
)

Start = Callable[..., RunningService]


@pytest.mark.timeout(300)
def test_a_sleeper_changes_a_job_that_went_on_without_it_only_where_there_is_no_fence(
    start: Start,
) -> None:
    service = start("--no-worker")
    service.call("POST", "/v1/datasets", json={"name": "digits", "builtin": "digits"})
    url = f"sqlite:///{service.folder / 'fitpoint.sqlite'}"
    with (
        closing(Database.open(url, busy_seconds=0.3)) as database,
        ExitStack() as stack,
    ):

        def worker(number: int, program: str, slots: str) -> RunningWorker:
            started = RunningWorker(service.folder, number, program, FITPOINT_SLOTS=slots)
            stack.callback(started.stop)
            return started

        fenced, unfenced = worker(1, "service", "1"), worker(2, "tests.acceptance.unfenced", "1")
        jobs = [service.call("POST", "/v1/jobs", json=long(f"n{n}"))["id"] for n in (1, 2)]
        until(lambda: len(having_jobs(database)) == 2, 90)
        sleepers = having_jobs(database)
        for pid, job in sleepers.items():
            assert stop_between_writes(pid, job, database)
        worker(3, "service", "2")
        until(lambda: gone_on(database), 90)
        for pid in sleepers:
            signalled(pid, signal.SIGCONT)
        ended = {job: service.finished(job, 120) for job in jobs}

        by_fenced, by_unfenced = sleepers[fenced.pid], sleepers[unfenced.pid]
        assert by_the_stale(events_of(database, by_fenced)) == []
        assert ended[by_fenced]["state"] == "succeeded"
        until(lambda: "The lease was lost" in fenced.log.read_text(), 30)

        stale = by_the_stale(events_of(database, by_unfenced))
        assert "epoch" in {event.what for event in stale}
        assert "The lease was lost" not in unfenced.log.read_text()


def long(name: str) -> dict[str, Any]:
    """A fit that is under way for some seconds."""
    asked = body(0, name)
    asked["model"] |= {"epochs": 600, "dropout": 0}
    asked["engine"] = {"validation_split": 0.2}
    return asked


def gone_on(database: Database) -> bool:
    """Whether each job has a second claim, and an epoch since."""
    with database.read() as s:
        rows = s.execute(text("SELECT id, attempt, epoch, ckpt_epoch FROM jobs")).all()
    return all(row.attempt == 2 and row.epoch > (row.ckpt_epoch or 0) for row in rows)
