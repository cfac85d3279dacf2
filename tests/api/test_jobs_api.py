"""Jobs over HTTP: submitted, refused, listed, cancelled, tried again, removed."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

import service
from service import calibrations
from service.domain.cost import TYPICAL, Calibration
from service.domain.errors import Diverged
from service.domain.jobs import Environment
from service.domain.resolve import spec_sha256
from service.settings import Settings
from service.store.database import Database
from tests.api.conftest import CSV, Tables
from tests.api.numpy_trainer import NumpyTrainer

HERE = Environment(
    device="cpu",
    versions={
        "fitpoint": service.__version__,
        "keras": version("keras"),
        "numpy": version("numpy"),
        "backend": "tensorflow",
        "tensorflow": version("tensorflow"),
        "processor": "whatever",
    },
)


def submitted(client: TestClient, body: dict[str, Any]) -> Any:
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_submitted_fit_is_a_resource_with_nothing_left_open(
    client: TestClient, fit: dict[str, Any]
) -> None:
    answer = client.post("/v1/jobs", json=fit)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["state"] == "queued"
    assert job["spec"]["mode"] == "classification"
    assert job["spec"]["engine"]["loss"] == "binary_crossentropy"
    assert isinstance(job["spec"]["engine"]["shuffle_seed"], int)
    assert job["progress"] == {
        "epoch": 0, "epochs": 3, "trials_done": 0, "trials": 1, "eta_seconds": None,
    }  # fmt: skip
    assert client.get(answer.headers["location"]).json() == job
    for field in ("started_at", "finished_at", "error", "model_id", "device", "versions"):
        assert job[field] is None


def test_a_dry_run_tells_the_parameters_and_queues_nothing(
    client: TestClient, fit: dict[str, Any]
) -> None:
    told = client.post("/v1/jobs?dry_run=true", json=fit)
    assert told.status_code == 200
    # zero is dropped, t removed: a and b, 5 hidden units, 2 classes
    assert told.json()["n_parameters"] == (2 * 5 + 5) + (5 * 2 + 2)
    assert told.json()["predictors"] == ["a", "b"]
    assert told.json()["spec"]["model"]["seeds"] == [1, 2, 3]
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_dry_run_tells_the_plan_and_its_seconds_once_they_were_measured(
    client: TestClient, fit: dict[str, Any], settings: Settings
) -> None:
    def plan() -> Any:
        return client.post("/v1/jobs?dry_run=true", json=fit).json()["plan"]

    elsewhere = HERE.model_copy(update={"versions": {**HERE.versions, "keras": "2.11"}})
    calibrations.keep(settings.data_dir, Calibration(environment=elsewhere, **TYPICAL.model_dump()))
    first = plan()
    assert first["expected_seconds"] is None
    assert first["bit_exact"] is True
    (cohort,) = first["cohorts"]
    assert (cohort["fits"], cohort["height"], cohort["reason"]) == ([0], 8, None)
    # 60 rows of 2 predictors, padded to 16, and 2 classes; 8 rows for 5 units, 2 outputs.
    assert cohort["expected_bytes"] == 4 * 60 * (16 + 2) + 16 * (8 * 16 + 5 * 2 + 2)
    calibrations.keep(settings.data_dir, Calibration(environment=HERE, **TYPICAL.model_dump()))
    assert 0 < plan()["expected_seconds"] < 60


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize(
    ("change", "kind", "loc", "words"),
    [
        ({"dataset": "tabel"}, "invalid-spec", ["body", "dataset"], "Did you mean 'table'?"),
        ({"outcome": "Y"}, "invalid-spec", ["body", "outcome"], "Did you mean 'y'?"),
        ({"recipe": []}, "invalid-spec", ["body", "recipe"], "'t'"),
        (
            {"recipe": [{"step": "remove", "columns": "bb"}]},
            "invalid-spec",
            ["body", "recipe", 0, "columns"],
            "Did you mean 'b'?",
        ),
        (
            {"recipe": [{"step": "remove", "columns": "all_predictors"}]},
            "no-predictors",
            ["body", "recipe"],
            "at least one predictor",
        ),
        ({"model": {"hidden_units": 0}}, "invalid-spec", ["body", "model", "hidden_units"], "0"),
        ({"model": {"penalty": 1, "dropout": 0.5}}, "invalid-spec", ["body", "model"], "either"),
        (
            {"model": {"hidden_units": [16384] * 16}},
            "invalid-spec",
            ["body", "model", "hidden_units"],
            "parameters",
        ),
        (
            {"engine": {"validation_split": 0.999}},
            "invalid-spec",
            ["body", "engine", "validation_split"],
            "none to train",
        ),
        (
            {"engine": {"validation_dataset": "nope"}},
            "invalid-spec",
            ["body", "engine", "validation_dataset"],
            "nope",
        ),
        (
            {"evaluate": [{"dataset": "table"}, {"dataset": "tabel"}]},
            "invalid-spec",
            ["body", "evaluate", 1, "dataset"],
            "Did you mean 'table'?",
        ),
        (
            {"evaluate": [{"dataset": "table", "metrics": ["acuracy"]}]},
            "invalid-spec",
            ["body", "evaluate", 0, "metrics", 0],
            "Did you mean 'accuracy'?",
        ),
    ],
)
def test_what_spec_and_profile_decide_is_refused_at_submit_and_in_a_dry_run(
    client: TestClient,
    fit: dict[str, Any],
    query: str,
    change: dict[str, Any],
    kind: str,
    loc: list[Any],
    words: str,
) -> None:
    refused = client.post(f"/v1/jobs{query}", json={**fit, **change})
    assert refused.status_code == 422, refused.text
    problem = refused.json()
    assert problem["type"] == f"/problems/{kind}"
    assert problem["instance"] == "/v1/jobs"
    assert problem["errors"][0]["loc"] == loc
    assert words in problem["errors"][0]["msg"]
    assert client.get("/v1/jobs").json()["data"] == []


def test_missing_values_are_a_problem_of_their_own_kind(
    client: TestClient, register: Tables, fit: dict[str, Any]
) -> None:
    register("gaps", CSV.replace("no,0.25", "no,NA"))
    refused = client.post("/v1/jobs", json={**fit, "dataset": "gaps"})
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/missing-values"


def test_a_misspelt_query_parameter_queues_nothing(client: TestClient, fit: dict[str, Any]) -> None:
    refused = client.post("/v1/jobs?dry-run=true", json=fit)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["query", "dry-run"]
    assert "Did you mean 'dry_run'?" in refused.json()["detail"]
    assert client.get("/v1/jobs").json()["data"] == []


def test_whole_numbers_may_be_written_as_r_writes_them(
    client: TestClient, fit: dict[str, Any]
) -> None:
    raw = (
        '{"kind":"fit","dataset":"table","outcome":"y","recipe":[{"step":"remove","columns":"t"}],'
        '"model":{"seeds":[1e+05,2.0,3],"epochs":1e1}}'
    )
    answer = client.post("/v1/jobs", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["spec"]["model"]["seeds"] == [100_000, 2, 3]
    assert fit["dataset"] == "table"


def test_a_commit_that_fails_gives_an_error_and_no_job(
    client: TestClient, database: Database, fit: dict[str, Any]
) -> None:
    # A foreign key that is checked at the commit, not before: everything goes well until then.
    with database.alter() as connection:
        connection.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        connection.execute(
            text(
                "CREATE TABLE child (id INTEGER REFERENCES parent (id) "
                "DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER spoil AFTER INSERT ON jobs BEGIN INSERT INTO child VALUES (1); END"
            )
        )
    answer = client.post("/v1/jobs", json=fit)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "foreign" not in answer.text.lower()
    assert client.get("/v1/jobs").json()["data"] == []


def test_jobs_are_listed_newest_first_and_filtered(
    client: TestClient, register: Tables, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    register("other")
    first = submitted(client, {**fit, "name": "one"})
    second = submitted(client, {**fit, "name": "two", "dataset": "other"})
    trainer.claim()

    def ids(query: str) -> list[str]:
        answer = client.get(f"/v1/jobs{query}")
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["data"]]

    assert ids("") == [second["id"], first["id"]]
    assert ids("?state=running") == [first["id"]]
    assert ids("?dataset=other") == [second["id"]]
    assert ids("?name=one&kind=fit") == [first["id"]]
    assert ids("?kind=tune") == []
    page = client.get("/v1/jobs?limit=1").json()
    assert page["has_more"] is True
    assert ids(f"?after={page['next']}") == [first["id"]]
    assert "spec" not in page["data"][0]
    refused = client.get("/v1/jobs?state=done")
    assert refused.status_code == 422
    assert "succeeded" in refused.json()["detail"]
    assert client.get("/v1/jobs?kind=fits").status_code == 422


def test_a_queued_job_is_cancelled_at_once_and_twice_is_once(
    client: TestClient, fit: dict[str, Any]
) -> None:
    path = f"/v1/jobs/{submitted(client, fit)['id']}/cancel"
    for _ in range(2):
        answer = client.post(path)
        assert answer.status_code == 200
        assert answer.json()["state"] == "cancelled"


def test_a_running_job_is_asked_to_stop(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = f"/v1/jobs/{submitted(client, fit)['id']}"
    claim = trainer.claim()
    trainer.record(claim, 1, [{"loss": 0.5}])
    asked = client.post(f"{path}/cancel")
    assert asked.status_code == 202
    assert asked.json()["state"] == "running"
    assert asked.json()["cancel_requested_at"].endswith("Z")
    trainer.acknowledge_cancel(claim)
    assert client.get(path).json()["state"] == "cancelled"
    assert client.get(f"{path}/epochs").json()["epochs_run"] == 1


def test_a_job_that_succeeded_cannot_be_cancelled_or_tried_again(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = f"/v1/jobs/{submitted(client, fit)['id']}"
    trainer.succeed(trainer.claim())
    assert client.post(f"{path}/cancel").status_code == 409
    assert client.post(f"{path}/retry").status_code == 409


def test_a_failed_job_carries_a_problem_and_can_be_tried_again(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    job = submitted(client, fit)
    path = f"/v1/jobs/{job['id']}"
    trainer.fail(trainer.claim(), Diverged("The loss was not finite in epoch 2."))
    failed = client.get(path).json()
    assert failed["state"] == "failed"
    assert failed["error"] == {
        "type": "/problems/diverged",
        "title": "The loss diverged",
        "status": 422,
        "detail": "The loss was not finite in epoch 2.",
        "instance": path,
    }
    again = client.post(f"{path}/retry")
    assert again.status_code == 202
    assert (again.json()["state"], again.json()["error"]) == ("queued", None)
    trainer.succeed(trainer.claim())
    assert client.get(path).json()["attempt"] == 2


def test_a_job_is_removed_with_its_model_once_it_has_ended(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = f"/v1/jobs/{submitted(client, fit)['id']}"
    assert client.delete(path).status_code == 409
    model = trainer.succeed(trainer.claim())
    client.put("/v1/aliases/champion", json={"model": model.id})
    assert client.delete(path).status_code == 409
    client.delete("/v1/aliases/champion")
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.get(f"/v1/models/{model.id}").status_code == 404


def test_reuse_finds_the_same_spec_data_and_environment_only(
    client: TestClient, register: Tables, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    job = submitted(client, fit)
    trainer.succeed(trainer.claim(), environment=HERE)
    same = client.post("/v1/jobs?reuse=true", json={**fit, "name": "other", "tags": {"a": "b"}})
    assert (same.status_code, same.json()["id"]) == (200, job["id"])
    register("copy", CSV.replace("0.25", "0.125"))
    for change in ({"model": {**fit["model"], "epochs": 4}}, {"dataset": "copy"}):
        other = client.post("/v1/jobs?reuse=true", json={**fit, **change})
        assert other.status_code == 202
        assert other.json()["id"] != job["id"]


def test_reuse_ignores_what_other_versions_trained_and_other_rows_of_the_same_name(
    client: TestClient, register: Tables, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    submitted(client, fit)
    older = HERE.model_copy(update={"versions": {**HERE.versions, "keras": "3.0.0"}})
    trainer.succeed(trainer.claim(), environment=older)
    assert client.post("/v1/jobs?reuse=true", json=fit).status_code == 202
    trainer.succeed(trainer.claim(), environment=HERE)
    assert client.post("/v1/jobs?reuse=true", json=fit).status_code == 200
    client.delete("/v1/datasets/table")
    register("table", CSV.replace("0.25", "0.125"))
    assert client.post("/v1/jobs?reuse=true", json=fit).status_code == 202


def test_an_unknown_job_is_not_found_on_every_route(client: TestClient, app: FastAPI) -> None:
    paths = [path for path in app.openapi()["paths"] if path.startswith("/v1/jobs/{j}")]
    assert len(paths) > 5
    for template in paths:
        for method in app.openapi()["paths"][template]:
            path = template.replace("{j}", "job_nope").replace("{extension}", "svg")
            body: dict[str, Any] | None = (
                {} if "requestBody" in app.openapi()["paths"][template][method] else None
            )
            answer = client.request(method, path, json=body)
            assert answer.status_code == 404, (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


def test_the_hash_of_the_stored_spec_can_be_computed_again(
    client: TestClient, fit: dict[str, Any]
) -> None:
    from service.domain.fit import FitSpec

    job = submitted(client, fit)
    assert job["spec_sha256"] == spec_sha256(FitSpec.model_validate(job["spec"]))
