"""What surrounds every request: limits, ids, headers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.settings import Settings
from tests.api.conftest import Uploads
from tests.api.test_datasets_api import stored_files


def chunks(size: int, total: int) -> Iterator[bytes]:
    for _ in range(total // size):
        yield b" " * size


def test_a_json_body_over_the_limit_is_refused_announced_or_not(
    client: TestClient, settings: Settings
) -> None:
    headers = {"Content-Type": "application/json"}
    size = settings.max_body_bytes + 1
    announced = client.post("/v1/jobs", content=b" " * size, headers=headers)
    chunked = client.post("/v1/jobs", content=chunks(1000, 2 * size), headers=headers)
    for answer in (announced, chunked):
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "/problems/too-large"
    fits = client.post("/v1/jobs", content=b" " * settings.max_body_bytes, headers=headers)
    assert fits.status_code == 422


def test_an_upload_over_the_limit_is_refused_and_nothing_is_left(
    client: TestClient, upload: Uploads, settings: Settings
) -> None:
    announced = upload("big", b"a\n" + b"1\n" * settings.max_upload_bytes)
    assert announced.status_code == 413
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="t"\r\n\r\na\n'

    def form() -> Iterator[bytes]:
        yield head
        yield from chunks(100_000, 2 * settings.max_upload_bytes)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    chunked = client.post("/v1/datasets", content=form(), headers=headers)
    assert chunked.status_code == 413
    assert chunked.headers["content-type"] == "application/problem+json"
    assert stored_files(settings) == []


def test_an_upload_may_be_larger_than_a_json_body(upload: Uploads, settings: Settings) -> None:
    table = b"a\n" + b"12345\n" * (settings.max_body_bytes // 4)
    assert upload("fits", table, options=None).status_code == 201


def test_options_over_the_limit_of_a_body_are_refused(upload: Uploads, settings: Settings) -> None:
    refused = upload("x", options=" " * (settings.max_body_bytes + 1))
    assert refused.status_code == 413


@pytest.mark.parametrize("sent", ["abc-1", "A.b_c", "x" * 128])
def test_a_request_id_is_echoed(client: TestClient, sent: str) -> None:
    assert client.get("/livez", headers={"X-Request-ID": sent}).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>", "a\tb"])
def test_a_request_id_of_another_form_is_replaced(client: TestClient, sent: str) -> None:
    given = client.get("/livez", headers={"X-Request-ID": sent}).headers["x-request-id"]
    assert given.startswith("req_")


def test_every_answer_has_the_security_headers(app: FastAPI, client: TestClient) -> None:
    paths = ["/nope", "/docs", "/docs/docs.js", "/openapi.json"]
    paths += [path for path, methods in app.openapi()["paths"].items() if "get" in methods]
    for template in paths:
        path = template.replace("{n}", "1")
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        policy = headers["content-security-policy"]
        assert "script-src" not in policy, path
        assert "unsafe-eval" not in policy, path
        assert "default-src 'self'" in policy or "default-src 'none'" in policy, path
        assert "access-control-allow-origin" not in headers, path


def test_only_what_has_an_etag_may_be_kept(client: TestClient, table: str) -> None:
    assert client.get("/v1/datasets").headers["cache-control"] == "no-store"
    one = client.get(f"/v1/datasets/{table}")
    assert one.headers["cache-control"] == "private, no-cache"
    etag = one.headers["etag"]
    assert etag.startswith('"')
    for sent in (etag, f'"other", {etag}', "*", f"W/{etag}"):
        again = client.get(f"/v1/datasets/{table}", headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    other = client.get(f"/v1/datasets/{table}", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/jobs", "/v1/aliases/x"])
def test_a_body_that_is_compressed_on_its_way_is_refused(client: TestClient, path: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    method = "PUT" if "aliases" in path else "POST"
    answer = client.request(method, path, content=b"\x1f\x8b", headers=headers)
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.json()["detail"]
