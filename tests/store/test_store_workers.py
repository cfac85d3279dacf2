from __future__ import annotations

from service.store import workers
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock


def begin(database: Database, host: str = "here") -> str:
    with database.write() as s:
        worker_id = workers.new_worker_id(s)
        workers.register(s, worker_id, host, 42, "cpu: 2 cores")
    return worker_id


def test_a_worker_is_listed_with_what_it_does_and_how_long_ago_it_said_so(
    database: Database, clock: ManualClock
) -> None:
    began = clock.utc()
    worker_id = begin(database)
    clock.pass_seconds(3)
    job_id = samples.submit(database).id
    with database.write() as s:
        workers.beat(s, worker_id, "here", 42, "cpu: 2 cores", "busy", job_id)
    clock.pass_seconds(4)
    with database.read() as s:
        (worker,) = workers.page(s).data
    assert (worker.id, worker.host, worker.pid) == (worker_id, "here", 42)
    assert (worker.state, worker.job_id, worker.alive) == ("busy", job_id, True)
    assert worker.heartbeat_age_seconds == 4
    assert worker.started_at == began


def test_a_silent_worker_counts_as_gone_after_six_beats_and_is_forgotten_after_an_hour(
    database: Database, clock: ManualClock
) -> None:
    silent = begin(database)
    clock.pass_seconds(30)
    with database.read() as s:
        assert workers.alive(s) == 1
    clock.pass_seconds(1)
    living = begin(database)
    with database.read() as s:
        assert workers.alive(s) == 1
        assert [worker.alive for worker in workers.page(s).data] == [True, False]
    clock.pass_seconds(3600)
    newest = begin(database)
    with database.read() as s:
        assert [worker.id for worker in workers.page(s).data] == [newest, living]
    assert silent < living < newest


def test_workers_of_an_earlier_boot_are_gone(database: Database, clock: ManualClock) -> None:
    begin(database)
    clock.restart_machine()
    with database.read() as s:
        assert workers.alive(s) == 0
        (old,) = workers.page(s).data
        assert (old.heartbeat_age_seconds, old.alive) == (None, False)
    new = begin(database)
    with database.read() as s:
        assert [worker.id for worker in workers.page(s).data] == [new]


def test_a_forgotten_worker_that_lives_is_entered_again_and_one_that_leaves_is_struck_off(
    database: Database,
) -> None:
    worker_id = begin(database)
    with database.write() as s:
        workers.leave(s, worker_id)
        assert workers.page(s).data == []
        workers.beat(s, worker_id, "here", 42, "cpu", "draining")
        assert workers.alive(s) == 1


def test_pages_of_workers_give_each_once(database: Database) -> None:
    made = [begin(database, f"host-{number}") for number in range(5)]
    with database.read() as s:
        first = workers.page(s, limit=3)
        second = workers.page(s, limit=3, after=first.next)
    assert [worker.id for worker in first.data + second.data] == made[::-1]
    assert second.next is None
