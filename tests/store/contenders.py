"""What the other processes of the store tests do; each is started anew, none is forked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from threading import Thread

from service.domain.errors import LeaseLost
from service.store import claims, jobs
from service.store.database import Database
from tests.store import samples


def say(*words: object) -> None:
    # One write of a short line to a pipe is never torn.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def in_threads(number: int, work: Callable[[str], None], name: str) -> None:
    """Run `work` in threads of this process; the first error ends the process."""
    failures: list[BaseException] = []

    def run(thread_name: str) -> None:
        try:
            work(thread_name)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=run, args=(f"{name}-{index}",)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def claim_all(url: str, name: str, journal: str) -> None:
    """Claim until nothing is left, from three threads, and say what was claimed."""
    with closing(Database.open(url, journal=journal or None)) as database:
        say("ready")
        sys.stdin.readline()

        def work(worker_id: str) -> None:
            while True:
                with database.write() as s:
                    claim = claims.claim(s, worker_id)
                if claim is None:
                    return
                say(claim.job.id, claim.token, worker_id)

        in_threads(3, work, name)


def carry(url: str, name: str, seconds: str) -> None:
    """Claim jobs, record their epochs one by one and end them, from three threads, for a while."""
    with closing(Database.open(url)) as database:
        say("ready")
        sys.stdin.readline()
        until = time.monotonic() + float(seconds)

        def work(worker_id: str) -> None:
            slowest, done = 0.0, 0
            # At least three jobs, however slow the machine is.
            while time.monotonic() < until or done < 3:
                began = time.monotonic()
                with database.write() as s:
                    claim = claims.claim(s, worker_id)
                slowest = max(slowest, time.monotonic() - began)
                if claim is None:
                    with database.write() as s:
                        jobs.submit(s, samples.new_job())
                    continue
                for epoch in range(1, 6):
                    began = time.monotonic()
                    with database.write() as s:
                        claims.record_epochs(
                            s,
                            claim.job.id,
                            claim.token,
                            [samples.record(epoch, 1 / epoch)],
                            samples.progress(epoch),
                        )
                    slowest = max(slowest, time.monotonic() - began)
                    with database.read() as s:
                        assert jobs.get(s, claim.job.id).progress.epoch == epoch
                with database.write() as s:
                    samples.succeed(s, claim.job.id, claim.token)
                done += 1
                say("succeeded", claim.job.id, claim.token)
            say("slowest", slowest)

        in_threads(3, work, name)


def write_until_killed(url: str, journal: str) -> None:
    """Commit jobs with five epochs each, and say each one's id once it is committed."""
    with closing(Database.open(url, journal=journal or None)) as database:
        while True:
            with database.write() as s:
                submitted = jobs.submit(s, samples.new_job(priority=1000))
                claim = claims.claim(s, "wrk_a")
                assert claim is not None
                assert claim.job.id == submitted.id
                records = [samples.record(epoch) for epoch in range(1, 6)]
                claims.record_epochs(s, claim.job.id, claim.token, records, samples.progress(5))
                samples.succeed(s, claim.job.id, claim.token)
            say(claim.job.id)


def wake_up_late(url: str, job_id: str, token: str) -> None:
    """Hold a job, sleep through its lease, and then try to end it."""
    with closing(Database.open(url)) as database:
        say("ready")
        sys.stdin.readline()
        try:
            with database.write() as s:
                samples.succeed(s, job_id, int(token))
        except LeaseLost:
            say("lease lost")
        else:
            say("succeeded")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
