"""The store as several processes use it, each with its own connections and threads."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from service.store import claims, epochs, jobs
from service.store.database import Database
from tests.store import samples

ROOT = Path(__file__).parents[2]


def start(what: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.store.contenders", what, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def let_go(processes: Sequence[subprocess.Popen[str]]) -> list[list[str]]:
    """Let all begin at once, wait for their ends, and return what they said, word by word."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said: list[list[str]] = []
    for process in processes:
        out, err = process.communicate(timeout=18)
        assert (process.returncode, err) == (0, "")
        said += [line.split() for line in out.splitlines()]
    return said


def integrity(database: Database) -> list[str]:
    with database.read() as s:
        if s.get_bind().dialect.name != "sqlite":
            return ["ok"]
        problems = list(s.scalars(text("PRAGMA integrity_check")))
        problems += [str(row) for row in s.execute(text("PRAGMA foreign_key_check"))]
    return problems


@pytest.mark.parametrize(
    ("dialect", "journal"),
    [("sqlite", "wal"), ("sqlite", "truncate"), ("postgresql", "")],
    indirect=["dialect"],
)
def test_two_processes_with_three_threads_each_claim_every_job_once(url: str, journal: str) -> None:
    with closing(Database.open(url, journal=journal or None)) as database:
        submitted = []
        with database.write() as s:
            for number in range(120):
                submitted.append(jobs.submit(s, samples.new_job(priority=number % 3)).id)
    said = let_go([start("claim_all", url, name, journal) for name in ("first", "second")])
    assert Counter(job_id for job_id, _, _ in said) == Counter(submitted)
    assert {token for _, token, _ in said} == {"1"}
    # Both took part, or the test would show nothing.
    assert {worker_id.split("-")[0] for _, _, worker_id in said} == {"first", "second"}


def test_processes_and_threads_hammer_one_file_without_a_locked_database(
    url: str, database: Database
) -> None:
    for _ in range(10):
        samples.submit(database)
    said = let_go([start("carry", url, name, "3") for name in ("first", "second")])
    succeeded = {words[1] for words in said if words[0] == "succeeded"}
    slowest = max(float(words[1]) for words in said if words[0] == "slowest")
    assert len(succeeded) == sum(words[0] == "succeeded" for words in said) >= 2 * 3 * 3
    # A write that waited as long as busy_timeout would have been given up.
    assert slowest < 10
    assert integrity(database) == ["ok"]
    with database.read() as s:
        assert jobs.counts(s)["succeeded"] == len(succeeded)
        assert jobs.counts(s)["running"] == 0
        for job_id in succeeded:
            assert [one.epoch for one in epochs.all_of(s, job_id)] == [1, 2, 3, 4, 5]
        once = s.execute(
            text("SELECT job_id, count(*) FROM events WHERE what = 'done' GROUP BY job_id")
        ).all()
    assert {row[0]: row[1] for row in once} == dict.fromkeys(succeeded, 1)


@pytest.mark.parametrize(
    ("dialect", "journal"),
    [("sqlite", "wal"), ("sqlite", "truncate"), ("postgresql", "")],
    indirect=["dialect"],
)
def test_a_writer_that_is_killed_loses_nothing_committed_and_leaves_nothing_half(
    url: str, journal: str
) -> None:
    moments = random.Random(23)
    acknowledged: set[str] = set()
    for _ in range(4):
        process = start("write_until_killed", url, journal)
        assert process.stdout is not None
        acknowledged.add(process.stdout.readline().strip())
        # Anywhere within some transactions of a few milliseconds each.
        time.sleep(moments.uniform(0.01, 0.1))
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=10)
        assert process.returncode == -signal.SIGKILL
        # The last line may be torn by the kill.
        acknowledged |= {
            line.strip() for line in out.splitlines(keepends=True) if line[-1:] == "\n"
        }
    with closing(Database.open(url, journal=journal or None)) as database, database.read() as s:
        assert integrity(database) == ["ok"]
        everything = set(s.scalars(text("SELECT id FROM jobs")))
        assert acknowledged <= everything
        # What was committed but not yet said: at most one for each kill.
        assert len(everything) <= len(acknowledged) + 4
        assert jobs.counts(s) == {
            "queued": 0,
            "running": 0,
            "succeeded": len(everything),
            "failed": 0,
            "cancelled": 0,
        }
        for table, rows in (("epochs", 5), ("models", 1), ("evaluations", 1), ("events", 9)):
            counts = s.execute(text(f"SELECT job_id, count(*) FROM {table} GROUP BY job_id")).all()
            assert {row[0]: row[1] for row in counts} == dict.fromkeys(everything, rows)


def test_a_worker_that_slept_through_its_lease_cannot_end_the_job(url: str) -> None:
    with closing(Database.open(url)) as database:
        samples.submit(database)
        with database.write() as s:
            claim = claims.claim(s, "wrk_sleeper", lease_seconds=0.05)
        assert claim is not None
        process = start("wake_up_late", url, claim.job.id, str(claim.token))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGSTOP)
        rescued = 0
        while not rescued:
            with database.write() as s:
                rescued = claims.rescue(s)
        _, token = samples.claim(database, "wrk_other")
        os.kill(process.pid, signal.SIGCONT)
        out, err = process.communicate("\n", timeout=15)
        assert (out, err) == ("lease lost\n", "")
        with database.write() as s:
            assert samples.succeed(s, claim.job.id, token).version == 1


def test_a_lock_held_by_another_process_for_a_second_is_waited_for(url: str) -> None:
    script = """
import sys, time
from sqlalchemy import text
from service.store.database import Database
from service.store.sessions import lock_catalogue
database = Database.open(sys.argv[1])
with database.write() as s:
    lock_catalogue(s)
    print("locked", flush=True)
    time.sleep(1)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with closing(Database.open(url)) as database:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        began = time.monotonic()
        samples.submit(database)
        waited = time.monotonic() - began
    process.communicate(timeout=10)
    assert 0.3 < waited < 9
