"""A migrated database of its own for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store import migrations
from service.store.database import Database
from tests.store.manual_clock import ManualClock


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database that was migrated and never used: tests copy it."""
    path = tmp_path_factory.mktemp("migrated") / "fitpoint.db"
    migrations.migrate(f"sqlite:///{path}")
    assert not path.with_name("fitpoint.db-wal").exists()
    return path


@pytest.fixture
def url(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of an empty migrated database."""
    path = tmp_path / "fitpoint.db"
    shutil.copyfile(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(url: str, clock: ManualClock) -> Iterator[Database]:
    opened = Database.open(url, clock=clock)
    yield opened
    opened.close()
