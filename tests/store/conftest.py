"""A migrated database of its own for every test, on each of the two databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.store import migrations
from service.store.database import Database
from tests.store import private_cluster
from tests.store.manual_clock import ManualClock
from tests.store.private_cluster import PrivateCluster


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database that was migrated and never used: tests copy it."""
    path = tmp_path_factory.mktemp("migrated") / "fitpoint.db"
    migrations.migrate(f"sqlite:///{path}")
    assert not path.with_name("fitpoint.db-wal").exists()
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[PrivateCluster]:
    """A private PostgreSQL server; without its programs the test is skipped, unless required."""
    private_cluster.require()
    with closing(PrivateCluster()) as started:
        yield started


@pytest.fixture
def own_cluster() -> Iterator[PrivateCluster]:
    """A server of the test's own, which it may stop: to recover has little to do there."""
    private_cluster.require()
    with closing(PrivateCluster()) as started:
        yield started


@pytest.fixture(scope="session")
def migrated_template(cluster: PrivateCluster) -> str:
    """The name of a database that was migrated and never used."""
    name = cluster.create()
    migrations.migrate(cluster.url(name))
    return name


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of an empty migrated SQLite database."""
    path = tmp_path / "fitpoint.db"
    shutil.copyfile(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def emptied_database(cluster: PrivateCluster, migrated_template: str) -> str:
    """The name of the database that is emptied for every test, which costs a tenth of a new one."""
    return cluster.create(migrated_template)


@pytest.fixture
def postgres_url(cluster: PrivateCluster, emptied_database: str) -> str:
    """The URL of an empty migrated PostgreSQL database; a test must leave its schema alone."""
    cluster.empty(emptied_database)
    return cluster.url(emptied_database)


@pytest.fixture
def own_postgres_url(cluster: PrivateCluster, migrated_template: str) -> Iterator[str]:
    """The URL of an empty migrated PostgreSQL database that a test may do anything to."""
    name = cluster.create(migrated_template)
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on; it runs on both."""
    name: str = request.param
    return name


@pytest.fixture
def url(dialect: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty migrated database."""
    found: str = request.getfixturevalue("sqlite_url" if dialect == "sqlite" else "postgres_url")
    return found


@pytest.fixture
def own_url(dialect: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty migrated database whose schema a test may change."""
    found: str = request.getfixturevalue(
        "sqlite_url" if dialect == "sqlite" else "own_postgres_url"
    )
    return found


@pytest.fixture
def empty_url(dialect: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database that was never migrated; SQLite's file is not there."""
    if dialect == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('tmp_path')}/empty.db"
    else:
        server: PrivateCluster = request.getfixturevalue("cluster")
        name = server.create()
        yield server.url(name)
        server.drop(name)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(url: str, clock: ManualClock) -> Iterator[Database]:
    opened = Database.open(url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(sqlite_url: str, clock: ManualClock) -> Iterator[Database]:
    opened = Database.open(sqlite_url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def postgres_database(postgres_url: str, clock: ManualClock) -> Iterator[Database]:
    opened = Database.open(postgres_url, clock=clock)
    yield opened
    opened.close()
