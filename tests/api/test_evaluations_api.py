"""Evaluations over HTTP: asked for, kept, found again, refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.api import judging
from service.engine.metrics import score
from tests.api.conftest import CSV, Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted

ROWS = [line.split(",") for line in CSV.splitlines()[1:]]


@pytest.fixture
def model(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    return fitted(trainer, client, fit)


@pytest.fixture
def evaluations(model: Any) -> str:
    return f"/v1/models/{model['id']}/evaluations"


def probabilities(client: TestClient, model: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What the model says of the rows of CSV, asked for as anybody would."""
    rows = [{"a": float(row[1]), "b": float(row[2])} for row in ROWS]
    told = client.post(f"/v1/models/{model['id']}/predictions?type=prob", json={"rows": rows})
    return np.array([[row[".pred_no"], row[".pred_yes"]] for row in told.json()["rows"]])


def test_an_evaluation_is_yardsticks_numbers_of_the_answers(
    client: TestClient, evaluations: str, model: Any, table: str
) -> None:
    names = ["accuracy", "roc_auc", "mn_log_loss", "f_meas"]
    made = client.post(evaluations, json={"dataset": table, "metrics": names})
    assert made.status_code == 201, made.text
    told = made.json()
    assert list(told) == [
        "id", "dataset", "dataset_sha256", "n", "metrics", "baseline", "confusion", "by_class",
        "warnings",
    ]  # fmt: skip
    truth = [["no", "yes"].index(row[0]) for row in ROWS]
    expected = score(names, truth, probabilities(client, model), ("no", "yes"), "classification")
    # Probabilities are float32, printed with all their digits.
    assert told["metrics"] == pytest.approx(expected, abs=1e-12)
    assert (told["dataset"], told["n"]) == (table, 60)
    assert told["baseline"] == {
        "kind": "majority",
        "metric": "accuracy",
        "value": pytest.approx(40 / 60),
    }
    assert sum(map(sum, told["confusion"]["counts"])) == 60
    assert [each["level"] for each in told["by_class"]] == ["no", "yes"]


def test_it_is_kept_with_the_model_and_found_where_it_says(
    client: TestClient, evaluations: str, model: Any, table: str
) -> None:
    made = [client.post(evaluations, json={"dataset": table}) for _ in range(3)]
    first = made[0].json()
    assert list(first["metrics"]) == ["roc_auc", "accuracy", "brier_class"]
    found = client.get(made[0].headers["location"])
    assert found.json() == first
    headers = {"If-None-Match": found.headers["etag"]}
    assert client.get(made[0].headers["location"], headers=headers).status_code == 304
    assert len(client.get(f"/v1/models/{model['id']}").json()["evaluations"]) == 3
    page = client.get(f"{evaluations}?limit=2").json()
    assert [each["id"] for each in page["data"]] == [made[2].json()["id"], made[1].json()["id"]]
    rest = client.get(f"{evaluations}?limit=2&after={page['next']}").json()
    assert (rest["data"], rest["has_more"]) == ([first], False)
    # The job reports what it was asked for, and that was nothing.
    assert client.get(f"/v1/jobs/{model['job_id']}").json()["evaluations"] == []
    assert client.get(f"{evaluations}/ev_none").status_code == 404
    assert client.get(f"{evaluations}?after=mdl_x").status_code == 422


def test_averages_events_and_intervals_are_as_asked_for(
    client: TestClient, evaluations: str, table: str
) -> None:
    asked = {"dataset": table, "metrics": ["recall", "spec"]}
    first = client.post(evaluations, json=asked).json()["metrics"]
    second = client.post(evaluations, json={**asked, "event_level": "second"}).json()
    assert second["event_level"] == "second"
    assert (second["metrics"]["recall"], second["metrics"]["spec"]) == (
        first["spec"],
        first["recall"],
    )
    macro = client.post(evaluations, json={**asked, "estimator": "macro"}).json()
    assert macro["metrics"]["recall"] == pytest.approx((first["recall"] + first["spec"]) / 2)
    body = {**asked, "bootstrap": {"times": 200, "level": 0.9}}
    told = client.post(evaluations, json=body).json()
    seed = told["bootstrap"]["seed"]
    assert told["bootstrap"] == {"times": 200, "level": 0.9, "seed": seed}
    again = client.post(evaluations, json={**asked, "bootstrap": told["bootstrap"]}).json()
    assert again["intervals"] == told["intervals"]
    recall = told["intervals"]["recall"]
    assert recall["low"] <= told["metrics"]["recall"] <= recall["high"]


def test_the_same_request_with_a_key_is_judged_once(
    client: TestClient, evaluations: str, table: str
) -> None:
    key = {"Idempotency-Key": "k1"}
    first = client.post(evaluations, json={"dataset": table}, headers=key)
    again = client.post(evaluations, json={"dataset": table}, headers=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert len(client.get(evaluations).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ({"dataset": "nope"}, ["body", "dataset"], "Nothing has the id or name 'nope'"),
        ({"metrics": ["acuracy"]}, ["body", "metrics", 0], "Did you mean 'accuracy'?"),
        ({"metrics": ["rmse"]}, ["body", "metrics", 0], "a metric of regression"),
        ({"estimator": "micro"}, ["body", "estimator"], "roc_auc"),
        ({"estimater": "micro"}, ["body", "estimater"], "Did you mean 'estimator'?"),
        ({"bootstrap": {"times": 0}}, ["body", "bootstrap", "times"], "greater"),
        ({"dataset": "no_outcome"}, ["body", "dataset", "y"], "Expected the outcome 'y'"),
        ({"dataset": "numbers"}, ["body", "dataset", "y"], "Expected categories"),
        ({"dataset": "strange"}, None, "'maybe'"),
        ({"dataset": "gaps"}, ["body", "dataset", 1, "a"], "missing value"),
    ],
)
def test_what_cannot_be_judged_is_refused_where_it_is_wrong(
    client: TestClient,
    register: Tables,
    evaluations: str,
    table: str,
    body: dict[str, Any],
    place: list[Any] | None,
    words: str,
) -> None:
    register("no_outcome", "a,b\n1,2\n", {})
    register("numbers", "y,a,b\n1,1,2\n", {})
    register("strange", "y,a,b\nno,1,2\nmaybe,1,2\n", {})
    register("gaps", "y,a,b\nno,,2\nyes,1,2\n", {})
    answer = client.post(evaluations, json={"dataset": table, **body})
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert words in told["detail"]
    if place is not None:
        assert told["errors"][0]["loc"] == place
    assert client.get(evaluations).json()["data"] == []


def test_a_bootstrap_that_would_take_minutes_is_refused(
    client: TestClient, evaluations: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MAX_RESAMPLED", 60 * 2 * 150)
    body = {"dataset": table, "bootstrap": {"times": 151}}
    answer = client.post(evaluations, json=body)
    assert answer.status_code == 422
    assert "at most 150 resamples of 60 rows" in answer.json()["detail"]
    assert client.post(evaluations, json={**body, "bootstrap": {"times": 150}}).status_code == 201


def test_what_takes_long_is_done_in_a_child_with_the_same_result(
    client: TestClient, evaluations: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = client.post(evaluations, json={"dataset": table}).json()
    monkeypatch.setattr(judging, "QUICK", 0)
    there = client.post(evaluations, json={"dataset": table}).json()
    assert there == {**here, "id": there["id"]}
    refused = client.post(evaluations, json={"dataset": table, "metrics": ["recall"]})
    assert refused.status_code == 201


def test_a_regression_is_judged_by_its_mean_and_has_no_classes(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, table: str
) -> None:
    body = {**fit, "outcome": "a", "recipe": [{"step": "select", "columns": ["b", "zero"]}]}
    model = fitted(trainer, client, body)
    path = f"/v1/models/{model['id']}/evaluations"
    told = client.post(path, json={"dataset": table, "metrics": ["rmse", "mase"]}).json()
    assert told["confusion"] is None
    assert told["by_class"] is None
    assert told["baseline"]["kind"] == "mean"
    # Of 0, 1/4, ..., 59/4 the standard deviation with n.
    assert told["baseline"]["value"] == pytest.approx(np.std(np.arange(60) / 4))
    refused = client.post(path, json={"dataset": table, "estimator": "macro"})
    assert refused.json()["errors"][0]["loc"] == ["body", "estimator"]
