"""Models and aliases over HTTP: looked up, summarised, downloaded, pointed at, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from tests.api.numpy_trainer import SUMMARY, NumpyTrainer, fitted


@pytest.fixture
def model(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    """The model of a finished fit that asked for an evaluation."""
    return fitted(trainer, client, {**fit, "evaluate": [{"dataset": "table"}], "tags": {"k": "v"}})


def test_a_model_has_what_it_takes_to_find_and_trust_it(
    client: TestClient, settings: Settings, model: Any
) -> None:
    assert list(model) == [
        "id", "name", "version", "job_id", "mode", "outcome", "predictors", "n_parameters",
        "weights_sha256", "artifact_sha256", "artifact_path", "dataset_sha256", "evaluations",
        "created_at", "tags", "levels", "spec",
    ]  # fmt: skip
    assert (model["name"], model["version"], model["outcome"]) == ("little", 1, "y")
    assert model["levels"] == ["no", "yes"]
    assert model["predictors"] == ["a", "b"]
    assert model["n_parameters"] == 27
    assert model["evaluations"][0]["confusion"]["counts"] == [[30, 5], [10, 15]]
    assert model["evaluations"][0]["metrics"]["roc_auc"] is None
    assert (settings.storage_root / model["artifact_path"] / "manifest.json").is_file()
    job = client.get(f"/v1/jobs/{model['job_id']}").json()
    assert job["model_id"] == model["id"]
    assert job["evaluations"] == model["evaluations"]


def test_a_model_is_found_by_every_one_of_its_names(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, model: Any
) -> None:
    second = fitted(trainer, client, fit)
    client.put("/v1/aliases/champion", json={"model": "little@1"})
    for reference in (model["id"], "little@1", "champion"):
        assert client.get(f"/v1/models/{reference}").json()["id"] == model["id"]
    assert client.get("/v1/models/little").json()["id"] == second["id"]
    missing = client.get("/v1/models/litle")
    assert missing.status_code == 404
    assert "Did you mean 'little'?" in missing.json()["detail"]


def test_models_are_listed_newest_first_without_what_is_long(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, model: Any
) -> None:
    other = fitted(trainer, client, {**fit, "name": "other"})
    items = client.get("/v1/models").json()["data"]
    assert [item["id"] for item in items] == [other["id"], model["id"]]
    assert not {"spec", "levels"} & set(items[0])
    named = client.get("/v1/models?name=little").json()["data"]
    assert [item["id"] for item in named] == [model["id"]]


def test_the_summary_is_keras_text_or_json(client: TestClient, model: Any) -> None:
    path = f"/v1/models/{model['id']}/summary"
    text = client.get(path)
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text == SUMMARY
    told = client.get(path, headers={"Accept": "application/json"}).json()
    assert told["n_parameters"] == 27
    assert told["layers"] == [
        {"inputs": 2, "units": 5, "activation": "softmax", "dropout": 0.0, "n_parameters": 15},
        {"inputs": 5, "units": 2, "activation": "softmax", "dropout": 0.0, "n_parameters": 12},
    ]
    assert client.get(path, headers={"Accept": "image/png"}).status_code == 406


def test_the_prototype_is_a_schema_whose_example_can_be_predicted(
    client: TestClient, model: Any
) -> None:
    prototype = client.get(f"/v1/models/{model['id']}/prototype").json()
    assert prototype["required"] == ["a", "b"]
    rows = prototype["examples"]
    answer = client.post(f"/v1/models/{model['id']}/predictions", json={"rows": rows})
    assert answer.status_code == 200, answer.text


def test_a_file_that_was_changed_is_not_given_away(
    client: TestClient, settings: Settings, model: Any
) -> None:
    file = settings.storage_root / model["artifact_path"] / "model.keras"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    answer = client.get(f"/v1/models/{model['id']}/artifact")
    assert answer.status_code == 503
    assert str(Path(settings.data_dir)) not in answer.text


def test_a_model_is_removed_unless_an_alias_points_at_it(client: TestClient, model: Any) -> None:
    path = f"/v1/models/{model['id']}"
    rows = {"rows": [{"a": 1, "b": 1}]}
    assert client.post(f"{path}/predictions", json=rows).status_code == 200
    client.put("/v1/aliases/champion", json={"model": model["id"]})
    refused = client.delete(path)
    assert refused.status_code == 409
    assert "champion" in refused.json()["detail"]
    assert client.delete("/v1/aliases/champion").status_code == 204
    assert client.delete(path).status_code == 204
    assert client.post(f"{path}/predictions", json=rows).status_code == 404
    assert client.get(f"/v1/jobs/{model['job_id']}").json()["model_id"] is None


def test_an_alias_is_made_then_moved(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, model: Any
) -> None:
    made = client.put("/v1/aliases/champion", json={"model": "little"})
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/aliases/champion"
    second = fitted(trainer, client, fit)
    moved = client.put("/v1/aliases/champion", json={"model": second["id"]})
    assert (moved.status_code, moved.json()["version"]) == (200, 2)
    assert client.get("/v1/aliases/champion").json() == moved.json()
    assert client.get("/v1/aliases").json()["data"] == [moved.json()]
    client.delete("/v1/aliases/champion")
    assert client.get("/v1/aliases/champion").status_code == 404
    assert model["version"] == 1


@pytest.mark.parametrize(
    ("alias", "body", "status"),
    [
        ("little", {"model": "little"}, 409),
        ("champion", {"model": "nobody"}, 404),
        ("champion", {"modell": "little"}, 422),
        ("champion", {}, 422),
        ("-champion", {"model": "little"}, 422),
    ],
)
def test_an_alias_that_cannot_be(
    client: TestClient, model: Any, alias: str, body: dict[str, str], status: int
) -> None:
    assert model["name"] == "little"
    assert client.put(f"/v1/aliases/{alias}", json=body).status_code == status


def test_a_fit_cannot_take_an_aliases_name(
    client: TestClient, fit: dict[str, Any], model: Any
) -> None:
    client.put("/v1/aliases/champion", json={"model": model["id"]})
    assert client.post("/v1/jobs", json={**fit, "name": "champion"}).status_code == 409
