"""Predictions over HTTP: in and out as JSON and CSV, for rows and for stored datasets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.api import predictions
from tests.api.conftest import CSV, Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted

Post = Callable[..., Any]


@pytest.fixture
def model(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    return fitted(trainer, client, fit)


@pytest.fixture
def predict(client: TestClient, model: Any) -> Post:
    def post(body: Any, query: str = "", **headers: str) -> Any:
        path = f"/v1/models/{model['id']}/predictions{query}"
        if isinstance(body, str | bytes):
            return client.post(path, content=body, headers=headers)
        return client.post(path, json=body, headers=headers)

    return post


ROWS = [{"a": 1.5, "b": 2, "note": "ignored"}, {"a": 14, "b": 0, "note": None}]
TABLE = {"columns": ["b", "x", "a"], "data": [[2, None, 1.5], [0, 7, 14]]}
IN_CSV = {"content-type": "text/csv"}
AS_CSV = {"accept": "text/csv"}


def test_the_answer_has_the_shape_of_the_question(model: Any, predict: Post) -> None:
    rows = predict({"rows": ROWS}, "?type=class,prob")
    assert rows.status_code == 200, rows.text
    told = rows.json()
    assert (told["model"], told["version"]) == (model["id"], 1)
    assert [list(row) for row in told["rows"]] == [[".pred_class", ".pred_no", ".pred_yes"]] * 2
    for row in told["rows"]:
        # Two float32 probabilities, each rounded once.
        assert row[".pred_no"] + row[".pred_yes"] == pytest.approx(1, abs=1e-6)
        best = "no" if row[".pred_no"] >= row[".pred_yes"] else "yes"
        assert row[".pred_class"] == best
    table = predict(TABLE, "?type=class,prob").json()
    assert table["columns"] == [".pred_class", ".pred_no", ".pred_yes"]
    assert table["data"] == [list(row.values()) for row in told["rows"]]


def test_the_default_is_the_class(predict: Post) -> None:
    assert [list(row) for row in predict({"rows": ROWS}).json()["rows"]] == [[".pred_class"]] * 2
    raw = predict({"rows": ROWS}, "?type=raw").json()["rows"]
    prob = predict({"rows": ROWS}, "?type=prob").json()["rows"]
    assert [list(row.values()) for row in raw] == [list(row.values()) for row in prob]


def test_csv_in_and_out_is_the_same_as_json(model: Any, predict: Post) -> None:
    asked = predict("a,b,t\n1.5,2,u\n14,0,\n", "?type=class,prob", **IN_CSV)
    assert asked.status_code == 200, asked.text
    expected = predict({"rows": ROWS}, "?type=class,prob").json()["rows"]
    assert asked.json()["rows"] == expected
    answered = predict({"rows": ROWS}, "?type=class,prob", **AS_CSV)
    assert answered.headers["content-type"].startswith("text/csv")
    assert answered.headers["x-model"] == model["id"]
    rows = list(csv.DictReader(io.StringIO(answered.text)))
    assert [row[".pred_class"] for row in rows] == [row[".pred_class"] for row in expected]
    assert [float(row[".pred_yes"]) for row in rows] == [row[".pred_yes"] for row in expected]


def test_columns_that_the_recipe_drops_need_not_be_sent_and_change_nothing(predict: Post) -> None:
    without = predict({"rows": [{"a": 1, "b": 1}]}, "?type=prob").json()
    withs = predict({"rows": [{"a": 1, "b": 1, "zero": 255, "t": "new"}]}, "?type=prob").json()
    assert without["rows"] == withs["rows"]


def test_a_stored_dataset_is_predicted_in_blocks_that_fit_together(
    predict: Post, register: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [line.split(",") for line in CSV.splitlines()[1:]]
    rows = [{"a": float(a), "b": float(b)} for _, a, b, *_ in cells]
    expected = predict({"rows": rows}, "?type=class,prob").json()["rows"]
    # So small that a little table has several blocks, the last one not full.
    monkeypatch.setattr(predictions, "BLOCK_ROWS", 7)
    told = predict({"dataset": "table", "type": ["class", "prob"]})
    assert told.status_code == 200, told.text
    assert told.json()["rows"] == expected
    assert told.json()["version"] == 1
    as_csv = predict({"dataset": "table"}, "?type=class,prob", **AS_CSV)
    found = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [row[".pred_class"] for row in found] == [row[".pred_class"] for row in expected]
    register("one", "a,b\n1,2\n", options={})
    assert len(predict({"dataset": "one"}).json()["rows"]) == 1


@pytest.mark.parametrize(
    ("body", "query", "kind", "loc", "words"),
    [
        ({"rows": [{"a": 1}]}, "", "invalid-data", ["body", "b"], "'b'"),
        ({"rows": [{"a": 1, "B": 2}]}, "", "invalid-data", ["body", "b"], "nearest is 'B'"),
        (
            {"rows": [{"a": 1, "b": 2}, {"a": None, "b": 2}]},
            "",
            "missing-values",
            ["body", 2, "a"],
            "row 2",
        ),
        ({"rows": [{"a": "x", "b": 2}]}, "", "invalid-data", None, "'x'"),
        ({"rows": ROWS}, "?type=numeric", "invalid-spec", ["query", "type"], "class, prob, raw"),
        ({"rows": ROWS}, "?type=class,class", "invalid-spec", ["query", "type"], "twice"),
        ({"rows": ROWS, "type": "prob"}, "", "invalid-data", None, "type"),
        ({"columns": ["a"], "data": [], "index": []}, "", "invalid-data", None, "index=False"),
        ([{"a": 1, "b": 2}], "", "invalid-data", None, '{"rows": '),
        ({"dataset_split": {}}, "", "invalid-data", None, "'rows'"),
        ({"dataset": "tabel"}, "", "invalid-spec", ["body", "dataset"], "Did you mean 'table'?"),
        ({"dataset": "table", "x": 1}, "", "invalid-spec", ["body", "x"], "Known fields"),
        ({"dataset": "table", "type": "pro"}, "", "invalid-spec", ["body", "type"], "'prob'"),
        (
            {"dataset": "table", "type": "prob"},
            "?type=raw",
            "invalid-spec",
            ["body", "type"],
            "both",
        ),
    ],
)
def test_what_cannot_be_predicted_is_named(
    predict: Post, body: Any, query: str, kind: str, loc: list[Any] | None, words: str
) -> None:
    refused = predict(body, query)
    assert refused.status_code == 422, refused.text
    problem = refused.json()
    assert problem["type"] == f"/problems/{kind}"
    assert words in problem["detail"]
    if loc is not None:
        assert problem["errors"][0]["loc"] == loc


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"rows":[{"a":NaN,"b":1}]}',
        b'{"rows":[{"a":1e999,"b":1}]}',
        b'{"rows":[{"a":1,"a":2,"b":1}]}',
        b'{"rows":[{"a":"\\ud800","b":1}]}',
        b'{"rows":[{"a":true,"b":1}]}',
        b'{"rows":' + b"[" * 100_000,
        b'{"rows":[{"a":' + b"9" * 5000 + b',"b":1}]}',
    ],
)
def test_odd_json_is_a_problem_and_no_crash(predict: Post, raw: bytes) -> None:
    refused = predict(raw, **{"content-type": "application/json"})
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    json.loads(refused.text, parse_constant=lambda word: pytest.fail(word))


@pytest.mark.parametrize("raw", ["", "a\n1\n", "a,b\n1\n", "a,b\nx,1\n", b"a,b\n\xff,1\n"])
def test_odd_csv_is_a_problem_and_no_crash(predict: Post, raw: str | bytes) -> None:
    refused = predict(raw, **IN_CSV)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"]


def test_a_format_that_is_not_read_or_not_written(predict: Post) -> None:
    refused = predict("<a/>", **{"content-type": "application/xml"})
    assert refused.status_code == 415
    assert predict({"rows": ROWS}, accept="application/xml").status_code == 406


def test_a_dataset_whose_columns_do_not_fit(predict: Post, register: Tables) -> None:
    register("other", "a,c\n1,2\n", options={})
    refused = predict({"dataset": "other"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "dataset", "b"]
    register("gaps", "a,b\n1,2\nNA,2\n", options={})
    refused = predict({"dataset": "gaps"})
    assert refused.json()["type"] == "/problems/missing-values"
    assert "row 2" in refused.json()["detail"]


def test_regression_answers_with_numbers_one_a_outcome(
    client: TestClient, trainer: NumpyTrainer, fit: dict[str, Any]
) -> None:
    steps = [{"step": "remove", "columns": ["t", "y"]}, {"step": "zv"}]
    one = fitted(trainer, client, {**fit, "name": "one", "outcome": "a", "recipe": steps})
    answer = client.post(f"/v1/models/{one['id']}/predictions", json={"rows": [{"b": 1}]})
    assert list(answer.json()["rows"][0]) == [".pred"]
    two = fitted(
        trainer, client, {**fit, "name": "two", "outcome": ["a", "b"], "recipe": steps[:1]}
    )
    assert two["outcome"] == ["a", "b"]
    answer = client.post(f"/v1/models/{two['id']}/predictions", json={"rows": [{"zero": 7}]})
    assert list(answer.json()["rows"][0]) == [".pred_a", ".pred_b"]
