"""A lease as its holder keeps it: renewed before it is late, given up only after a long outage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from service.domain.errors import LeaseLost, Unavailable
from service.lease import BEAT_SECONDS, Lease, own_seconds
from service.store import claims, jobs, migrations
from service.store.clock import SystemClock
from service.store.database import Database
from service.store.sqlite import driver
from tests.store import samples
from tests.store.manual_clock import ManualClock


class Held:
    """A claimed job whose lease counts on the store's clock, and its holder on the same one."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.file = folder / "fitpoint.sqlite"
        url = f"sqlite:///{self.file}"
        migrations.migrate(url)
        self.database = Database.open(url, clock=self.clock, busy_seconds=0.1)
        self.job_id, self.token = samples.submit_and_claim(self.database)
        self.lease = self.kept()

    def kept(self, beat_seconds: float = 3600) -> Lease:
        return Lease(
            self.database,
            self.job_id,
            self.token,
            clock=lambda: self.clock.seconds,
            beat_seconds=beat_seconds,
        )

    def rescue(self) -> int:
        with self.database.write() as s:
            return claims.rescue(s)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(driver().connect(str(self.file), isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            yield
            raw.execute("ROLLBACK")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    made = Held(tmp_path)
    with closing(made.database):
        yield made


def test_a_write_under_a_lease_that_is_nearly_over_renews_it_first(held: Held) -> None:
    held.clock.pass_seconds(25.1)
    # What is written does not extend the lease itself.
    held.lease.write(claims.log, ["a line"])
    held.clock.pass_seconds(29)
    assert held.rescue() == 0


def test_a_write_in_time_does_without_a_heartbeat(held: Held) -> None:
    held.clock.pass_seconds(24.9)
    held.lease.write(claims.log, ["a line"])
    held.clock.pass_seconds(5.2)
    assert held.rescue() == 1


def test_a_holder_that_slept_goes_on_where_nobody_took_the_job(held: Held) -> None:
    held.clock.pass_seconds(80)
    held.lease.write(claims.log, ["a line"])
    assert held.rescue() == 0


def test_a_holder_that_slept_writes_nothing_where_somebody_has_the_job(held: Held) -> None:
    held.clock.pass_seconds(31)
    assert held.rescue() == 1
    with pytest.raises(LeaseLost):
        held.lease.write(claims.log, ["a line"])


def test_a_write_waits_for_a_locked_database(held: Held) -> None:
    with held.locked():
        waiting = threading.Thread(target=held.lease.write, args=(claims.log, ["a line"]))
        waiting.start()
        # Longer than the database's own patience of 0.1 s.
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_database_that_stays_away_for_a_minute_beyond_the_lease_is_waited_for(
    held: Held,
) -> None:
    with held.locked():
        held.clock.pass_seconds(89)
        held.lease.require()
        assert not held.lease.is_given_up
        held.clock.pass_seconds(2)
        assert held.lease.is_given_up
        with pytest.raises(Unavailable):
            held.lease.require()
        with pytest.raises(Unavailable):
            held.lease.write(claims.log, ["a line"])


def test_a_heartbeat_of_its_own_keeps_it_and_brings_a_cancel(held: Held) -> None:
    with held.kept(beat_seconds=0.01) as lease:
        for _ in range(3):
            held.clock.pass_seconds(20)
            _wait(lambda: _lease_until(held) == held.clock.seconds + 30)
        assert held.rescue() == 0
        assert lease.seconds_since_cancel is None
        with held.database.write() as s:
            jobs.request_cancel(s, held.job_id)
        _wait(lambda: lease.seconds_since_cancel is not None)
        held.clock.pass_seconds(3)
        assert lease.seconds_since_cancel == 3


def test_a_heartbeat_that_finds_the_job_taken_tells_the_work(held: Held) -> None:
    held.clock.pass_seconds(31)
    assert held.rescue() == 1
    with held.kept(beat_seconds=0.01) as lease:

        def is_lost() -> bool:
            try:
                lease.require()
            except LeaseLost:
                return True
            return False

        _wait(is_lost)


def test_six_heartbeats_and_more_fit_into_a_lease() -> None:
    assert claims.LEASE_SECONDS / BEAT_SECONDS >= 6


def test_its_own_clock_is_the_one_that_counts_leases_on_this_machine() -> None:
    before = own_seconds()
    assert before <= SystemClock().lease().seconds <= own_seconds()


def _lease_until(held: Held) -> float:
    with held.database.read() as s:
        return float(s.execute(text("SELECT lease_until FROM jobs")).scalar_one())


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
