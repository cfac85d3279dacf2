"""Events over HTTP where it is hard: ends, ids from elsewhere, slow readers, deleted jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.api import feeds
from service.api.feeds import Feeds
from service.domain.errors import Diverged
from service.store import events
from service.store.database import Database
from tests.api.numpy_trainer import NumpyTrainer


@pytest.fixture
def job_id(client: TestClient, fit: dict[str, Any]) -> str:
    answer = client.post("/v1/jobs", json=fit)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def ended(trainer: NumpyTrainer) -> None:
    claim = trainer.claim()
    trainer.record(claim, 1, [{"loss": 0.5}])
    trainer.fail(claim, Diverged("The loss was not finite."))


def numbers(text: bytes) -> list[int]:
    return [int(line[4:]) for line in text.split(b"\n") if line.startswith(b"id: ")]


def rows(database: Database, job_id: str) -> list[int]:
    with database.read() as s:
        return [event.n for event in events.after(s, job_id, 0, 100_000)]


def test_after_the_last_event_there_is_nothing_to_come_back_for(
    client: TestClient, job_id: str, trainer: NumpyTrainer, database: Database
) -> None:
    ended(trainer)
    last = rows(database, job_id)[-1]
    path = f"/v1/jobs/{job_id}/events"
    for sent in (last, last + 1000):
        answer = client.get(path, headers={"Last-Event-ID": str(sent)})
        assert (answer.status_code, answer.content) == (204, b"")
    assert client.post(f"/v1/jobs/{job_id}/retry").status_code == 202
    ended(trainer)
    # A new run, told from its beginning to who has heard the earlier one.
    again = client.get(path, headers={"Last-Event-ID": str(last)})
    assert again.status_code == 200
    assert numbers(again.content) == rows(database, job_id)


def test_an_id_from_the_future_does_not_silence_what_comes(
    job_id: str, trainer: NumpyTrainer, database: Database, client: TestClient
) -> None:
    before = rows(database, job_id)
    received = b""
    headers = {"Last-Event-ID": "1000000"}
    with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        for piece in answer.iter_bytes():
            if not received:
                ended(trainer)
            received += piece
    assert numbers(received) == rows(database, job_id)[len(before) :]


def test_a_stream_ends_when_its_job_is_deleted(client: TestClient, job_id: str) -> None:
    pieces = 0
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        for _ in answer.iter_bytes():
            pieces += 1
            if pieces == 1:
                assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
                assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert client.get(f"/v1/jobs/{job_id}/events").status_code == 404


def test_followers_fast_and_slow_and_late_hear_the_same(
    job_id: str, trainer: NumpyTrainer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed that remembers little, pages that are small: every way to catch up is taken."""
    monkeypatch.setattr(feeds, "REMEMBERED", 3)
    monkeypatch.setattr(feeds, "PAGE", 4)
    monkeypatch.setattr(feeds, "POLL_SECONDS", 0.005)

    async def heard(stream: AsyncIterator[bytes], pause: float) -> list[int]:
        text = b""
        async for piece in stream:
            text += piece
            await asyncio.sleep(pause)
        return numbers(text)

    async def scenario() -> list[list[int]]:
        live = Feeds(database, asyncio.Event())
        tasks = [asyncio.create_task(heard(live.follow(job_id, 0), p)) for p in (0, 0.01, 0.1)]
        claim = await asyncio.to_thread(trainer.claim)
        epoch = 1
        for step in range(30):
            values = [{"loss": 0.5}] * (step % 3 + 1)
            await asyncio.to_thread(trainer.record, claim, epoch, values)
            epoch += len(values)
            if step == 15:
                tasks.append(asyncio.create_task(heard(live.follow(job_id, 0), 0)))
            await asyncio.sleep(0.01)
        failure = Diverged("The loss was not finite.")
        await asyncio.to_thread(trainer.fail, claim, failure)
        found = await asyncio.gather(*tasks)
        await live.close()
        return list(found)

    found = asyncio.run(scenario())
    told = rows(database, job_id)
    assert len(told) == 2 + 60 + 2
    for one in found:
        assert one == told
