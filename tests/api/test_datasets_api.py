"""Datasets over HTTP: uploads, built-ins, profiles, rows, counts, pictures."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.settings import Settings
from tests.api.conftest import CSV, Tables, Uploads
from tests.api.numpy_trainer import NumpyTrainer


def stored_files(settings: Settings) -> list[Path]:
    """Every file of the storage but the database's own."""
    kept = [path for path in settings.storage_root.rglob("*") if path.is_file()]
    return [path for path in kept if not path.name.startswith("fitpoint.sqlite")]


def test_an_upload_is_a_resource_with_a_place_and_a_profile(
    client: TestClient, upload: Uploads
) -> None:
    created = upload("first")
    assert created.status_code == 201
    body = created.json()
    assert created.headers["location"] == f"/v1/datasets/{body['id']}"
    assert body["id"].startswith("ds_")
    assert (body["n_rows"], body["n_columns"]) == (60, 5)
    assert body["created_at"].endswith("Z")
    columns = {column["name"]: column for column in body["columns"]}
    assert columns["y"]["levels"] == ["no", "yes"]
    assert columns["y"]["mean"] is None
    assert "levels" not in columns["a"]
    # 0, .25, ..., 14.75: the variance of 60 equally spaced values, n - 1
    assert columns["a"]["sd"] == pytest.approx(np.std(np.arange(60) / 4, ddof=1), rel=1e-14)
    assert list(columns["a"]) == [
        "name",
        "type",
        "n_missing",
        "n_unique",
        "mean",
        "sd",
        "min",
        "max",
    ]
    by_id = client.get(created.headers["location"]).json()
    assert by_id == client.get("/v1/datasets/first").json() == body


def test_gzip_is_known_by_its_content_whatever_the_file_is_called(upload: Uploads) -> None:
    plain = upload("plain").json()
    packed = upload("packed", gzip.compress(CSV.encode()), file="../../etc/passwd%00.csv").json()
    assert packed["sha256"] == plain["sha256"]


def test_a_table_larger_than_one_piece_arrives_whole(upload: Uploads) -> None:
    rows = 150_000
    text = "a,b\n" + "".join(f"{i},{i % 7}\n" for i in range(rows))
    assert len(text) > 1_000_000
    column = upload("long", text, options=None).json()["columns"][0]
    assert (column["n_unique"], column["max"]) == (rows, rows - 1)


def test_a_name_is_given_once(client: TestClient, upload: Uploads, table: str) -> None:
    again = upload(table)
    assert again.status_code == 409
    assert again.json()["type"] == "/problems/conflict"
    assert len(client.get("/v1/datasets").json()["data"]) == 1


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("a,b\n1,2\n3\n", "Line 3"),
        ("a,a\n1,2\n", "'a'"),
        ("a,\n1,2\n", "column 2"),
        ("a,b\n", "row"),
        (b"a,b\n\xff\xfe,2\n", "UTF-8"),
        (b"\x1f\x8bnot really gzip", "gzip"),
    ],
)
def test_a_file_that_is_no_table_is_refused_and_nothing_is_left(
    client: TestClient, upload: Uploads, settings: Settings, file: str | bytes, words: str
) -> None:
    refused = upload("bad", file, options=None)
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert words in refused.json()["detail"]
    assert client.get("/v1/datasets").json()["data"] == []
    assert stored_files(settings) == []


def test_a_value_outside_the_levels_names_row_and_value(upload: Uploads) -> None:
    refused = upload("bad", CSV.replace("no,0.25", "maybe,0.25"))
    assert refused.status_code == 422
    assert "maybe" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("data", "loc", "words"),
    [
        ({}, ["body", "name"], "not there"),
        ({"name": "../x"}, ["body", "name"], "letters"),
        ({"name": "ok", "nmae": "x"}, ["body", "nmae"], "Did you mean 'name'?"),
        (
            {"name": "ok", "options": '{"delimiter": ";"}'},
            ["body", "options", "delimiter"],
            "delim",
        ),
        ({"name": "ok", "options": '{"skip": -1}'}, ["body", "options", "skip"], "greater"),
        ({"name": ["one", "two"]}, ["body", "name"], "twice"),
        (
            {"name": "ok", "options": '{"columns": {"nope": {"type": "factor"}}}'},
            ["body", "options", "columns", "nope"],
            "nope",
        ),
    ],
)
def test_a_wrong_part_of_the_form_is_named(
    client: TestClient, settings: Settings, data: dict[str, Any], loc: list[str], words: str
) -> None:
    refused = client.post("/v1/datasets", data=data, files={"file": ("t.csv", CSV)})
    assert refused.status_code == 422, refused.text
    assert words in refused.text
    assert refused.json()["errors"][0]["loc"] == loc
    assert stored_files(settings) == []


def test_a_form_without_a_file(client: TestClient) -> None:
    refused = client.post("/v1/datasets", files={"name": (None, "x")})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "file"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="t"\r\n\r\ny,a\n1,2\n',
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    ],
)
def test_a_broken_form_is_refused(client: TestClient, settings: Settings, raw: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refused = client.post("/v1/datasets", content=raw, headers=headers)
    assert refused.status_code == 422, refused.text
    assert stored_files(settings) == []


def test_a_form_without_a_boundary(client: TestClient) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    assert client.post("/v1/datasets", content=b"x", headers=headers).status_code == 422


def test_a_file_may_also_be_sent_without_a_file_name_and_options_with_one(
    client: TestClient,
) -> None:
    options = json.dumps({"columns": {"y": {"type": "factor"}}})
    parts: Any = [("name", (None, "x")), ("file", (None, CSV)), ("options", ("o.json", options))]
    created = client.post("/v1/datasets", files=parts)
    assert created.status_code == 201, created.text
    assert created.json()["columns"][0]["type"] == "factor"


def test_another_content_type_is_not_read(client: TestClient) -> None:
    refused = client.post("/v1/datasets", content=CSV, headers={"Content-Type": "text/csv"})
    assert refused.status_code == 415
    assert "multipart/form-data" in refused.json()["detail"]


def test_a_dataset_that_a_library_ships(client: TestClient) -> None:
    created = client.post("/v1/datasets", json={"name": "flowers", "builtin": "iris"})
    assert created.status_code == 201, created.text
    assert created.json()["n_rows"] > 100


def test_an_unknown_library_dataset_names_the_known_ones(client: TestClient) -> None:
    refused = client.post("/v1/datasets", json={"name": "x", "builtin": "irsi"})
    assert refused.status_code == 422
    assert "Did you mean 'iris'?" in refused.json()["detail"]


def test_lists_are_newest_first_and_paged(client: TestClient, register: Tables) -> None:
    ids = [register(f"t{i}") for i in range(5)]
    first = client.get("/v1/datasets?limit=2").json()
    assert [item["id"] for item in first["data"]] == ids[:2:-1]
    assert first["has_more"] is True
    assert "columns" not in first["data"][0]
    second = client.get("/v1/datasets", params={"limit": 3, "after": first["next"]}).json()
    assert [item["id"] for item in second["data"]] == ids[2::-1]
    assert (second["has_more"], second["next"]) == (False, None)
    assert client.get("/v1/datasets?after=nonsense").status_code == 422


def test_a_dataset_in_use_stays_until_its_jobs_have_ended(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    client.post("/v1/jobs", json=fit)
    assert client.delete("/v1/datasets/table").status_code == 409
    trainer.succeed(trainer.claim())
    gone = client.delete("/v1/datasets/table")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get("/v1/datasets/table").status_code == 404


def test_rows_are_counted_from_one(client: TestClient, table: str) -> None:
    rows = client.get(f"/v1/datasets/{table}/rows?start=2&count=2").json()["data"]
    assert rows == [
        {"y": "no", "a": 0.25, "b": 1, "zero": 7, "t": "v"},
        {"y": "no", "a": 0.5, "b": 2, "zero": 7, "t": "u"},
    ]
    assert len(client.get(f"/v1/datasets/{table}/rows?start=59").json()["data"]) == 2
    assert client.get(f"/v1/datasets/{table}/rows?start=61").json() == {"data": []}
    assert client.get(f"/v1/datasets/{table}/rows?start=0").status_code == 422


def test_missing_values_are_null_and_counted_last(client: TestClient, register: Tables) -> None:
    register("gaps", "g,n\nb,1\n,NA\na,2\na,2\n", options={})
    assert client.get("/v1/datasets/gaps/rows?start=2&count=1").json()["data"] == [
        {"g": None, "n": None}
    ]
    assert client.get("/v1/datasets/gaps/tab?column=g").json()["data"] == [
        {"level": "a", "n": 2, "prop": 0.5},
        {"level": "b", "n": 1, "prop": 0.25},
        {"level": None, "n": 1, "prop": 0.25},
    ]
    numbers = client.get("/v1/datasets/gaps/tab?column=n&sort=true").json()["data"]
    assert [(row["level"], row["n"]) for row in numbers] == [("2", 2), ("1", 1), (None, 1)]


def test_counts_come_in_level_order_or_by_size(client: TestClient, table: str) -> None:
    counts = client.get(f"/v1/datasets/{table}/tab?column=t").json()["data"]
    assert [row["level"] for row in counts] == ["u", "v"]
    by_size = client.get(f"/v1/datasets/{table}/tab?column=y&sort=true").json()["data"]
    assert by_size[0] == {"level": "no", "n": 40, "prop": pytest.approx(2 / 3, rel=1e-15)}


def test_an_unknown_column_names_the_nearest(client: TestClient, table: str) -> None:
    refused = client.get(f"/v1/datasets/{table}/tab?column=zer0")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["query", "column"]
    assert "Did you mean 'zero'?" in refused.json()["detail"]


@pytest.mark.parametrize("column", ["y", "a", "t"])
@pytest.mark.parametrize(("extension", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_charts_are_pictures_with_an_etag(
    client: TestClient, table: str, column: str, extension: str, start: bytes
) -> None:
    path = f"/v1/datasets/{table}/plots/bar.{extension}?column={column}"
    drawn = client.get(path)
    assert drawn.status_code == 200
    assert drawn.content.startswith(start)
    assert "script" not in drawn.headers["content-security-policy"]
    again = client.get(path, headers={"If-None-Match": drawn.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_chart_in_another_format(client: TestClient, table: str) -> None:
    assert client.get(f"/v1/datasets/{table}/plots/bar.gif?column=y").status_code == 422


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture
def pictures(register: Tables) -> str:
    """Two rows of 2 x 3 pixels, with the label and a numeric column beside them."""
    text = "digit,x1,x2,x3,x4,x5,x6,weight\nsévén,0,51,102,153,204,255,9\ntwo,0,0,0,0,0,0,9\n"
    register("pictures", text, options={})
    return "/v1/datasets/pictures/rows"


def test_a_row_is_a_picture_whose_x_runs_fastest(client: TestClient, pictures: str) -> None:
    drawn = client.get(f"{pictures}/1/image.png?width=3&height=2")
    assert drawn.status_code == 200, drawn.text
    assert drawn.headers["content-type"] == "image/png"
    assert drawn.headers["x-label"] == "s%C3%A9v%C3%A9n"
    assert pixels(drawn.content).tolist() == [[0, 51, 102], [153, 204, 255]]


def test_a_pixel_can_be_overridden(client: TestClient, pictures: str) -> None:
    drawn = client.get(f"{pictures}/2/image.png?width=3&height=2&x5=255&x1=51")
    assert drawn.headers["x-label"] == "two"
    assert pixels(drawn.content).tolist() == [[51, 0, 0], [0, 255, 0]]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("1/image.png?width=5&height=2", 422, "product"),
        ("1/image.png", 422, "square"),
        ("3/image.png?width=3&height=2", 404, "1 to 2"),
        ("0/image.png?width=3&height=2", 422, "greater"),
        ("1/image.png?width=3&height=2&x9=1", 422, "x9"),
        ("1/image.png?width=3&height=2&x1=red", 422, "number"),
        ("1/image.png?width=3&height=2&x1=nan", 422, "finite"),
    ],
)
def test_a_picture_that_cannot_be_drawn(
    client: TestClient, pictures: str, query: str, status: int, words: str
) -> None:
    refused = client.get(f"{pictures}/{query}")
    assert refused.status_code == status, refused.text
    assert words in refused.json()["detail"]


def test_a_row_of_a_square_needs_no_size(client: TestClient, register: Tables) -> None:
    register("square", "y,x1,x2,x3,x4\n5,0,255,0,255\n", options={})
    drawn = client.get("/v1/datasets/square/rows/1/image.png")
    # y is a number here, and still no pixel: the pixels are called x1, x2, ...
    assert drawn.headers["x-label"] == "5"
    assert pixels(drawn.content).shape == (2, 2)


@pytest.mark.parametrize("content", [None, b"", b"no Arrow file at all"])
def test_rows_whose_file_is_gone_or_damaged_are_unavailable_not_a_crash(
    client: TestClient, table: str, settings: Settings, content: bytes | None
) -> None:
    for path in settings.datasets_dir.rglob("*.arrow"):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    answer = client.get(f"/v1/datasets/{table}/rows")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert str(settings.data_dir) not in answer.text
