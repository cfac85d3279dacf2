"""Curves, pictures, comparisons, importance and worst rows over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.api import judging
from tests.api.conftest import Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted

PIXELS = "y," + ",".join(f"x{k}" for k in range(1, 10)) + "\n"
PIXELS += "".join(
    f"{'no' if i % 3 else 'yes'}," + ",".join(str((i * k) % 7) for k in range(1, 10)) + "\n"
    for i in range(30)
)


@pytest.fixture
def model(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    return fitted(trainer, client, fit)


@pytest.fixture
def path(client: TestClient, model: Any, table: str) -> str:
    """Of a model that was evaluated on the table."""
    path = f"/v1/models/{model['id']}"
    assert client.post(f"{path}/evaluations", json={"dataset": table}).status_code == 201
    return path


@pytest.fixture
def numbers(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, table: str) -> str:
    """The path of a regression that was evaluated on the table."""
    body = {
        **fit,
        "name": "numbers",
        "outcome": "a",
        "recipe": [{"step": "select", "columns": ["b", "zero"]}],
    }
    path = f"/v1/models/{fitted(trainer, client, body)['id']}"
    assert client.post(f"{path}/evaluations", json={"dataset": table}).status_code == 201
    return path


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("roc", ["threshold", "specificity", "sensitivity"]),
        ("pr", ["threshold", "recall", "precision"]),
        ("gain", ["threshold", "n", "n_events", "percent_tested", "percent_found"]),
        ("lift", ["threshold", "n", "n_events", "percent_tested", "lift"]),
        ("calibration", ["low", "high", "n", "mean_probability", "observed"]),
    ],
)
def test_a_curve_is_flat_rows_with_yardsticks_columns(
    client: TestClient, path: str, table: str, kind: str, columns: list[str]
) -> None:
    told = client.get(f"{path}/curves/{kind}")
    assert told.status_code == 200, told.text
    curve = told.json()
    assert (curve["kind"], curve["dataset"], curve["n"]) == (kind, table, 60)
    assert [each["level"] for each in curve["summary"]] == ["no"]
    assert {tuple(row) for row in curve["data"]} == {("level", *columns)}
    if kind == "roc":
        assert curve["data"][0]["threshold"] is None
    headers = {"If-None-Match": told.headers["etag"]}
    assert client.get(f"{path}/curves/{kind}", headers=headers).status_code == 304


def test_levels_points_and_the_event_are_chosen(client: TestClient, path: str) -> None:
    both = client.get(f"{path}/curves/roc?level=yes&level=no&points=5").json()
    assert [each["level"] for each in both["summary"]] == ["yes", "no"]
    assert len(both["data"]) <= 10
    second = client.get(f"{path}/curves/roc?event_level=second").json()
    assert [each["level"] for each in second["summary"]] == ["yes"]
    wrong = client.get(f"{path}/curves/roc?level=nope")
    assert wrong.json()["errors"][0]["loc"] == ["query", "level", 0]
    assert client.get(f"{path}/curves/roc?points=1").status_code == 422
    assert client.get(f"{path}/curves/rocs").status_code == 422


def test_residuals_are_of_regression_alone(client: TestClient, path: str, numbers: str) -> None:
    told = client.get(f"{numbers}/curves/residuals?points=7").json()
    assert [each["outcome"] for each in told["summary"]] == ["a"]
    assert len(told["data"]) == 7
    for row in told["data"]:
        assert row["residual"] == pytest.approx(row["truth"] - row["estimate"])
    for wrong in (f"{path}/curves/residuals", f"{numbers}/plots/roc.svg"):
        answer = client.get(wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["path", "kind"]


@pytest.mark.parametrize(
    "name", ["confusion", "roc", "pr", "gain", "lift", "calibration", "importance"]
)
def test_pictures_are_of_the_latest_evaluation(client: TestClient, path: str, name: str) -> None:
    svg = client.get(f"{path}/plots/{name}.svg")
    assert svg.status_code == 200, svg.text
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "little@1 on table" in svg.text
    png = client.get(f"{path}/plots/{name}.png")
    assert png.content.startswith(b"\x89PNG")
    assert png.headers["etag"]


def test_the_residuals_are_drawn(client: TestClient, numbers: str) -> None:
    assert "numbers@1 on table" in client.get(f"{numbers}/plots/residuals.svg").text
    assert client.get(f"{numbers}/plots/confusion.svg").status_code == 409


def test_without_an_evaluation_a_dataset_must_be_named(
    client: TestClient, model: Any, table: str
) -> None:
    path = f"/v1/models/{model['id']}"
    refused = client.get(f"{path}/plots/roc.svg")
    assert refused.status_code == 409
    assert "Name one with ?dataset=" in refused.json()["detail"]
    assert client.get(f"{path}/plots/roc.svg?dataset={table}").status_code == 200
    assert client.get(f"{path}/plots/confusion.svg").status_code == 409
    unknown = client.get(f"{path}/curves/roc?dataset=nope")
    assert (unknown.status_code, unknown.json()["errors"][0]["loc"]) == (422, ["query", "dataset"])


def test_rows_that_are_gone_are_not_replaced_by_others_of_the_name(
    client: TestClient, register: Tables, model: Any
) -> None:
    register("other")
    path = f"/v1/models/{model['id']}"
    client.post(f"{path}/evaluations", json={"dataset": "other"})
    assert client.delete("/v1/datasets/other").status_code == 204
    assert client.get(f"{path}/plots/roc.svg").status_code == 409
    register("other", "y,a,b\nno,1,2\nyes,1,0\n")
    assert "deleted or replaced" in client.get(f"{path}/plots/roc.svg").json()["detail"]
    # What was counted then is still known.
    assert client.get(f"{path}/plots/confusion.svg").status_code == 200


def test_two_models_are_compared_on_the_same_rows(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, path: str, model: Any
) -> None:
    second = fitted(trainer, client, {**fit, "model": {**fit["model"], "hidden_units": 9}})
    told = client.get(f"{path}/compare?with={second['id']}&metrics=accuracy&metrics=roc_auc")
    assert told.status_code == 200, told.text
    found = told.json()
    assert (found["model"], found["with"], found["n"]) == (model["id"], second["id"], 60)
    assert found["bootstrap"] == {"times": 1000, "level": 0.95, "seed": 1}
    assert sum(found["agreement"].values()) == 60
    accuracy, area = found["data"]
    assert (accuracy["metric"], area["metric"]) == ("accuracy", "roc_auc")
    assert accuracy["difference"] == pytest.approx(accuracy["model"] - accuracy["with"])
    assert accuracy["low"] <= accuracy["difference"] <= accuracy["high"]
    commas = client.get(f"{path}/compare?with={second['id']}&metrics=accuracy,%20roc_auc")
    assert commas.json() == found
    itself = client.get(f"{path}/compare?with={model['id']}&times=20").json()
    assert {row["difference"] for row in itself["data"]} == {0}
    assert {row["better"] for row in itself["data"]} == {None}


def test_models_of_other_outcomes_are_not_compared(
    client: TestClient, path: str, numbers: str
) -> None:
    other = numbers.rsplit("/", 1)[1]
    for ref, words in ((other, "predicts a"), ("nope", "Nothing is called")):
        refused = client.get(f"{path}/compare?with={ref}")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["loc"] == ["query", "with"]
        assert words in refused.json()["detail"]
    assert client.get(f"{path}/compare").status_code == 422


def test_importance_is_of_the_columns_that_the_model_reads(client: TestClient, path: str) -> None:
    told = client.get(f"{path}/importance?metric=mn_log_loss&times=3").json()
    assert (told["metric"], told["direction"], told["times"]) == ("mn_log_loss", "minimize", 3)
    assert {each["column"] for each in told["data"]} == {"a", "b"}
    assert told["n_columns"] == 2
    losses = [each["importance"] for each in told["data"]]
    assert losses == sorted(losses, reverse=True)
    assert client.get(f"{path}/importance?metric=mn_log_loss&times=3").json() == told
    once = client.get(f"{path}/importance?times=1&limit=1").json()
    assert (once["metric"], len(once["data"])) == ("accuracy", 1)
    assert once["data"][0]["std_err"] is None
    wrong = client.get(f"{path}/importance?metric=rmse")
    assert wrong.json()["errors"][0]["loc"] == ["query", "metric", 0]


def test_the_worst_rows_are_told_and_shown(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, register: Tables, path: str
) -> None:
    told = client.get(f"{path}/worst?count=3").json()
    assert [set(row) for row in told["data"]] == [
        {"row", "truth", "estimate", "truth_probability", "estimate_probability", "loss"}
    ] * 3
    losses = [row["loss"] for row in told["data"]]
    assert losses == sorted(losses, reverse=True)
    assert client.get(f"{path}/plots/worst.svg").status_code == 422
    register("pixels", PIXELS)
    body = {**fit, "name": "pictures", "dataset": "pixels", "recipe": [{"step": "normalize"}]}
    pictures = f"/v1/models/{fitted(trainer, client, body)['id']}"
    first = client.get(f"{pictures}/worst?dataset=pixels&count=1").json()["data"][0]
    assert client.get(first["image"]).content.startswith(b"\x89PNG")
    assert f"row {first['row']}" in client.get(f"{pictures}/plots/worst.svg?dataset=pixels").text


def test_the_worst_rows_of_numbers_have_the_largest_residuals(
    client: TestClient, numbers: str
) -> None:
    told = client.get(f"{numbers}/worst?count=60").json()
    residuals = [abs(row["residual"]) for row in told["data"]]
    assert len(residuals) == 60
    assert residuals == sorted(residuals, reverse=True)
    wrong = client.get(f"{numbers}/worst?outcome=b").json()
    assert wrong["errors"][0]["loc"] == ["query", "outcome"]


def test_what_takes_long_is_done_in_a_child(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [f"{path}/{what}" for what in ("importance", "worst", "curves/roc", "plots/roc.svg")]
    here = [client.get(each).content for each in asked]
    monkeypatch.setattr(judging, "QUICK", 0)
    assert [client.get(each).content for each in asked] == here
