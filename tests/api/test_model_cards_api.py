"""The card of a model and the drift of new data, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import CSV, OPTIONS, Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted


@pytest.fixture
def model(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    body = {**fit, "evaluate": [{"dataset": "table"}], "tags": {"for": "a <b>|test|</b>"}}
    return fitted(trainer, client, body)


def test_the_card_tells_data_training_scores_and_limits(client: TestClient, model: Any) -> None:
    told = client.get(f"/v1/models/{model['id']}/card")
    assert told.status_code == 200, told.text
    card = told.json()
    titles = [section["title"] for section in card["sections"]]
    assert titles == ["Model", "Training data", "Training", "Evaluation on table", "Limits"]
    about, data, training, scores, _ = (section["facts"] for section in card["sections"])
    assert about["weights, SHA-256"] == model["weights_sha256"]
    assert about["classes"] == "no, yes"
    assert (data["rows"], data["SHA-256 of the table"]) == ("60", model["dataset_sha256"])
    assert data["recipe step 1"].startswith(model["spec"]["recipe"][0]["step"])
    assert training["seeds"] == str(model["spec"]["model"]["seeds"])
    assert (scores["accuracy"], scores["roc_auc"]) == ("0.75", "undefined")
    again = client.get(
        f"/v1/models/{model['id']}/card", headers={"if-none-match": told.headers["etag"]}
    )
    assert again.status_code == 304


def test_the_card_is_a_page_and_markdown_in_which_nothing_can_hide(
    client: TestClient, model: Any
) -> None:
    path = f"/v1/models/{model['id']}/card"
    page = client.get(path, headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "a &lt;b&gt;|test|&lt;/b&gt;" in page.text
    assert "<b>" not in page.text
    text = client.get(path, headers={"accept": "text/markdown"}).text
    assert text.startswith(f"# Model card: {model['name']}, version 1\n")
    assert "| tag for | a \\<b\\>\\|test\\|\\</b\\> |" in text
    assert client.get(path, headers={"accept": "image/png"}).status_code == 406


def test_a_card_outlives_the_training_data(client: TestClient, model: Any) -> None:
    assert client.delete("/v1/datasets/table").status_code == 204
    card = client.get(f"/v1/models/{model['id']}/card").json()
    assert any("removed" in note for note in card["sections"][1]["notes"])
    told = client.get(f"/v1/models/{model['id']}/drift?dataset=table")
    assert told.status_code in (404, 422)


def test_drift_is_none_of_the_training_data_and_some_of_moved_ones(
    client: TestClient, register: Tables, model: Any
) -> None:
    path = f"/v1/models/{model['id']}/drift"
    same = client.get(path, params={"dataset": "table"})
    assert same.status_code == 200, same.text
    assert {each["column"]: each["psi"] for each in same.json()["columns"]} == {"a": 0, "b": 0}
    head, *rows = CSV.splitlines()
    moved = [row.split(",") for row in rows]
    text = "\n".join([head, *(",".join([y, f"{float(a) + 9}", *rest]) for y, a, *rest in moved)])
    register("moved", text + "\n", OPTIONS)
    told = client.get(path, params={"dataset": "moved"}).json()
    assert (told["n"], told["n_training"], told["dataset"]) == (60, 60, "moved")
    assert [(each["column"], each["verdict"]) for each in told["columns"]] == [
        ("a", "large"),
        ("b", "stable"),
    ]
    assert sum(each["training"] for each in told["columns"][0]["bins"]) == 60
    assert client.get(path, params={"dataset": "nobody"}).status_code in (404, 422)
    register("narrow", "a,c\n1,2\n3,4\n", {})
    refused = client.get(path, params={"dataset": "narrow"})
    assert (refused.status_code, "'b'" in refused.text) == (422, True)
    client.delete("/v1/datasets/table")
    gone = client.get(path, params={"dataset": "moved"})
    assert (gone.status_code, "removed" in gone.text) == (409, True)
