from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import NoResultFound

from service.domain.errors import Unavailable
from service.store import sqlite


@pytest.mark.parametrize(
    "version",
    [(3, 44, 6), (3, 44, 9), (3, 50, 7), (3, 51, 3), (3, 51, 9), (3, 53, 0), (3, 54, 1), (4, 0, 0)],
)
def test_wal_is_chosen_where_the_reset_bug_is_fixed(version: tuple[int, ...]) -> None:
    assert sqlite.trusted_journal_mode(version) == "wal"


@pytest.mark.parametrize(
    "version",
    [
        (3, 40, 1),
        (3, 44, 5),
        (3, 45, 0),
        (3, 50, 6),
        (3, 51, 0),
        (3, 51, 2),
        (3, 52, 0),
        (3, 52, 1),
    ],
)
def test_truncate_is_chosen_where_wal_can_lose_commits(version: tuple[int, ...]) -> None:
    assert sqlite.trusted_journal_mode(version) == "truncate"


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /srv/data nfs4 rw 0 0
/dev/vdb /srv/data/local\\040disk xfs rw 0 0
"""


def test_a_network_filesystem_is_refused_by_name() -> None:
    with pytest.raises(Unavailable, match="nfs4"):
        sqlite.refuse_network_filesystem(Path("/srv/data/fitpoint"), MOUNTS)


@pytest.mark.parametrize("folder", ["/srv", "/srv/database", "/srv/data/local disk/fitpoint"])
def test_a_local_disk_is_accepted_beside_and_below_a_network_one(folder: str) -> None:
    sqlite.refuse_network_filesystem(Path(folder), MOUNTS)


def test_a_disk_that_cannot_do_the_journal_mode_is_told() -> None:
    connection = sqlite.driver().connect(":memory:")
    try:
        with pytest.raises(Unavailable, match="keeps it in memory"):
            sqlite.prepare(connection, "wal", 0.1)
    finally:
        connection.close()


def test_an_error_that_says_nothing_of_the_database_stays_what_it_is() -> None:
    assert sqlite.as_unavailable(NoResultFound()) is None


def test_without_pysqlite3_the_standard_librarys_sqlite_does_it_all(tmp_path: Path) -> None:
    """As on a processor for which pysqlite3 has no wheel; the version gate decides the journal."""
    script = """
import sys
sys.modules["pysqlite3"] = None
import sqlite3
from service.store import jobs, migrations, sqlite
from service.store.database import Database
from tests.store import samples
url = sys.argv[1]
migrations.migrate(url)
database = Database.open(url)
model = samples.train(database, name="m")
with database.read() as s:
    assert jobs.counts(s)["succeeded"] == 1
assert database.about() == {
    "dialect": "sqlite",
    "version": sqlite3.sqlite_version,
    "journal_mode": sqlite.trusted_journal_mode(sqlite3.sqlite_version_info),
}
database.close()
"""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", script, f"sqlite:///{tmp_path}/std.db"],
        cwd=Path(__file__).parents[2],
        check=True,
    )
