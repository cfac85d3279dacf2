from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from service.domain.errors import KeyReused
from service.store import idempotency, jobs
from service.store.database import Database
from service.store.idempotency import KEPT, Answered, Asked, TwinCommitted
from service.store.named_files import named_files
from service.store.tables import IdempotencyKeyRow, JobRow
from tests.store import samples
from tests.store.manual_clock import ManualClock

ASKED = Asked(scope="POST /v1/jobs", key="k", request_sha256=samples.sha("body"))
ANSWER = Answered(status=202, location="/v1/jobs/job_x", body='{"id": "job_x"}')


def answer(database: Database, asked: Asked = ASKED, kept: Answered = ANSWER) -> Answered | None:
    """Answer a request for the first time, or return what it was answered before."""
    with database.write() as s:
        earlier = idempotency.reserve(s, asked)
        if earlier is None:
            idempotency.keep(s, asked, kept)
    return earlier


def test_the_first_answer_is_kept_for_a_day(database: Database, clock: ManualClock) -> None:
    assert answer(database) is None
    assert answer(database) == ANSWER
    clock.pass_seconds(KEPT.total_seconds() - 1)
    with database.read() as s:
        assert idempotency.answered(s, ASKED) == ANSWER
    clock.pass_seconds(1)
    with database.read() as s:
        assert idempotency.answered(s, ASKED) is None
    later = Answered(status=201, location=None, body="{}")
    assert answer(database, kept=later) is None
    assert answer(database) == later


def test_expired_answers_are_forgotten_and_no_others(
    database: Database, clock: ManualClock
) -> None:
    answer(database)
    clock.pass_seconds(timedelta(hours=23).total_seconds())
    other = Asked(scope=ASKED.scope, key="other", request_sha256=ASKED.request_sha256)
    answer(database, other)
    clock.pass_seconds(timedelta(hours=1).total_seconds())
    with database.write() as s:
        assert idempotency.forget_expired(s) == 1
    assert answer(database, other) == ANSWER


def test_a_key_names_one_request_within_its_scope(database: Database) -> None:
    answer(database)
    with pytest.raises(KeyReused, match="POST /v1/jobs"):
        answer(database, Asked(scope=ASKED.scope, key="k", request_sha256=samples.sha("other")))
    assert answer(database, Asked(scope="POST /v1/datasets", key="k", request_sha256="x")) is None


def test_what_is_undone_keeps_no_answer(database: Database) -> None:
    def made_in_vain() -> None:
        with database.write() as s:
            assert idempotency.reserve(s, ASKED) is None
            idempotency.keep(s, ASKED, ANSWER)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        made_in_vain()
    assert answer(database) is None


def test_of_twins_that_write_at_once_one_makes_and_all_are_answered(database: Database) -> None:
    start = threading.Barrier(6)
    found: list[Answered] = []

    def work() -> None:
        start.wait(10)
        while True:
            try:
                with database.write() as s:
                    earlier = idempotency.reserve(s, ASKED)
                    if earlier is None:
                        job = jobs.submit(s, samples.new_job())
                        earlier = Answered(status=202, location=None, body=job.id)
                        idempotency.keep(s, ASKED, earlier)
                found.append(earlier)
                return
            except TwinCommitted:
                continue

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert len(found) == 6
    assert len({each.body for each in found}) == 1
    with database.read() as s:
        assert s.scalars(select(JobRow.id)).all() == [found[0].body]
        assert s.scalar(select(func.count()).select_from(IdempotencyKeyRow)) == 1


def test_the_named_files_are_those_of_datasets_models_and_unfinished_jobs(
    database: Database,
) -> None:
    with database.write() as s:
        used = samples.register(s, "used").id
        samples.register(s, "other")
    trained = samples.trained(database)
    running, token = samples.submit_and_claim(database, dataset_id=used)
    queued = samples.submit(database).id
    with database.read() as s:
        named = named_files(s)
    assert named.datasets >= {samples.sha("used"), samples.sha("other")}
    assert len(named.artifacts) == 1
    assert named.unfinished == {running, queued}
    assert named.claims == {(running, token)}
    assert trained.id not in named.unfinished
