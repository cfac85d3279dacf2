"""Every hostile file has an answer, and the API lives on as if it had not come."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from tests.api.conftest import Uploads
from tests.api.hostile_files import GOOD, HOSTILE, Hostile, memory_bytes


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_file_gets_its_answer(
    client: TestClient, upload: Uploads, settings: Settings, hostile: Hostile
) -> None:
    raw = hostile.make()
    got = upload("hostile", raw, hostile.options, file="../../etc/passwd%00.csv")
    assert got.status_code == hostile.status, got.text
    body = got.json()
    assert client.get("/livez").status_code == 200
    if hostile.status == 201:
        assert body["n_rows"] == hostile.rows
        _look_at(client, body)
        return
    assert got.headers["content-type"] == "application/problem+json"
    assert hostile.says in body["detail"]
    # Whatever came: a problem is short, and carries no path of this machine.
    assert len(got.content) < 8192
    assert str(settings.data_dir) not in got.text
    assert "Traceback" not in got.text
    assert client.get("/v1/datasets").json()["data"] == []
    left = [path for path in settings.storage_root.rglob("*") if path.is_file()]
    assert [path for path in left if not path.name.startswith("fitpoint.sqlite")] == []


def _look_at(client: TestClient, body: Any) -> None:
    """Ask for everything that shows the table: names and cells may be anything."""
    paths = ["rows", "correlation", "plots/correlation.svg", "file?format=csv", "file"]
    for column in body["columns"]:
        named = f"?column={quote(column['name'], safe='')}"
        paths += [f"{what}{named}" for what in ("tab", "distribution", "plots/bar.svg")]
    for path in paths:
        got = client.get(f"/v1/datasets/hostile/{path}")
        assert got.status_code == 200, (path, got.text)


# Twelve children: more than the usual limit only where others keep the processors busy.
@pytest.mark.timeout(60)
def test_the_api_process_does_not_grow_by_what_it_refuses(upload: Uploads) -> None:
    large = [
        b"x" * 1_900_000,
        b'a,b\n1,"2\n' + b"3,4\n" * 450_000,
        gzip.compress(bytes(2**26)),
        b"a,b\n" + b"1,2\n" * 400_000 + b"3\n",
    ]
    # Once before it counts: what is imported and pooled stays.
    for raw in large:
        assert upload("x", raw, None).status_code in (413, 422)
    before = memory_bytes()
    for _ in range(2):
        for raw in large:
            assert upload("x", raw, None).status_code in (413, 422)
    # The client is in this process, too; each of the eight bodies was held twice at a time.
    assert memory_bytes() - before < 24_000_000


def test_an_upload_after_all_of_them_is_read(client: TestClient, upload: Uploads) -> None:
    for raw in (b"\0" * 1000, b"PAR1", b""):
        assert upload("good", raw, None).status_code == 422
    made = upload("good", GOOD, json.dumps({"columns": {"b": {"type": "factor"}}}))
    assert made.status_code == 201, made.text
    assert made.json()["n_rows"] == 300
    assert client.get("/v1/datasets/good/tab?column=b").status_code == 200
