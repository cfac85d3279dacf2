"""What only PostgreSQL does: writers beside each other, a server that comes and goes."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from service.domain.errors import Conflict, InvalidSpec, Unavailable
from service.domain.jobs import JobState
from service.store import aliases, claims, jobs, migrations
from service.store.database import Database
from service.store.sessions import ReadSession, clock_of, lock_catalogue
from service.store.tables import JobRow
from tests.store import samples
from tests.store.private_cluster import PrivateCluster

ROOT = Path(__file__).parents[2]


@pytest.fixture
def impatient(postgres_url: str) -> Iterator[Database]:
    """A database that waits for a lock for a fifth of a second, on the server's own clock."""
    with closing(Database.open(postgres_url, busy_seconds=0.2)) as database:
        yield database


def migrated(cluster: PrivateCluster) -> Database:
    url = cluster.url(cluster.create())
    migrations.migrate(url)
    return Database.open(url)


def server_seconds(s: ReadSession) -> float:
    return float(s.scalars(text("SELECT extract(epoch FROM clock_timestamp())")).one())


def test_about_tells_the_servers_version(postgres_database: Database) -> None:
    about = postgres_database.about()
    assert about["dialect"] == "postgresql"
    assert re.fullmatch(r"1[3-9]\.\d+", about["version"])
    assert "journal_mode" not in about


def test_leases_count_on_the_servers_clock_and_go_on_within_a_transaction(
    impatient: Database,
) -> None:
    samples.submit(impatient)
    with impatient.write() as s:
        before = server_seconds(s)
        assert claims.claim(s, "wrk_a") is not None
        after = server_seconds(s)
        until, source = s.execute(text("SELECT lease_until, lease_clock FROM jobs")).one()
        first, second = clock_of(s).lease(), clock_of(s).lease()
        told = {clock_of(s).utc(), clock_of(s).utc()}
    assert source == "server"
    assert before + 30 <= until <= after + 30
    assert first.seconds < second.seconds
    assert len(told) == 1


def test_a_client_whose_clock_is_wrong_rescues_nothing(postgres_url: str) -> None:
    """Ten years ahead, and the machine was started a moment ago: both clocks of the client lie."""
    script = """
import sys, time
from datetime import UTC, datetime
import service.store.clock as clock
clock.time = type("Liar", (), {
    "time": staticmethod(lambda: time.time() + 3.2e8),
    "clock_gettime": staticmethod(lambda which: 1.0),
    "CLOCK_BOOTTIME": time.CLOCK_BOOTTIME,
})
assert clock.SystemClock().lease().seconds == 1.0
from service.store import claims
from service.store.database import Database
with Database.open(sys.argv[1]).write() as s:
    print(claims.rescue(s))
"""
    with closing(Database.open(postgres_url)) as database:
        samples.submit_and_claim(database)
        done = subprocess.run(
            [sys.executable, "-c", script, postgres_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout == "0\n"


def test_a_claim_passes_over_the_job_that_somebody_else_is_claiming(impatient: Database) -> None:
    first, second = samples.submit(impatient).id, samples.submit(impatient).id
    with ThreadPoolExecutor(1) as pool, impatient.write() as s:
        mine = claims.claim(s, "wrk_a")
        theirs, _ = pool.submit(samples.claim, impatient, "wrk_b").result()
    assert mine is not None
    assert (mine.job.id, theirs.id) == (first, second)


def test_a_rescue_passes_over_the_job_that_somebody_else_is_ending(impatient: Database) -> None:
    ending, token = samples.submit_and_claim(impatient)
    expired, _ = samples.submit_and_claim(impatient)
    with impatient.write() as s:
        s.execute(update(JobRow).values(lease_until=1.0))

    def rescue() -> int:
        with impatient.write() as s:
            return claims.rescue(s)

    with ThreadPoolExecutor(1) as pool, impatient.write() as s:
        claims.release(s, ending, token)
        assert pool.submit(rescue).result() == 1
    assert samples.get(impatient, expired).state is JobState.QUEUED
    with impatient.read() as read:
        losses = {row.id: row.losses for row in read.execute(text("SELECT id, losses FROM jobs"))}
    assert losses == {ending: 0, expired: 1}


def test_a_cancel_waits_for_who_ends_the_job_and_is_not_lost(postgres_url: str) -> None:
    """A job that is released while a cancel looks for it is cancelled in the queue."""
    with closing(Database.open(postgres_url)) as database, ThreadPoolExecutor(1) as pool:
        job_id, token = samples.submit_and_claim(database)

        def cancel() -> JobState:
            with database.write() as s:
                return jobs.request_cancel(s, job_id).state

        with database.write() as s:
            claims.release(s, job_id, token)
            asked = pool.submit(cancel)
            wait_for_a_lock(s)
        assert asked.result() is JobState.CANCELLED


def wait_for_a_lock(s: ReadSession) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    pause = threading.Event()
    while not s.scalar(waiting):
        pause.wait(0.005)
        # Within a transaction the server shows what it saw first.
        s.execute(text("SELECT pg_stat_clear_snapshot()"))


def test_of_two_that_take_one_name_at_once_one_is_told_of_the_other(postgres_url: str) -> None:
    def register(name: str) -> str:
        try:
            with database.write() as s:
                samples.register(s, name)
        except Conflict:
            return "conflict"
        return "registered"

    with closing(Database.open(postgres_url)) as database, ThreadPoolExecutor(8) as pool:
        for number in range(5):
            answers = list(pool.map(register, [f"set-{number}"] * 8))
            assert sorted(answers) == ["conflict"] * 7 + ["registered"]


def test_models_of_one_name_that_are_published_at_once_are_numbered_without_a_gap(
    postgres_url: str,
) -> None:
    with closing(Database.open(postgres_url)) as database, ThreadPoolExecutor(8) as pool:
        models = list(pool.map(lambda _: samples.train(database, name="m"), range(24)))
    assert sorted(model.version for model in models) == list(range(1, 25))


def test_a_name_becomes_an_alias_or_a_jobs_but_not_both(postgres_url: str) -> None:
    def alias(name: str) -> bool:
        try:
            with database.write() as s:
                aliases.put(s, name, model.id)
        except Conflict:
            return False
        return True

    def submit(name: str) -> bool:
        try:
            samples.submit(database, name=name)
        except Conflict:
            return False
        return True

    with closing(Database.open(postgres_url)) as database, ThreadPoolExecutor(2) as pool:
        model = samples.train(database)
        for number in range(10):
            name = f"name-{number}"
            both = [pool.submit(alias, name), pool.submit(submit, name)]
            assert sorted(future.result() for future in both) == [False, True]


def test_a_lock_that_is_kept_too_long_is_unavailable(impatient: Database) -> None:
    with ThreadPoolExecutor(1) as pool, impatient.write() as s:
        lock_catalogue(s)
        with pytest.raises(Unavailable, match="locked"):
            pool.submit(samples.submit, impatient).result()
    assert samples.submit(impatient).state is JobState.QUEUED


def test_a_deadlock_is_unavailable_for_one_and_the_other_goes_on(postgres_url: str) -> None:
    together = threading.Barrier(2)

    def change(first: str, second: str) -> str:
        try:
            with database.write() as s:
                for job_id in (first, second):
                    s.execute(update(JobRow).where(JobRow.id == job_id).values(epochs=9))
                    if job_id == first:
                        together.wait(10)
        except Unavailable as error:
            return error.detail
        return "changed"

    with closing(Database.open(postgres_url)) as database, ThreadPoolExecutor(2) as pool:
        one, two = samples.submit(database).id, samples.submit(database).id
        answers = [pool.submit(change, one, two), pool.submit(change, two, one)]
        told = sorted(future.result() for future in answers)
    assert told == ["The database is locked by another connection. Try again.", "changed"]


def test_a_transaction_that_stands_still_is_ended_and_its_locks_are_free(
    postgres_url: str,
) -> None:
    with closing(Database.open(postgres_url)) as database:
        held = database.write()
        s = held.__enter__()
        s.execute(text("SET LOCAL idle_in_transaction_session_timeout = '20ms'"))
        samples.register(s, "one")
        with ThreadPoolExecutor(1) as pool:
            # Waits for the lock until the server takes it away.
            pool.submit(samples.submit, database).result()
        with pytest.raises(Unavailable) as caught:
            held.__exit__(None, None, None)
        assert "idle" in caught.value.detail or "reached" in caught.value.detail
        with database.read() as read:
            assert read.scalar(text("SELECT count(*) FROM datasets")) == 0


def test_a_write_that_meets_a_broken_constraint_leaves_nothing(impatient: Database) -> None:
    job = samples.submit(impatient)
    with pytest.raises(IntegrityError), impatient.write() as s:  # noqa: PT012
        samples.register(s, "one")
        s.execute(update(JobRow).where(JobRow.id == job.id).values(state="running"))
    with impatient.read() as read:
        assert read.scalar(text("SELECT count(*) FROM datasets")) == 0


def test_a_server_that_crashed_makes_the_store_unavailable_until_it_is_back(
    own_cluster: PrivateCluster,
) -> None:
    with closing(migrated(own_cluster)) as database:
        job_id, token = samples.submit_and_claim(database)
        own_cluster.stop("immediate")
        try:
            for _ in range(2):
                with pytest.raises(Unavailable, match="reached"):
                    samples.submit(database)
        finally:
            own_cluster.start()
        # Nobody opened it anew; what was committed is there, and the lease still holds.
        with database.write() as s:
            assert claims.heartbeat(s, job_id, token) is False
            assert samples.states(s) == {"running": 1}


def test_a_crash_inside_a_transaction_undoes_it(own_cluster: PrivateCluster) -> None:
    def write(database: Database) -> None:
        with database.write() as s:
            samples.register(s, "one")
            own_cluster.stop("immediate")
            samples.register(s, "two")

    with closing(migrated(own_cluster)) as database:
        try:
            with pytest.raises(Unavailable):
                write(database)
        finally:
            own_cluster.start()
        with database.read() as s:
            assert s.scalar(text("SELECT count(*) FROM datasets")) == 0


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://fitpoint:secret@/none?host={folder}&port={port}", "does not exist"),
        ("postgresql://nobody:secret@/postgres?host={folder}&port={port}", "refused the user"),
        ("postgresql://fitpoint:secret@/postgres?host={folder}&port=1", "cannot be reached"),
    ],
)
def test_an_address_where_nothing_is_says_what_to_look_at_and_no_password(
    cluster: PrivateCluster, address: str, told: str
) -> None:
    url = address.format(folder=cluster.folder, port=cluster.port)
    with pytest.raises(Unavailable, match=told) as caught:
        Database.open(url)
    assert "secret" not in str(caught.value)


def test_a_database_in_another_encoding_is_refused(cluster: PrivateCluster) -> None:
    cluster.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        with pytest.raises(Unavailable, match="UTF8"):
            migrations.migrate(cluster.url("ascii"))
    finally:
        cluster.drop("ascii")


def test_a_journal_mode_is_sqlites(postgres_url: str) -> None:
    with pytest.raises(InvalidSpec, match="journal"):
        Database.open(postgres_url, journal="wal")


def test_without_psycopg_the_extra_is_named() -> None:
    script = """
import sys
sys.modules["psycopg"] = None
from service.domain.errors import InvalidSpec
from service.store.database import Database
try:
    Database.open("postgresql://nobody@localhost/none")
except InvalidSpec as error:
    print(error.detail)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "fitpoint[postgres]" in done.stdout


def test_names_are_sorted_by_code_point_whatever_the_servers_language(
    impatient: Database,
) -> None:
    model = samples.train(impatient)
    with impatient.write() as s:
        for name in ("b", "B", "a", "_", "ä", "Z"):
            aliases.put(s, name, model.id)
        assert [alias.alias for alias in aliases.page(s).data] == ["B", "Z", "_", "a", "b", "ä"]
