"""A dead worker is known by its lock, at once; a living one is left alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.presence import Presence, rescue_from_dead_workers, rescue_now
from service.settings import Settings
from service.store import claims, jobs, migrations, workers
from service.store.database import Database
from tests.store import samples
from tests.store.test_store_rescue import count

HOLDER = """
import signal, sys
from pathlib import Path
from service.presence import Presence
from service.settings import Settings
held = Presence(Settings(data_dir=Path(sys.argv[1])), "wrk_a")
print("held", flush=True)
signal.pause()
"""


class Holder:
    """A process that holds the presence of `wrk_a`, as a worker does."""

    def __init__(self, settings: Settings) -> None:
        command = [sys.executable, "-c", HOLDER, str(settings.data_dir)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "held\n"

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path)
    migrations.migrate(made.database_url)
    return made


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    with closing(Database.open(settings.database_url)) as opened:
        yield opened


def test_jobs_of_a_killed_worker_are_free_at_once_and_those_of_a_living_one_stay(
    settings: Settings, database: Database
) -> None:
    with database.write() as s:
        workers.register(s, "wrk_a", "host", 1, "cpu")
        workers.register(s, "wrk_b", "host", 2, "cpu")
    lost, _ = samples.submit_and_claim(database)
    samples.submit(database)
    kept, token = samples.claim(database, "wrk_b")
    own = Presence(settings, "wrk_b")
    holder = Holder(settings)
    assert rescue_from_dead_workers(settings, database) == 0
    holder.kill()
    assert rescue_from_dead_workers(settings, database) == 1
    assert rescue_from_dead_workers(settings, database) == 0
    assert samples.get(database, lost).state == "queued"
    assert count(database, lost, "losses") == 1
    with database.write() as s:
        assert claims.heartbeat(s, kept.id, token) is False
        assert [worker.id for worker in workers.page(s).data] == ["wrk_b"]
    own.close()


def test_a_worker_that_ended_in_order_leaves_nothing(
    settings: Settings, database: Database
) -> None:
    Presence(settings, "wrk_a").close()
    assert list(settings.data_dir.glob("workers/*")) == []
    assert rescue_from_dead_workers(settings, database) == 0


def test_more_jobs_than_one_rescue_takes_are_all_taken(
    settings: Settings, database: Database
) -> None:
    with database.write() as s:
        for _ in range(101):
            jobs.submit(s, samples.new_job())
            claims.claim(s, "wrk_a")
    holder = Holder(settings)
    holder.kill()
    assert rescue_from_dead_workers(settings, database) == 101


def test_who_has_no_database_open_rescues_too_and_is_not_felled_by_one_that_is_away(
    settings: Settings, database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost, _ = samples.submit_and_claim(database)
    Holder(settings).kill()
    away = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'none' / 'x'}"})
    rescue_now(away)
    assert "next look" in caplog.text
    rescue_now(settings)
    assert samples.get(database, lost).state == "queued"


def test_a_worker_that_begins_while_others_look_for_dead_ones_keeps_its_lock(
    settings: Settings, database: Database
) -> None:
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            rescue_from_dead_workers(settings, database)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for number in range(50):
            presence = Presence(settings, f"wrk_{number}")
            # Another one finds its file, and finds it held.
            assert (settings.data_dir / "workers" / f"wrk_{number}.lock").exists()
            presence.close()
    finally:
        stop.set()
        looking.join()
