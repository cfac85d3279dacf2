"""The Open Inference Protocol over HTTP: JSON and bytes, and every refusal in its own words."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted

ROWS = [[1.5, 2.0], [14.0, 0.0]]
Infer = Callable[..., Any]


@pytest.fixture
def model(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    """Reads the numbers a and b."""
    return fitted(trainer, client, fit)


@pytest.fixture
def mixed(client: TestClient, register: Tables, trainer: NumpyTrainer) -> Any:
    """Reads a number, a factor that it makes dummies of, and a date."""
    text = "y,a,t,d\n" + "".join(
        f"{i / 7},{i / 4},{'uvw'[i % 3]},2020-01-{1 + i % 28:02}\n" for i in range(60)
    )
    register("mixed", text, {"columns": {"d": {"type": "date"}}})
    body = {
        "kind": "fit",
        "name": "mixed",
        "dataset": "mixed",
        "outcome": "y",
        "recipe": [
            {"step": "date", "columns": ["d"], "features": ["doy"]},
            {"step": "remove", "columns": ["d"]},
            {"step": "novel"},
            {"step": "dummy"},
        ],
        "mode": "regression",
        "model": {"hidden_units": 3, "epochs": 1},
    }
    return fitted(trainer, client, body)


@pytest.fixture
def infer(client: TestClient) -> Infer:
    def post(name: str, body: Any, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(f"/v2/models/{name}/infer", content=content, headers=headers)

    return post


def tensor(**given: Any) -> dict[str, Any]:
    return {"name": "input", "datatype": "FP64", "shape": [2, 2], "data": ROWS, **given}


def probabilities(client: TestClient, model: Any) -> Any:
    rows = [dict(zip(("a", "b"), row, strict=True)) for row in ROWS]
    found = client.post(f"/v1/models/{model['id']}/predictions?type=prob", json={"rows": rows})
    return [list(row.values()) for row in found.json()["rows"]]


def test_the_server_and_its_models_tell_what_they_are(client: TestClient, model: Any) -> None:
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json()["ready"] is True
    name = model["name"]
    told = client.get(f"/v2/models/{name}").json()
    assert told == client.get(f"/v2/models/{name}/versions/1").json()
    assert (told["name"], told["versions"]) == (name, ["1"])
    assert told["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 2]}]
    assert told["outputs"] == [
        {"name": "class", "datatype": "BYTES", "shape": [-1]},
        {"name": "prob", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "raw", "datatype": "FP32", "shape": [-1, 2]},
    ]
    for path in (f"/v2/models/{name}/ready", f"/v2/models/{name}/versions/1/ready"):
        assert client.get(path).status_code == 200
    assert client.get(f"/v2/models/{name}/versions/2/ready").status_code == 404
    assert client.get("/v2/models/nobody/ready").status_code == 404


def test_a_matrix_is_answered_as_the_same_rows_are(
    client: TestClient, model: Any, infer: Infer
) -> None:
    expected: list[list[float]] = probabilities(client, model)
    body = {"id": "seven", "inputs": [tensor()], "parameters": {"type": "class,prob"}}
    told = infer(model["id"], body)
    assert told.status_code == 200, told.text
    answer = told.json()
    assert (answer["id"], answer["model_version"]) == ("seven", "1")
    classes, prob = answer["outputs"]
    assert (classes["name"], classes["datatype"], classes["shape"]) == ("class", "BYTES", [2])
    assert np.array_equal(np.reshape(prob["data"], prob["shape"]), np.array(expected))
    # Flat or nested, one input or one a column, another type of number: the same rows.
    for sent in (
        [tensor(data=[cell for row in ROWS for cell in row])],
        [tensor(datatype="INT16", data=[[1, 2], [14, 0]])],
        [
            {"name": "b", "datatype": "INT64", "shape": [2, 1], "data": [2, 0]},
            {"name": "a", "datatype": "FP32", "shape": [2], "data": [1.5, 14]},
        ],
    ):
        found = infer(model["id"], {"inputs": sent, "outputs": [{"name": "class"}]})
        assert found.json()["outputs"] == [classes], found.text
    version = client.post(f"/v2/models/{model['name']}/versions/1/infer", json=body)
    assert version.json() == answer


def test_bytes_in_and_bytes_out_are_the_same_numbers(
    client: TestClient, model: Any, infer: Infer
) -> None:
    raw = np.array(ROWS, "<f4").tobytes()
    sent = tensor(datatype="FP32", parameters={"binary_data_size": len(raw)})
    del sent["data"]
    head = json.dumps(
        {"inputs": [sent], "parameters": {"binary_data_output": True, "type": ["prob", "class"]}}
    ).encode()
    length = {"inference-header-content-length": str(len(head))}
    told = infer(model["id"], head + raw, **length)
    assert told.status_code == 200, told.text
    end = int(told.headers["inference-header-content-length"])
    prob, classes = json.loads(told.content[:end])["outputs"]
    size = prob["parameters"]["binary_data_size"]
    numbers = np.frombuffer(told.content[end : end + size], "<f4").reshape(2, 2)
    assert np.array_equal(numbers, np.float32(probabilities(client, model)))
    texts = told.content[end + size :]
    assert len(texts) == classes["parameters"]["binary_data_size"]
    first = struct.unpack_from("<I", texts)[0]
    assert texts[4 : 4 + first].decode() in ("no", "yes")
    # One output as JSON, the other as bytes.
    body = {
        "inputs": [tensor()],
        "outputs": [{"name": "prob", "parameters": {"binary_data": True}}, {"name": "class"}],
    }
    told = infer(model["id"], body)
    end = int(told.headers["inference-header-content-length"])
    prob, classes = json.loads(told.content[:end])["outputs"]
    assert "data" not in prob
    assert len(classes["data"]) == 2
    assert told.content[end:] == numbers.tobytes()


def test_categories_and_dates_are_text_and_a_word_for_missing_is_missing(
    client: TestClient, mixed: Any, infer: Infer
) -> None:
    told = client.get(f"/v2/models/{mixed['id']}").json()
    assert [(each["name"], each["datatype"]) for each in told["inputs"]] == [
        ("a", "FP64"),
        ("t", "BYTES"),
        ("d", "BYTES"),
    ]
    sent: list[dict[str, Any]] = [
        {"name": "t", "datatype": "BYTES", "shape": [3], "data": ["v", "u", "new"]},
        {"name": "a", "datatype": "FP64", "shape": [3, 1], "data": [[1], [2.5], [3]]},
        {"name": "d", "datatype": "BYTES", "shape": [3], "data": ["2020-01-31", "2020-02-01"] * 2},
        {"name": "else", "datatype": "BYTES", "shape": [1], "data": ["ignored"]},
    ]
    refused = infer(mixed["id"], {"inputs": sent})
    assert (refused.status_code, "Expected 3 values" in refused.text) == (422, True)
    sent[2]["data"] = ["2020-01-31", "2020-02-01", "2020-03-01"]
    found = infer(mixed["id"], {"inputs": sent})
    assert found.status_code == 200, found.text
    (numeric,) = found.json()["outputs"]
    rows = [
        {"a": 1, "t": "v", "d": "2020-01-31"},
        {"a": 2.5, "t": "u", "d": "2020-02-01"},
        {"a": 3, "t": "new", "d": "2020-03-01"},
    ]
    expected = client.post(f"/v1/models/{mixed['id']}/predictions", json={"rows": rows}).json()
    assert numeric["shape"] == [3, 1]
    assert numeric["data"] == [row[".pred"] for row in expected["rows"]]
    raw = b"".join(struct.pack("<I", len(t)) + t for t in (b"v", b"u", b"new"))
    del sent[0]["data"]
    sent[0]["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": sent}).encode()
    length = {"inference-header-content-length": str(len(head))}
    assert infer(mixed["id"], head + raw, **length).json()["outputs"] == [numeric]
    sent[1]["data"] = [1, None, 3]
    missing = infer(
        mixed["id"],
        json.dumps({"inputs": sent}).encode() + raw,
        **{"inference-header-content-length": str(len(json.dumps({"inputs": sent})))},
    )
    assert missing.status_code == 422
    assert "row 2 of column 'a'" in missing.json()["error"]


MANGLED = {
    "no such datatype": (tensor(datatype="FP65"), "Did you mean 'FP64'?", "datatype"),
    "another shape": (tensor(shape=[4, 1]), "Expected the shape [rows, 2]", "input"),
    "too few values": (tensor(shape=[3, 2]), "Expected 6 values", "data"),
    "negative length": (tensor(shape=[-1, 2]), "Expected lengths of 0 or more", "shape"),
    "huge shape": (tensor(shape=[2**40, 2**40]), "Expected 1,208,925", "data"),
    "values of another type": (tensor(data=[[1, 2], ["3", 4]]), "Expected values of FP64", "data"),
    "true is no number": (tensor(data=[[1, 2], [True, 4]]), "Expected values of FP64", "data"),
    "integers that are none": (tensor(datatype="INT8", data=[1, 2.5, 3, 4]), "INT8", "data"),
    "integers too large": (tensor(datatype="INT8", data=[1, 300, 3, 4]), "INT8", "data"),
    "lists of two depths": (tensor(data=[[1, 2], 3, 4]), "one depth", "data"),
    "a name that is no column": (tensor(name="x"), "'input'", "inputs"),
    "text for numbers": (tensor(datatype="BYTES", data=["1"] * 4), "Expected numbers", "input"),
    "no data": ({"name": "input", "datatype": "FP64", "shape": [2, 2]}, "neither", "data"),
    "an unknown field": (tensor(shap=[2, 2]), "shap", "shap"),
    "bytes that are not there": (
        {**tensor(parameters={"binary_data_size": 8})},
        "Expected 8 bytes",
        "",
    ),
}


@pytest.mark.parametrize("what", MANGLED)
def test_a_tensor_that_is_not_what_it_says_is_refused_with_its_place(
    model: Any, infer: Infer, what: str
) -> None:
    sent, words, place = MANGLED[what]
    refused = infer(model["id"], {"inputs": [sent]})
    assert refused.status_code == 422, refused.text
    problem = refused.json()
    assert words in problem["detail"] + json.dumps(problem.get("errors", [])), problem
    # What clients of the protocol show to their user.
    assert problem["error"] == problem["detail"]
    if place:
        assert place in json.dumps(problem["errors"]), problem


def test_an_infinite_number_is_refused_by_row_and_column(model: Any, infer: Infer) -> None:
    raw = np.array([[1, 2], [3, np.inf]]).tobytes()
    sent = tensor(parameters={"binary_data_size": len(raw)})
    del sent["data"]
    head = json.dumps({"inputs": [sent]}).encode()
    length = {"inference-header-content-length": str(len(head))}
    refused = infer(model["id"], head + raw, **length)
    assert (refused.status_code, "row 2 of column 'b'" in refused.text) == (422, True)
    for wrong, words in (
        ({"inference-header-content-length": str(len(head) + 999)}, "bytes of JSON"),
        ({"inference-header-content-length": "-3"}, "Inference-Header-Content-Length"),
        ({}, "bytes that are not"),
    ):
        refused = infer(model["id"], head + raw, **wrong)
        assert (refused.status_code, words in refused.text) == (422, True), refused.text
    left_over = infer(model["id"], head + raw + b"1234", **length)
    assert "no bytes behind" in left_over.text


def test_outputs_that_a_model_has_not_are_refused(model: Any, infer: Infer) -> None:
    refused = infer(model["id"], {"inputs": [tensor()], "outputs": [{"name": "numeric"}]})
    assert (refused.status_code, refused.json()["errors"][0]["loc"][:2]) == (
        422,
        ["body", "outputs"],
    )
    refused = infer(model["id"], {"inputs": [tensor()], "parameters": {"type": "clas"}})
    assert "class" in refused.json()["error"]
    ranked = {
        "inputs": [tensor()],
        "outputs": [{"name": "class", "parameters": {"classification": 1}}],
    }
    assert infer(model["id"], ranked).status_code == 422


def test_vetivers_bodies_and_routes_work(client: TestClient, model: Any) -> None:
    name = model["name"]
    rows = [{"a": 1.5, "b": 2}, {"a": 14, "b": 0}]
    # Neither of its clients tells a content type.
    told = client.post(f"/vetiver/{name}/predict", content=json.dumps(rows).encode())
    assert told.status_code == 200, told.text
    ours = client.post(f"/v1/models/{name}/predictions", json={"rows": rows}).json()
    assert told.json() == ours["rows"]
    prob = client.post(f"/vetiver/{name}/predict?type=prob", json=rows).json()
    assert [list(row.values()) for row in prob] == probabilities(client, model)
    assert client.get(f"/vetiver/{name}/ping").json() == {"ping": "pong"}
    assert client.get(f"/vetiver/{name}/metadata").json()["version"] == "1"
    assert list(client.get(f"/vetiver/{name}/prototype").json()["properties"]) == ["a", "b"]
    refused = client.post(f"/vetiver/{name}/predict", json={"rows": rows})
    assert (refused.status_code, refused.json()["message"]) == (422, refused.json()["detail"])
    assert client.get("/vetiver/nobody/ping").status_code == 404
