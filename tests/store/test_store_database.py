from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from service.domain.errors import Conflict, InvalidSpec, Unavailable
from service.store import datasets, jobs, sqlite
from service.store.database import Database
from service.store.sessions import WriteSession
from service.store.tables import DatasetRow
from tests.store import samples

ROOT = Path(__file__).parents[2]


def names(database: Database) -> list[str]:
    with database.read() as s:
        return list(s.scalars(select(DatasetRow.name).order_by(DatasetRow.id)))


def test_the_pragmas_are_in_force_on_every_connection(sqlite_database: Database) -> None:
    with sqlite_database.read() as first, sqlite_database.read() as second:
        for s in (first, second):
            assert s.scalar(text("PRAGMA foreign_keys")) == 1
            assert s.scalar(text("PRAGMA synchronous")) == 2
            assert s.scalar(text("PRAGMA busy_timeout")) == 10_000


def test_about_tells_version_and_journal_mode_in_force(sqlite_database: Database) -> None:
    driver = sqlite.driver()
    assert sqlite_database.about() == {
        "dialect": "sqlite",
        "version": driver.sqlite_version,
        "journal_mode": sqlite.trusted_journal_mode(driver.sqlite_version_info),
    }


def test_the_journal_mode_can_be_overridden_and_switched_back(sqlite_url: str) -> None:
    for mode in ("truncate", "wal", "TRUNCATE"):
        with closing(Database.open(sqlite_url, journal=mode)) as database:
            assert database.about()["journal_mode"] == mode.lower()
            with database.write() as s:
                samples.register(s, mode)


def test_a_file_that_is_open_in_another_journal_mode_is_refused(
    sqlite_url: str, sqlite_database: Database
) -> None:
    with sqlite_database.read() as s:
        samples.states(s)
        with pytest.raises(Unavailable):
            Database.open(sqlite_url, journal="truncate", busy_seconds=0.2)


def test_truncate_is_explained_in_one_log_line(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The driver is a third party here: its version is the input of the rule.
    monkeypatch.setattr(sqlite.driver(), "sqlite_version_info", (3, 40, 1))
    with caplog.at_level(logging.WARNING), closing(Database.open(sqlite_url)) as database:
        assert database.about()["journal_mode"] == "truncate"
    (line,) = [one.message for one in caplog.records if one.name.startswith("service.store")]
    assert "3.40.1" in line


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://host/db",
        "sqlite:///file:x",
        "postgresql://host",
    ],
)
def test_a_url_of_no_file_and_no_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidSpec, match="Expected"):
        Database.open(url)


def test_an_unknown_journal_mode_is_refused(sqlite_url: str) -> None:
    with pytest.raises(InvalidSpec, match="'wal' or 'truncate'"):
        Database.open(sqlite_url, journal="memory")


def test_a_write_is_committed_at_its_end(url: str, database: Database) -> None:
    with database.write() as s:
        samples.register(s, "one")
    with closing(Database.open(url)) as other:
        assert names(other) == ["one"]


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as s:  # noqa: PT012
        samples.register(s, "one")
        raise ZeroDivisionError
    assert names(database) == []


def test_a_commit_that_fails_leaves_nothing_and_is_an_error(sqlite_database: Database) -> None:
    def point_nowhere(s: WriteSession) -> None:
        samples.register(s, "one")
        # Deferred, the constraint is checked by COMMIT itself, which then fails.
        s.execute(text("PRAGMA defer_foreign_keys=ON"))
        s.execute(
            text("INSERT INTO job_datasets (job_id, spec_name, sha256) VALUES ('none', 'x', 'x')")
        )

    with pytest.raises(IntegrityError, match="FOREIGN KEY"), sqlite_database.write() as s:
        point_nowhere(s)
    assert names(sqlite_database) == []
    with sqlite_database.write() as s:
        samples.register(s, "two")
    assert names(sqlite_database) == ["two"]


def test_a_transaction_that_sqlite_undid_by_itself_is_not_taken_for_a_commit(
    sqlite_database: Database,
) -> None:
    with pytest.raises(Unavailable, match="undid"), sqlite_database.write() as s:  # noqa: PT012
        samples.register(s, "one")
        with pytest.raises(IntegrityError):
            s.execute(
                text("INSERT OR ROLLBACK INTO model_names (name, last_version) VALUES (NULL, 0)")
            )
    assert names(sqlite_database) == []


def test_a_full_disk_is_told_as_such_and_earlier_commits_stay(sqlite_database: Database) -> None:
    with sqlite_database.write() as s:
        samples.register(s, "one")
    with pytest.raises(Unavailable, match="space") as caught, sqlite_database.write() as s:  # noqa: PT012
        pages = s.scalar(text("PRAGMA page_count"))
        s.execute(text(f"PRAGMA max_page_count={pages}"))
        s.execute(text("CREATE TABLE big AS SELECT zeroblob(10000000) AS b"))
    assert isinstance(caught.value.__cause__, OperationalError)
    assert names(sqlite_database) == ["one"]
    with sqlite_database.write() as s:
        s.execute(text("PRAGMA max_page_count=1000000"))
        samples.register(s, "two")
    assert names(sqlite_database) == ["one", "two"]


def test_a_file_size_limit_is_unavailable_and_the_cause_is_not_hidden(sqlite_url: str) -> None:
    """RLIMIT_FSIZE makes write() fail with EFBIG: SQLite then undoes the transaction itself."""
    script = """
import resource, signal, sys
from sqlalchemy import text
from service.domain.errors import Unavailable
from service.store.database import Database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = Database.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
try:
    with database.write() as s:
        s.execute(text("CREATE TABLE big AS SELECT zeroblob(3000000) AS b"))
except Unavailable as error:
    print(error.detail, "|", error.__cause__.orig)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, sqlite_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    detail, _, cause = done.stdout.partition("|")
    assert "disk error" in detail or "space" in detail
    assert "rollback" not in cause
    assert "disk" in cause


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="opened"):
        Database.open(f"sqlite:///{tmp_path}/nowhere/fitpoint.db")


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "fitpoint.db"
    path.write_bytes(b"x,y\n1,2\n" * 1000)
    with pytest.raises(Unavailable, match="not an SQLite database"):
        Database.open(f"sqlite:///{path}")


def test_a_database_that_was_never_migrated_says_what_to_do(empty_url: str) -> None:
    with (
        closing(Database.open(empty_url)) as database,
        pytest.raises(Unavailable, match="fitpoint migrate"),
        database.read() as s,
    ):
        jobs.counts(s)


def test_a_read_session_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable, match="written"), database.read() as s:
        samples.register(WriteSession(s), "one")
    assert names(database) == []


def test_a_read_sees_one_state_however_long_it_lasts(database: Database) -> None:
    with database.read() as s:
        assert jobs.counts(s)["queued"] == 0
        samples.submit(database)
        assert jobs.counts(s)["queued"] == 0
    with database.read() as s:
        assert jobs.counts(s)["queued"] == 1


def test_a_write_inside_a_write_is_a_mistake_that_is_told_at_once(database: Database) -> None:
    with pytest.raises(RuntimeError, match="one write"), database.write(), database.write():
        pass
    with database.write() as s:
        samples.register(s, "one")
    assert names(database) == ["one"]


def test_a_write_waits_for_another_threads_write(sqlite_database: Database) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with sqlite_database.write() as s:
            inside.set()
            assert leave.wait(10)
            samples.register(s, "first")

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        assert inside.wait(10)
        threading.Timer(0.2, leave.set).start()
        with sqlite_database.write() as s:
            samples.register(s, "second")
        held.result()
    assert names(sqlite_database) == ["first", "second"]


def test_a_lock_that_another_process_keeps_is_unavailable_after_the_wait(
    sqlite_url: str, sqlite_database: Database
) -> None:
    with (
        closing(Database.open(sqlite_url, busy_seconds=0.3)) as other,
        sqlite_database.write() as s,
    ):
        samples.register(s, "one")
        began = time.monotonic()
        with pytest.raises(Unavailable, match="locked"), other.write():
            pass
        assert 0.25 < time.monotonic() - began < 5
        with other.read() as read:
            assert samples.states(read) == {}


def test_a_writer_thread_that_never_ends_makes_the_others_unavailable(sqlite_url: str) -> None:
    with (
        closing(Database.open(sqlite_url, busy_seconds=0.2)) as database,
        ThreadPoolExecutor(1) as pool,
        database.write(),
        pytest.raises(Unavailable, match="busy"),
    ):
        pool.submit(database.write().__enter__).result()


def test_forty_threads_read_and_write_at_once(database: Database) -> None:
    def work(number: int) -> None:
        with database.write() as s:
            samples.register(s, f"set-{number}")
        with database.read() as s:
            assert datasets.get(s, f"set-{number}").n_rows == 90

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(work, range(80)))
    assert len(names(database)) == 80


def test_an_error_of_the_domain_crosses_unchanged(database: Database) -> None:
    with database.write() as s:
        samples.register(s, "one")
    with pytest.raises(Conflict), database.write() as s:
        samples.register(s, "one")


def test_a_rollback_that_fails_does_not_hide_why_there_was_one(database: Database) -> None:
    with pytest.raises(ZeroDivisionError) as caught, database.write() as s:  # noqa: PT012
        samples.register(s, "one")
        raw = s.connection().connection.dbapi_connection
        assert raw is not None
        raw.close()
        raise ZeroDivisionError
    assert "rollback failed" in caught.value.__notes__[0]
    with database.write() as s:
        samples.register(s, "two")
    assert names(database) == ["two"]


@pytest.mark.parametrize(
    ("dialect", "connections"), [("sqlite", 48), ("postgresql", 24)], indirect=["dialect"]
)
def test_more_reads_than_connections_are_unavailable_and_not_a_hang(
    url: str, connections: int
) -> None:
    with ExitStack() as stack:
        database = stack.enter_context(closing(Database.open(url, busy_seconds=0.2)))
        for _ in range(connections):
            stack.enter_context(database.read())
        with pytest.raises(Unavailable, match="no connection free"):
            stack.enter_context(database.read())


def test_a_time_without_its_zone_is_a_mistake(database: Database) -> None:
    with pytest.raises(StatementError, match="with its zone"), database.write() as s:
        s.execute(select(DatasetRow).where(DatasetRow.created_at == datetime(2031, 5, 17)))
