"""Looking at datasets over HTTP: how they were read, counts, distributions, correlations."""

from __future__ import annotations

import io
import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.store import dataset_origins, datasets
from service.store.database import Database
from tests.api.conftest import Tables, Uploads
from tests.api.hostile_files import memory_bytes

MIXED = "g;n;when;code\na;1,5;2020-01-31;01\nb;-;2020-02-29;02\na;2,5;-;03\na;4,5;2020-01-31;04\n"
READ: dict[str, Any] = {
    "delim": ";",
    "decimal": ",",
    "na": ["-"],
    "columns": {"g": {"type": "factor"}, "when": {"type": "date"}},
}


@pytest.fixture
def mixed(upload: Uploads) -> str:
    """The name of a dataset with a factor, a number, a date and text."""
    assert upload("mixed", MIXED, READ).status_code == 201
    return "mixed"


def test_a_dataset_tells_how_it_was_read(client: TestClient, mixed: str) -> None:
    body = client.get(f"/v1/datasets/{mixed}").json()
    reading = body["reading"]
    columns = reading.pop("columns")
    assert reading == {
        "format": "csv",
        "delim": ";",
        "decimal": ",",
        "quote": '"',
        "encoding": "utf-8",
        "skip": 0,
        "na": ["-"],
    }
    assert [(c["name"], c["type"], c["how"], c["because"]) for c in columns] == [
        ("g", "factor", "declared", None),
        ("n", "numeric", "guessed", None),
        ("when", "date", "declared", None),
        ("code", "text", "guessed", "row 1 is '01'"),
    ]
    assert body["split"] is None
    when = body["columns"][2]
    assert (when["type"], when["min"], when["max"]) == ("date", "2020-01-31", "2020-02-29")


def test_a_dataset_that_a_library_ships_was_not_read(client: TestClient) -> None:
    made = client.post("/v1/datasets", json={"name": "flowers", "builtin": "iris"}).json()
    assert (made["reading"], made["split"]) == (None, None)


def test_where_a_dataset_comes_from_goes_with_it(
    client: TestClient, mixed: str, database: Database
) -> None:
    with database.read() as s:
        found = datasets.get(s, mixed)
        assert dataset_origins.of(s, found.id).na == ("-",)
    assert client.delete(f"/v1/datasets/{mixed}").status_code == 204
    with database.read() as s:
        assert dataset_origins.of(s, found.id).reading is None


def test_dates_are_text_in_rows_and_counts(client: TestClient, mixed: str) -> None:
    rows = client.get(f"/v1/datasets/{mixed}/rows").json()["data"]
    assert [row["when"] for row in rows] == ["2020-01-31", "2020-02-29", None, "2020-01-31"]
    counts = client.get(f"/v1/datasets/{mixed}/tab?column=when").json()["data"]
    assert [(row["level"], row["n"]) for row in counts] == [
        ("2020-01-31", 2),
        ("2020-02-29", 1),
        (None, 1),
    ]


def test_two_columns_are_counted_together_zeros_too(client: TestClient, mixed: str) -> None:
    found = client.get(f"/v1/datasets/{mixed}/tab?column=g&by=n").json()["data"]
    assert [(row["level"], row["by"], row["n"]) for row in found] == [
        ("a", "1.5", 1),
        ("a", "2.5", 1),
        ("a", "4.5", 1),
        ("a", None, 0),
        ("b", "1.5", 0),
        ("b", "2.5", 0),
        ("b", "4.5", 0),
        ("b", None, 1),
    ]
    assert found[0]["prop"] == 0.25
    first = client.get(f"/v1/datasets/{mixed}/tab?column=g&by=when&sort=true").json()["data"][0]
    assert (first["level"], first["by"], first["n"]) == ("a", "2020-01-31", 2)
    refused = client.get(f"/v1/datasets/{mixed}/tab?column=g&by=wen")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["query", "by"]


def test_too_many_values_to_count_are_refused_and_the_histogram_named(
    client: TestClient, register: Tables
) -> None:
    register("long", "v,w\n" + "".join(f"{i},{i % 200}\n" for i in range(10_001)), {})
    refused = client.get("/v1/datasets/long/tab?column=v")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["query", "column"]
    assert "histogram" in refused.json()["detail"]
    pairs = client.get("/v1/datasets/long/tab?column=w&by=w")
    assert pairs.status_code == 422
    assert "40,000" in pairs.text or "200 levels" in pairs.json()["detail"]


def test_a_distribution_of_numbers_has_r_s_quantiles_and_bins_that_hold_all(
    client: TestClient, table: str
) -> None:
    found = client.get(f"/v1/datasets/{table}/distribution?column=a&bins=6").json()
    cuts = {cut["prob"]: cut["value"] for cut in found["quantiles"]}
    values = np.arange(60) / 4
    # R: quantile((0:59) / 4, c(.05, .5, .95)), type 7
    assert cuts[0.05] == pytest.approx(0.7375, rel=1e-12)
    assert (cuts[0.0], cuts[0.5], cuts[1.0]) == (0, 7.375, 14.75)
    assert [each["n"] for each in found["bins"]] == [10] * 6
    assert (found["bins"][0]["low"], found["bins"][-1]["high"]) == (0, 14.75)
    assert (found["n"], found["n_missing"], found["n_unique"]) == (60, 0, 60)
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-14)
    assert found["skewness"] == pytest.approx(0, abs=1e-12)
    assert found["levels"] == []
    own = client.get(f"/v1/datasets/{table}/distribution?column=b").json()["bins"]
    assert [(each["low"], each["high"], each["n"]) for each in own] == [
        (-0.5, 0.5, 20),
        (0.5, 1.5, 20),
        (1.5, 2.5, 20),
    ]


def test_a_distribution_of_categories_and_of_dates(client: TestClient, mixed: str) -> None:
    levels = client.get(f"/v1/datasets/{mixed}/distribution?column=g").json()
    assert [(each["level"], each["n"]) for each in levels["levels"]] == [("a", 3), ("b", 1)]
    assert (levels["bins"], levels["quantiles"], levels["mean"]) == ([], [], None)
    dates = client.get(f"/v1/datasets/{mixed}/distribution?column=when").json()
    assert dates["quantiles"][0]["value"] == "2020-01-31"
    assert dates["quantiles"][-1]["value"] == "2020-02-29"
    assert sum(each["n"] for each in dates["bins"]) == dates["n"] == 3
    assert client.get(f"/v1/datasets/{mixed}/distribution?column=x").status_code == 422


def test_correlations_are_of_the_numeric_columns_and_null_where_undefined(
    client: TestClient, table: str
) -> None:
    found = client.get(f"/v1/datasets/{table}/correlation").json()
    assert found["columns"] == ["a", "b", "zero"]
    expected = np.corrcoef(np.arange(60) / 4, np.arange(60) % 3)[0, 1]
    assert found["data"][0][0] == 1
    assert found["data"][0][1] == found["data"][1][0] == pytest.approx(expected, rel=1e-12)
    assert found["data"][2] == [None, None, None]
    assert found["n"][0] == [60, 60, 60]
    some = client.get(f"/v1/datasets/{table}/correlation?columns=b&columns=a").json()
    assert some["columns"] == ["b", "a"]


@pytest.mark.parametrize(
    ("query", "words"),
    [("columns=y", "factor"), ("columns=a&columns=a", "twice"), ("columns=aa", "Received 'aa'")],
)
def test_columns_that_cannot_be_correlated(
    client: TestClient, table: str, query: str, words: str
) -> None:
    refused = client.get(f"/v1/datasets/{table}/correlation?{query}")
    assert refused.status_code == 422
    assert words in refused.json()["detail"]
    assert refused.json()["errors"][0]["loc"] == ["query", "columns"]


@pytest.mark.parametrize(
    "path",
    [
        "plots/histogram.{}?column=a",
        "plots/histogram.{}?column=a&bins=7",
        "plots/correlation.{}",
        "plots/bar.{}?column=t",
        "rows/2/image.{}?width=3&height=1",
    ],
)
def test_every_picture_comes_as_svg_and_png_with_the_same_bytes_each_time(
    client: TestClient, table: str, path: str
) -> None:
    svg = client.get(f"/v1/datasets/{table}/{path.format('svg')}")
    assert svg.status_code == 200, svg.text
    assert svg.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(svg.content).tag == "{http://www.w3.org/2000/svg}svg"
    png = client.get(f"/v1/datasets/{table}/{path.format('png')}")
    assert png.headers["content-type"] == "image/png"
    Image.open(io.BytesIO(png.content)).verify()
    for drawn in (svg, png):
        again = client.get(drawn.request.url)
        assert again.content == drawn.content
        assert again.headers["etag"] == drawn.headers["etag"]


def test_a_histogram_of_categories_names_the_bar_chart(client: TestClient, table: str) -> None:
    refused = client.get(f"/v1/datasets/{table}/plots/histogram.svg?column=y")
    assert refused.status_code == 422
    assert "plots/bar.svg" in refused.json()["detail"]
    assert client.get(f"/v1/datasets/{table}/plots/bar.svg?column=a&bins=0").status_code == 422


def test_a_column_with_any_name_can_be_looked_at(client: TestClient, register: Tables) -> None:
    name = "<img src=x onerror=alert(1)> $a & /b?"
    register("odd", f'"{name}",x\n1,2\n2,2\n4,3\n', {})
    for path in ("tab", "distribution", "plots/histogram.svg", "plots/bar.svg"):
        found = client.get(f"/v1/datasets/odd/{path}", params={"column": name})
        assert found.status_code == 200, (path, found.text)
    drawn = client.get("/v1/datasets/odd/plots/correlation.svg")
    assert drawn.status_code == 200
    assert b"<img" not in drawn.content


SPLIT = {"prop": 0.75, "strata": "y", "seed": 7, "names": ["fit", "held"]}


def test_a_split_makes_two_datasets_that_say_what_they_are(client: TestClient, table: str) -> None:
    made = client.post(f"/v1/datasets/{table}/splits", json=SPLIT)
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["prop"], body["strata"], body["seed"]) == (0.75, "y", 7)
    assert [part["name"] for part in body["data"]] == ["fit", "held"]
    assert [part["n_rows"] for part in body["data"]] == [45, 15]
    assert made.headers["location"] == f"/v1/datasets/{body['data'][0]['id']}"
    for name, n in (("fit", (30, 15)), ("held", (10, 5))):
        counts = client.get(f"/v1/datasets/{name}/tab?column=y").json()["data"]
        assert tuple(count["n"] for count in counts) == n
    held = client.get("/v1/datasets/held").json()
    whole = client.get(f"/v1/datasets/{table}").json()
    assert held == body["data"][1]
    assert held["split"] == {
        "dataset": whole["id"],
        "name": table,
        "part": "testing",
        "prop": 0.75,
        "strata": "y",
        "seed": 7,
    }
    again = {**SPLIT, "names": ["fit2", "held2"]}
    second = client.post(f"/v1/datasets/{table}/splits", json=again).json()
    assert [part["sha256"] for part in second["data"]] == [part["sha256"] for part in body["data"]]


def test_a_split_without_arguments_draws_a_seed_and_tells_it(
    client: TestClient, mixed: str
) -> None:
    made = client.post(f"/v1/datasets/{mixed}/splits", json={}).json()
    assert [part["name"] for part in made["data"]] == ["mixed_train", "mixed_test"]
    assert 0 <= made["seed"] < 2**31
    # A part is read as the whole was: its words for missing are the same.
    assert [part["reading"]["na"] for part in made["data"]] == [["-"], ["-"]]


@pytest.mark.parametrize(
    ("body", "status", "loc"),
    [
        ({"prop": 1}, 422, ["body", "prop"]),
        ({"prop": 0.001}, 422, ["body", "prop"]),
        ({"strata": "yy"}, 422, ["body", "strata"]),
        ({"names": ["a", "a"]}, 422, ["body", "names"]),
        ({"names": ["a"]}, 422, ["body", "names"]),
        ({"sead": 1}, 422, ["body", "sead"]),
        ({"names": ["table", "b"]}, 409, None),
    ],
)
def test_a_split_that_cannot_be_made_makes_nothing(
    client: TestClient, table: str, body: dict[str, Any], status: int, loc: list[str] | None
) -> None:
    refused = client.post(f"/v1/datasets/{table}/splits", json=body)
    assert refused.status_code == status, refused.text
    if loc is not None:
        assert refused.json()["errors"][0]["loc"] == loc
    assert len(client.get("/v1/datasets").json()["data"]) == 1


def test_a_repeated_split_with_its_key_is_answered_again(client: TestClient, table: str) -> None:
    headers = {"Idempotency-Key": "split-1"}
    first = client.post(f"/v1/datasets/{table}/splits", json={"prop": 0.5}, headers=headers)
    again = client.post(f"/v1/datasets/{table}/splits", json={"prop": 0.5}, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet", "arrow"])
def test_a_download_is_uploaded_again_as_the_same_dataset(
    client: TestClient, upload: Uploads, mixed: str, form: str
) -> None:
    path = f"/v1/datasets/{mixed}/file?format={form}"
    got = client.get(path)
    assert got.status_code == 200
    assert got.headers["content-disposition"] == f'attachment; filename="mixed.{form}"'
    assert got.headers["x-content-type-options"] == "nosniff"
    typed = {name: {"type": kind} for name, kind in (("g", "factor"), ("when", "date"))}
    options = {"na": ["-"], "columns": {**typed, "code": {"type": "text"}}}
    again = upload("again", got.content, options if form.startswith("csv") else {})
    assert again.json()["sha256"] == client.get(f"/v1/datasets/{mixed}").json()["sha256"]
    known = client.get(path, headers={"If-None-Match": got.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_a_formula_in_a_downloaded_csv_is_inert_unless_kept(
    client: TestClient, register: Tables
) -> None:
    register("risky", "s,n\n=1+1,-1.5\n-2,+3\n@x,4\n", {"columns": {"s": {"type": "text"}}})
    lines = client.get("/v1/datasets/risky/file").text.splitlines()
    assert lines == ['"s","n"', '"\'=1+1",-1.5', '"-2",3', '"\'@x",4']
    kept = client.get("/v1/datasets/risky/file?formulas=keep").text.splitlines()
    assert kept[1] == '"=1+1",-1.5'


def test_a_download_of_what_is_gone_is_unavailable(
    client: TestClient, table: str, settings: Any
) -> None:
    for path in settings.datasets_dir.rglob("*.arrow"):
        path.unlink()
    for form in ("csv", "arrow"):
        assert client.get(f"/v1/datasets/{table}/file?format={form}").status_code == 503
    made = client.post(f"/v1/datasets/{table}/splits", json={})
    assert made.status_code == 503
    assert client.get("/v1/datasets/nope/file").status_code == 404


def test_options_for_quotes_and_formats_come_through(upload: Uploads) -> None:
    options = {"quote": "'", "columns": {"d": {"type": "date", "format": "%d.%m.%y"}}}
    made = upload("quoted", "d,s\n31.01.20,'a,b'\n", json.dumps(options))
    assert made.status_code == 201, made.text
    assert made.json()["columns"][0]["min"] == "2020-01-31"


def test_a_correlation_of_a_thousand_columns_takes_no_memory_of_the_api(
    client: TestClient, register: Tables
) -> None:
    rng = np.random.default_rng(3)
    names = ",".join(f"x{i}" for i in range(1000))
    rows = "".join(",".join(map(str, row)) + "\n" for row in rng.integers(0, 9, (1001, 1000)))
    register("wide", f"{names}\n{rows}", {})
    before = memory_bytes()
    got = client.get("/v1/datasets/wide/correlation")
    assert got.status_code == 200, got.text[:500]
    size = len(got.content)
    # A matrix of correlations and one of counts as text; the answer is held by server and client.
    assert memory_bytes() - before < 4 * size
    assert got.text.startswith('{"columns":["x0","x1"')
    assert '"data":[[1.0,' in got.text
