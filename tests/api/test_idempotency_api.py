"""`Idempotency-Key`: a request that is sent again is answered again, and makes nothing twice."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update

from service.domain.errors import Diverged
from service.store import idempotency
from service.store.database import Database
from service.store.tables import IdempotencyKeyRow
from tests.api.numpy_trainer import NumpyTrainer, fitted

KEY = {"Idempotency-Key": "b1946ac9-2492-4d23"}


def ids(client: TestClient, path: str = "/v1/jobs") -> list[str]:
    return [item["id"] for item in client.get(path).json()["data"]]


def test_the_same_request_is_answered_again_and_makes_one_job(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    first = client.post("/v1/jobs", json=fit, headers=KEY)
    assert first.status_code == 202
    assert "idempotent-replayed" not in first.headers
    trainer.claim()
    again = client.post("/v1/jobs", json=fit, headers=KEY)
    # The first answer, not the job as it is now.
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert ids(client) == [first.json()["id"]]


def test_a_body_that_means_the_same_is_the_same(client: TestClient, fit: dict[str, Any]) -> None:
    first = client.post("/v1/jobs", json=fit, headers=KEY)
    reordered = json.dumps(dict(reversed(fit.items())), indent=4)
    written = re.sub(r'"epochs": 3\b', '"epochs": 3.0', reordered)
    assert written != reordered
    again = client.post(
        "/v1/jobs", content=written, headers={**KEY, "Content-Type": "application/json"}
    )
    assert again.content == first.content


@pytest.mark.parametrize("change", [{"name": "other"}, {"priority": 1}])
def test_another_body_with_the_key_is_refused_and_makes_nothing(
    client: TestClient, fit: dict[str, Any], change: dict[str, Any]
) -> None:
    first = client.post("/v1/jobs", json=fit, headers=KEY)
    refused = client.post("/v1/jobs", json={**fit, **change}, headers=KEY)
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/idempotency-key-reused"
    assert client.post("/v1/jobs?reuse=true", json=fit, headers=KEY).status_code == 422
    assert ids(client) == [first.json()["id"]]


def test_without_a_key_or_with_another_one_there_is_another_job(
    client: TestClient, fit: dict[str, Any]
) -> None:
    for headers in (KEY, {}, {}, {"Idempotency-Key": "other"}):
        assert client.post("/v1/jobs", json=fit, headers=headers).status_code == 202
    assert len(ids(client)) == 4


def test_a_dry_run_and_a_refusal_leave_the_key_free(
    client: TestClient, fit: dict[str, Any]
) -> None:
    assert client.post("/v1/jobs?dry_run=true", json=fit, headers=KEY).status_code == 200
    wrong = client.post("/v1/jobs", json={**fit, "outcome": "Y"}, headers=KEY)
    assert wrong.status_code == 422
    made = client.post("/v1/jobs", json=fit, headers=KEY)
    assert made.status_code == 202
    assert "idempotent-replayed" not in made.headers


def test_the_first_answer_comes_again_though_its_dataset_is_gone(
    client: TestClient, fit: dict[str, Any]
) -> None:
    first = client.post("/v1/jobs", json=fit, headers=KEY)
    client.post(f"{first.headers['location']}/cancel")
    assert client.delete(f"/v1/datasets/{fit['dataset']}").status_code == 204
    assert client.post("/v1/jobs", json=fit, headers=KEY).content == first.content


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "\u00e9"])
def test_a_key_that_is_none_is_refused(client: TestClient, fit: dict[str, Any], key: str) -> None:
    refused = client.post("/v1/jobs", json=fit, headers={b"Idempotency-Key": key.encode()})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert ids(client) == []


def in_threads(work: Callable[[], Any], count: int) -> list[Any]:
    answers: list[Any] = [None] * count
    start = threading.Barrier(count)

    def one(at: int) -> None:
        start.wait(10)
        answers[at] = work()

    threads = [threading.Thread(target=one, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return answers


def test_twins_that_come_at_once_make_one_job(client: TestClient, fit: dict[str, Any]) -> None:
    for at in range(5):
        headers = {"Idempotency-Key": f"twins-{at}"}
        answers = in_threads(partial(client.post, "/v1/jobs", json=fit, headers=headers), 8)
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        fresh = [answer for answer in answers if "idempotent-replayed" not in answer.headers]
        assert len(fresh) == 1
        assert len(ids(client)) == at + 1


def test_a_commit_that_fails_keeps_no_answer(
    client: TestClient, database: Database, fit: dict[str, Any]
) -> None:
    with database.alter() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER spoil AFTER INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'spoilt'); END"
            )
        )
    assert client.post("/v1/jobs", json=fit, headers=KEY).status_code == 500
    with database.alter() as connection:
        connection.execute(text("DROP TRIGGER spoil"))
    made = client.post("/v1/jobs", json=fit, headers=KEY)
    assert made.status_code == 202
    assert "idempotent-replayed" not in made.headers
    assert ids(client) == [made.json()["id"]]


def test_a_key_is_good_for_24_hours(
    client: TestClient, database: Database, fit: dict[str, Any]
) -> None:
    def older(hours: float) -> None:
        with database.write() as s:
            at = s.scalars(select(IdempotencyKeyRow.created_at)).one()
            row = update(IdempotencyKeyRow).values(created_at=at - timedelta(hours=hours))
            s.execute(row)

    first = client.post("/v1/jobs", json=fit, headers=KEY)
    older(23.9)
    assert client.post("/v1/jobs", json=fit, headers=KEY).content == first.content
    older(0.2)
    # Long ago: another body may have the key now.
    second = client.post("/v1/jobs", json={**fit, "name": "second"}, headers=KEY)
    assert second.status_code == 202
    assert ids(client) == [second.json()["id"], first.json()["id"]]
    older(24.1)
    with database.write() as s:
        assert idempotency.forget_expired(s) == 1
        assert idempotency.forget_expired(s) == 0


def test_an_upload_is_registered_once(client: TestClient) -> None:
    def send(name: str, rows: bytes) -> Any:
        return client.post(
            "/v1/datasets", data={"name": name}, files={"file": ("t.csv", rows)}, headers=KEY
        )

    first = send("mine", b"a,y\n1,no\n2,yes\n")
    assert first.status_code == 201, first.text
    # Another boundary, the same form. Without the key the name would be taken.
    again = send("mine", b"a,y\n1,no\n2,yes\n")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert send("mine", b"a,y\n1,no\n3,yes\n").status_code == 422
    assert send("other", b"a,y\n1,no\n2,yes\n").status_code == 422
    assert ids(client, "/v1/datasets") == [first.json()["id"]]


def test_a_built_in_dataset_is_registered_once(client: TestClient) -> None:
    body = {"name": "iris", "builtin": "iris"}
    first, again = (client.post("/v1/datasets", json=body, headers=KEY) for _ in range(2))
    assert (again.status_code, again.content) == (201, first.content)
    # The key is of the path too: the same one names another request elsewhere.
    assert client.post("/v1/jobs", json={"kind": "fit"}, headers=KEY).status_code == 422


def test_retry_and_replay_are_done_once_a_key(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = client.post("/v1/jobs", json=fit).headers["location"]
    trainer.fail(trainer.claim(), Diverged("The loss was not finite."))
    first, again = (client.post(f"{path}/retry", headers=KEY) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == again.content
    assert client.post(f"{path}/retry").status_code == 409
    trainer.succeed(trainer.claim())
    model = fitted(trainer, client, {**fit, "name": "other"})
    replay = f"/v1/jobs/{model['job_id']}/replay"
    first, again = (client.post(replay, headers=KEY) for _ in range(2))
    assert first.status_code == 202
    assert first.content == again.content
    assert len(ids(client)) == 3


def test_the_document_tells_of_the_header(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    for path in ("/v1/jobs", "/v1/datasets", "/v1/jobs/{j}/retry", "/v1/jobs/{j}/replay"):
        parameters = paths[path]["post"]["parameters"]
        assert "Idempotency-Key" in {p["name"] for p in parameters if p["in"] == "header"}
