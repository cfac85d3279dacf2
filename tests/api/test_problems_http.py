"""Every error, whatever raised it, is one kind of problem and tells nothing internal."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.problem_kinds import KINDS
from service.api.problems import MAX_BYTES, problem_of
from service.domain.errors import FieldError, FitpointError, InvalidSpec, Unavailable, error_types

INTERNAL = re.compile(r"/home|/tmp|/work|Traceback|sqlite|psycopg|sqlalchemy", re.IGNORECASE)


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    assert len(answer.content) <= MAX_BYTES
    assert not INTERNAL.search(answer.text)
    found: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(found)
    assert found["status"] == status
    return found


def test_every_error_of_the_tree_is_mapped() -> None:
    assert set(error_types()) <= set(KINDS)


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_kind_of_problem_is_explained_where_its_type_points(
    client: TestClient, code: str
) -> None:
    page = client.get(f"/problems/{code}")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain")
    assert KINDS[code].title in page.text


def test_an_unknown_kind_of_problem(client: TestClient) -> None:
    assert "Did you mean 'conflict'?" in problem(client.get("/problems/conflct"), 404)["detail"]


@pytest.mark.parametrize("path", ["/nope", "/v1/datasets/", "/v1/nope", "//", "/v1/jobs/a/b/c"])
def test_an_unknown_path(client: TestClient, path: str) -> None:
    assert problem(client.get(path), 404)["type"] == "/problems/not-found"


def test_a_misspelt_path_names_the_nearest(client: TestClient) -> None:
    assert "Did you mean '/v1/datasets'?" in problem(client.get("/v1/dataset"), 404)["detail"]


def test_a_method_that_a_path_does_not_answer_lists_those_that_it_does(client: TestClient) -> None:
    answer = client.patch("/v1/datasets/x")
    assert problem(answer, 405)["type"] == "/problems/method-not-allowed"
    assert answer.headers["allow"] == "DELETE, GET"
    assert client.delete("/v1/jobs").headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("query", "loc", "words"),
    [
        ("?limit=0", ["query", "limit"], "greater than or equal to 1. Received '0'"),
        ("?limit=101", ["query", "limit"], "less than or equal to 100"),
        ("?limit=x", ["query", "limit"], "valid integer"),
        ("?limti=3", ["query", "limti"], "Did you mean 'limit'?"),
        ("?after=%00", ["query", "after"], "after"),
    ],
)
def test_a_wrong_parameter_is_named(
    client: TestClient, query: str, loc: list[str], words: str
) -> None:
    found = problem(client.get(f"/v1/datasets{query}"), 422)
    assert found["errors"][0]["loc"] == loc
    assert words in found["detail"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"kind":"fit","dataset":"d","outcome":"y","model":{"penalty":NaN}}',
        b'{"kind":"fit","dataset":"d","outcome":"y","model":{"penalty":1e999}}',
        b'{"kind":"fit","dataset":"d","outcome":"y","model":{"penalty":"nan"}}',
        b'{"kind":"fit","dataset":"d","outcome":"y","model":{"penalty":true}}',
        b'{"kind":"fit","dataset":"d","outcome":"y","model":{"epochs":' + b"9" * 5000 + b"}}",
        b'{"kind":"fit","dataset":"d","outcome":"y","outcome":"z"}',
        b'{"kind":"fit","dataset":"\\ud800","outcome":"y"}',
        b'{"kind":"fit","dataset":"\\u0000","outcome":"y"}',
        b'{"kind":"fit","dataset":"\xff","outcome":"y"}',
        b"[" * 100_000,
        b"null",
        b"[]",
        b'"text"',
    ],
)
def test_an_odd_body_is_a_problem_and_no_crash(client: TestClient, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    problem(client.post("/v1/jobs", content=raw, headers=headers), 422)


def test_a_body_without_a_content_type_is_not_guessed_at(client: TestClient) -> None:
    found = problem(client.post("/v1/jobs", content=b"{}"), 415)
    assert "application/json" in found["detail"]


def test_a_body_full_of_wrong_fields_gets_a_small_answer(client: TestClient) -> None:
    tags = {f"k{i}": 1 for i in range(9_000)}
    body = {"kind": "fit", "dataset": "d", "outcome": "y", "tags": tags}
    found = problem(client.post("/v1/jobs", json=body), 422)
    assert len(found["errors"]) == 20


def test_what_was_sent_is_not_echoed_beyond_100_characters(client: TestClient) -> None:
    body = {"kind": "fit", "dataset": "d", "outcome": "y", "name": "s3cret" * 1000}
    answer = client.post("/v1/jobs", json=body)
    problem(answer, 422)
    assert "s3cret" * 17 not in answer.text


def test_an_error_that_nobody_foresaw_tells_nothing(
    app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret of the sqlite file")

    answer = client.get("/broken", headers={"X-Request-ID": "mine"})
    found = problem(answer, 500)
    assert found["type"] == "/problems/internal"
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_an_unavailable_service_says_when_to_try_again(app: FastAPI, client: TestClient) -> None:
    @app.get("/busy")
    def busy() -> None:
        raise Unavailable("The database is busy.")

    answer = client.get("/busy")
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


def test_a_problem_stays_small_and_on_one_line_whatever_it_is_told() -> None:
    nasty = "\x1b[31m\r\nX-Evil: 1\u202e" + "é" * 100_000
    fields = [FieldError(loc=(nasty, 3), msg=nasty, received=nasty)] * 1000
    body = problem_of(InvalidSpec(nasty, errors=fields), nasty).encode()
    assert len(body) <= MAX_BYTES
    found = json.loads(body)
    assert "are left out" in found["detail"]
    assert not any(ord(char) < 32 for char in found["detail"] + found["instance"])


def test_an_error_without_fields_has_no_list_of_them() -> None:
    assert "errors" not in json.loads(problem_of(FitpointError("x"), "/").encode())
