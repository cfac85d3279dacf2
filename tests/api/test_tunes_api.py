"""Tunes over HTTP: submitted, refused, and what was recorded of them read back."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.domain.errors import AllFailed
from service.domain.history import EpochRecord
from service.domain.jobs import Progress
from service.store import claims
from service.store.database import Database
from tests.api.conftest import CSV, OPTIONS, Tables
from tests.api.numpy_trainer import NumpyTrainer
from tests.api.recorded_tunes import GRID, OPEN, finish, record, result, results, tune

FOLDS = {1: (0.6, 0.7, 0.8), 2: (0.5, 0.5, 0.5), 3: (0.7, 0.8, 0.9), 4: (None, None, None)}


def submitted(client: TestClient, body: dict[str, Any]) -> str:
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


@pytest.fixture
def tuned(client: TestClient, table: str, trainer: NumpyTrainer, database: Database) -> str:
    """The path of a tune that has ended: three candidates were judged, one diverged."""
    path = submitted(client, tune(table))
    claim = trainer.claim()
    record(database, claim, results(FOLDS))
    finish(database, claim)
    return path


def rows(client: TestClient, path: str) -> list[Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_a_submitted_tune_is_a_job_with_every_seed_and_metric_filled_in(
    client: TestClient, table: str
) -> None:
    body = tune(table, metrics=None, resamples={"kind": "validation_split"})
    body["fit"]["model"].pop("seeds")
    path = submitted(client, body)
    job = client.get(path).json()
    assert (job["kind"], job["name"], job["state"], job["model_id"]) == (
        "tune", "grid", "queued", None,
    )  # fmt: skip
    spec = job["spec"]
    assert spec["metrics"] == ["roc_auc", "accuracy", "brier_class"]
    assert isinstance(spec["resamples"]["seed"], int)
    assert len(spec["fit"]["model"]["seeds"]) == 3
    assert isinstance(spec["fit"]["engine"]["shuffle_seed"], int)
    assert job["progress"] == {
        "epoch": 0, "epochs": 12, "trials_done": 0, "trials": 4, "eta_seconds": None,
    }  # fmt: skip
    assert [each["id"] for each in rows(client, "/v1/jobs?kind=tune")] == [job["id"]]
    assert [each["id"] for each in rows(client, f"/v1/jobs?dataset={table}")] == [job["id"]]
    assert client.delete(f"/v1/datasets/{table}").status_code == 409


def test_a_dry_run_lists_the_candidates_in_order_and_queues_nothing(
    client: TestClient, table: str
) -> None:
    told = client.post("/v1/jobs?dry_run=true", json=tune(table)).json()
    assert [each["values"] for each in told["candidates"]] == [
        {"hidden_units": 2, "penalty": 0.0},
        {"hidden_units": 2, "penalty": 0.1},
        {"hidden_units": 4, "penalty": 0.0},
        {"hidden_units": 4, "penalty": 0.1},
    ]
    assert [each["trial"] for each in told["candidates"]] == [1, 2, 3, 4]
    assert told["candidates"][0]["config"] == "Preprocessor1_Model1"
    # Two predictors are left, two classes: 2 h + h, then 2 h + 2.
    assert [each["n_parameters"] for each in told["candidates"]] == [12, 12, 22, 22]
    assert [each["note"] for each in told["candidates"]] == [None] * 4
    assert (told["resamples"], told["metrics"]) == (3, ["accuracy", "roc_auc"])
    assert told["spec"]["fit"]["engine"]["shuffle_seed"] is not None
    assert rows(client, "/v1/jobs") == []


def test_candidates_that_cannot_be_fitted_say_why_and_the_others_are_tried(
    client: TestClient, table: str
) -> None:
    body = tune(table)
    body["fit"]["recipe"][1]["columns"] = {"tune": "dropped"}
    body["fit"]["engine"]["batch_size"] = OPEN
    del body["fit"]["model"]["hidden_units"], body["fit"]["model"]["penalty"]
    body["grid"] = {
        "kind": "rows",
        "rows": [
            {"dropped": "t", "batch_size": 8},
            {"dropped": "zero", "batch_size": 8},
            {"dropped": "t", "batch_size": 41},
            {"dropped": "t", "batch_size": 0},
        ],
    }
    told = client.post("/v1/jobs?dry_run=true", json=body).json()
    notes = [each["note"] for each in told["candidates"]]
    assert notes[0] is None
    assert "Received 'zero', which an earlier step dropped" in notes[1]
    assert "at least one batch of 41 rows" in notes[2]
    assert "batch_size" in notes[3]
    assert [each["n_parameters"] is None for each in told["candidates"]] == [
        False, True, True, True,
    ]  # fmt: skip
    submitted(client, body)


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize(
    ("change", "loc", "words"),
    [
        ({"kind": "tun"}, ["kind"], "'fit' or 'tune'"),
        ({"grids": {}}, ["grids"], "grid"),
        ({"grid": {"kind": "bayes", "size": 4}}, ["grid"], "`initial`"),
        ({"grid": {"kind": "bayes"}, "race": {"kind": "halving"}}, ["grid", "kind"], "both"),
        ({"grid": {"kind": "bayes", "ranges": {"penalti": {"min": -3, "max": -1}}}},
          ["grid", "ranges", "penalti"], "Did you mean 'penalty'?"),
        ({"race": {"kind": "halving", "factor": 1}}, ["race", "factor"], "equal to 2"),
        ({"race": {"kind": "asha"}}, ["race", "kind"], "one of halving"),
        (
            {"race": {"kind": "halving", "min_epochs": 20}},
            ["race", "min_epochs"],
            "min_epochs below the epochs of the fit",
        ),
        ({"grid": None}, ["grid"], "Expected a grid for"),
        ({"grid": {"kind": "expand", "values": {"hidden_units": [2]}}}, ["grid", "values"], "None"),
        (
            {"grid": {"kind": "expand", "values": {**GRID["values"], "penalti": [1]}}},  # type: ignore[dict-item]
            ["grid", "values", "penalti"],
            "Did you mean 'penalty'?",
        ),
        ({"grid": {"kind": "regular", "levels": 1_000_000}}, ["grid", "levels"], "1 to 10000"),
        ({"metrics": ["rmse"]}, ["metrics", 0], "metric of classification"),
        ({"metrics": ["acuracy"]}, ["metrics", 0], "Did you mean 'accuracy'?"),
        ({"finalize": {"metric": "brier_class"}}, ["finalize", "metric"], "accuracy, roc_auc"),
        ({"finalize": {"select": "pct_loss"}}, ["finalize"], "`sort`"),
        (
            {"finalize": {"select": "pct_loss", "sort": "width"}},
            ["finalize", "sort"],
            "Expected ids of the fit",
        ),
        ({"evaluate": [{"dataset": "tabel"}]}, ["evaluate", 0, "dataset"], "'table'"),
        ({"resamples": {"kind": "vfold", "v": 61}}, ["resamples"], "60"),
    ],
)  # fmt: skip
def test_a_tune_that_is_wrong_is_refused_with_the_place(
    client: TestClient, table: str, query: str, change: Any, loc: list[Any], words: str
) -> None:
    answer = client.post(f"/v1/jobs{query}", json=tune(table, **change))
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    errors = [each for each in problem["errors"] if each["loc"][1 : 1 + len(loc)] == loc]
    assert errors, problem
    assert any(words in each["msg"] for each in errors), errors
    assert rows(client, "/v1/jobs") == []


@pytest.mark.parametrize(
    ("place", "value", "loc", "words"),
    [
        (["dataset"], "tabel", ["dataset"], "Did you mean 'table'?"),
        (["dataset"], None, [], "dataset"),
        (["outcome"], "z", ["outcome"], "'z'"),
        (["outcome"], OPEN, ["outcome"], ""),
        (["model", "seeds"], OPEN, ["model", "seeds"], "luckiest"),
        (["model", "epochs"], -1, ["model", "epochs"], "-1"),
        (["name"], "mine", ["name"], ""),
        (["engine", "validation_dataset"], "tabel", ["engine", "validation_dataset"], "'table'"),
    ],
)
def test_a_fit_that_is_wrong_for_every_candidate_is_refused_below_body_fit(
    client: TestClient, table: str, place: list[str], value: Any, loc: list[str], words: str
) -> None:
    body = tune(table)
    at = body["fit"]
    for part in place[:-1]:
        at = at[part]
    at[place[-1]] = value
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert words in str(problem)
    if loc:
        assert ["body", "fit", *loc] in [each["loc"] for each in problem["errors"]]


def test_a_fit_without_placeholders_takes_no_grid_and_is_one_candidate_without(
    client: TestClient, table: str
) -> None:
    body = tune(table)
    body["fit"]["model"] = {"epochs": 2}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "There is none" in answer.text
    told = client.post("/v1/jobs?dry_run=true", json={**body, "grid": None}).json()
    assert [each["values"] for each in told["candidates"]] == [{}]


def test_a_grid_of_a_million_million_cells_is_refused(client: TestClient, table: str) -> None:
    body = tune(table, grid={"kind": "regular", "levels": 10_000})
    body["fit"]["model"] = {"penalty": OPEN, "mixture": OPEN, "learn_rate": OPEN}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "a grid of 1,000,000,000,000" in answer.text


def test_reuse_is_for_fits(client: TestClient, table: str) -> None:
    answer = client.post("/v1/jobs?reuse=true", json=tune(table))
    assert answer.status_code == 422
    assert "Expected `reuse` with a fit" in answer.text


def test_a_tune_sent_twice_with_a_key_is_queued_once(client: TestClient, table: str) -> None:
    key = {"Idempotency-Key": "once"}
    # Its seeds are drawn: only the kept answer can be the same.
    body = tune(table, resamples={"kind": "validation_split"})
    first = client.post("/v1/jobs", json=body, headers=key)
    again = client.post("/v1/jobs", json=body, headers=key)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(rows(client, "/v1/jobs")) == 1
    other = client.post("/v1/jobs", json={**body, "name": "other"}, headers=key)
    assert other.status_code == 422


def test_trials_are_best_first_and_flat(client: TestClient, tuned: str) -> None:
    best, *_, last = found = rows(client, f"{tuned}/trials")
    assert [row["trial"] for row in found] == [3, 1, 2, 4]
    assert best == {
        "trial": 3,
        "config": "Preprocessor1_Model3",
        "hidden_units": 4,
        "penalty": 0.0,
        "metric": "accuracy",
        "mean": pytest.approx(0.8),
        "n": 3,
        "std_err": pytest.approx(0.1 / 3**0.5),
    }
    assert (last["mean"], last["n"], last["std_err"]) == (None, 0, None)
    assert last["note"] == "The loss was not finite in epoch 2."
    by_area = rows(client, f"{tuned}/trials?metric=roc_auc")
    assert [row["trial"] for row in by_area] == [2, 1, 3, 4]


def test_pages_of_trials_are_the_whole_list(client: TestClient, tuned: str) -> None:
    first = client.get(f"{tuned}/trials?limit=3").json()
    rest = client.get(f"{tuned}/trials", params={"limit": 3, "after": first["next"]}).json()
    assert [row["trial"] for row in first["data"] + rest["data"]] == [3, 1, 2, 4]
    assert (first["has_more"], first["next"]) == (True, "2")
    assert (rest["has_more"], rest["next"]) == (False, None)
    assert client.get(f"{tuned}/trials?limit=101").status_code == 422
    assert client.get(f"{tuned}/trials?after=5").status_code == 422


def test_show_best_leaves_out_what_was_not_judged(client: TestClient, tuned: str) -> None:
    assert [row["trial"] for row in rows(client, f"{tuned}/show_best")] == [3, 1, 2]
    (leader,) = rows(client, f"{tuned}/show_best?n=1&metric=roc_auc")
    assert (leader["trial"], leader["mean"]) == (2, pytest.approx(0.5))
    told = client.get(f"{tuned}/show_best")
    etag = {"If-None-Match": told.headers["etag"]}
    assert client.get(f"{tuned}/show_best", headers=etag).status_code == 304


def test_a_candidate_that_a_race_stopped_comes_last_and_is_never_chosen(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    race = {"kind": "halving", "min_epochs": 1}
    path = submitted(client, tune(table, race=race))
    claim = trainer.claim()
    note = "Stopped by the race after epoch 1: its mean accuracy, 0.9, is not among the best."
    stopped = {"ending": "pruned", "epochs_run": 1, "pruned_at": 1, "note": note}
    record(database, claim, results({1: (0.9, 0.9, 0.9), 2: (0.8, 0.8, 0.8)}, **stopped))
    # Nothing has come to its end yet: there is nobody to choose.
    assert [row["pruned_at"] for row in rows(client, f"{path}/show_best")] == [1, 1]
    assert client.get(f"{path}/select").status_code == 409
    record(database, claim, results({3: (0.5, 0.6, 0.7), 4: (None, None, None)}))
    finish(database, claim)
    best = rows(client, f"{path}/show_best")
    assert [row["trial"] for row in best] == [3, 1, 2]
    assert "pruned_at" not in best[0]
    assert (best[1]["pruned_at"], best[1]["note"], best[1]["mean"]) == (1, note, 0.9)
    assert [row["trial"] for row in rows(client, f"{path}/trials")] == [3, 1, 2, 4]
    for query in ("", "?by=one_std_err&sort=penalty", "?by=pct_loss&sort=penalty&limit=99"):
        assert client.get(f"{path}/select{query}").json()["trial"] == 3
    told = client.get(f"{path}/events").text
    assert told.count('"ending":"pruned"') == 6
    answer = client.post(f"{path}/finalize", json={"select": "best", "metric": "accuracy"})
    assert answer.json()["spec"]["model"]["hidden_units"] == 4


@pytest.mark.parametrize("call", ["trials", "show_best", "select", "plots/tune.svg"])
def test_a_metric_that_the_tune_has_not_is_refused_before_and_after_its_end(
    client: TestClient, tuned: str, table: str, call: str
) -> None:
    waiting = submitted(client, tune(table))
    for path in (tuned, waiting):
        answer = client.get(f"{path}/{call}?metric=acuracy")
        assert answer.status_code == 422, answer.text
        assert "Did you mean 'accuracy'?" in answer.json()["detail"]
        assert answer.json()["errors"][0]["loc"] == ["query", "metric"]


def test_a_tune_that_waits_has_candidates_without_an_estimate(
    client: TestClient, table: str
) -> None:
    path = submitted(client, tune(table))
    assert [row["mean"] for row in rows(client, f"{path}/trials")] == [None] * 4
    assert rows(client, f"{path}/show_best") == []
    assert client.get(f"{path}/select").status_code == 409
    assert client.get(f"{path}/plots/tune.svg").content.startswith(b"<?xml")
    assert client.post(f"{path}/finalize", json={}).status_code == 409


def test_a_running_tune_shows_its_leader(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, tune(table))
    claim = trainer.claim()
    record(database, claim, [result(2, 1, 0.6)])
    assert [row["trial"] for row in rows(client, f"{path}/show_best")] == [2]
    record(database, claim, [result(2, 1, 0.6), result(1, 1, 0.7)])
    assert [row["trial"] for row in rows(client, f"{path}/show_best")] == [1, 2]
    progress = client.get(path).json()["progress"]
    assert (progress["trials_done"], progress["epoch"]) == (2, 6)


@pytest.mark.parametrize(
    ("query", "trial"),
    [
        ("", 3),
        ("?by=best&metric=roc_auc", 2),
        # 0.8 less its standard error 0.058 is above the others.
        ("?by=one_std_err&sort=hidden_units", 3),
        ("?by=pct_loss&limit=13&sort=hidden_units", 1),
        ("?by=pct_loss&limit=2&sort=hidden_units", 3),
        ("?by=pct_loss&limit=60&sort=hidden_units,-penalty", 2),
    ],
)
def test_a_rule_selects_a_candidate(client: TestClient, tuned: str, query: str, trial: int) -> None:
    answer = client.get(f"{tuned}/select{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["trial"] == trial


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("by=worst", "one_std_err"),
        ("by=one_std_err", "Expected `sort`"),
        ("by=pct_loss&sort=width", "ids of this tune"),
        ("by=pct_loss&sort=penalty&limit=0", "limit"),
    ],
)
def test_a_rule_that_is_wrong_is_refused(
    client: TestClient, tuned: str, query: str, words: str
) -> None:
    answer = client.get(f"{tuned}/select?{query}")
    assert answer.status_code == 422, answer.text
    assert words in answer.text


def test_one_resample_has_no_standard_error(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, tune(table, resamples={"kind": "validation_split"}))
    record(database, trainer.claim(), results({1: (0.5,), 2: (0.6,)}))
    assert [row["std_err"] for row in rows(client, f"{path}/show_best")] == [None, None]
    answer = client.get(f"{path}/select?by=one_std_err&sort=penalty")
    assert answer.status_code == 409
    assert "Use more resamples" in answer.json()["detail"]
    assert client.get(f"{path}/select").json()["trial"] == 2


CALLS = ["trials", "show_best", "select", "resamples", "plots/tune.svg", "plots/tune.png"]


@pytest.mark.parametrize("call", CALLS)
def test_what_a_tune_found_is_not_asked_of_a_fit_or_of_nobody(
    client: TestClient, fit: dict[str, Any], call: str
) -> None:
    path = submitted(client, fit)
    answer = client.get(f"{path}/{call}")
    assert answer.status_code == 409
    assert "Expected a tune" in answer.json()["detail"]
    assert client.get(f"/v1/jobs/job_none/{call}").status_code == 404


def test_resamples_are_rows_from_one_and_those_that_were_asked_for(
    client: TestClient, table: str
) -> None:
    given = [{"analysis": [60, 1, *range(2, 20)], "assessment": [21, 20]}]
    path = submitted(client, tune(table, resamples={"kind": "rows", "splits": given}))
    (only,) = rows(client, f"{path}/resamples")
    assert {name: only[name] for name in ("analysis", "assessment")} == given[0]
    assert only["fold"] == 1


def test_pages_of_resamples_assess_every_row_once(client: TestClient, table: str) -> None:
    path = submitted(client, tune(table, resamples={"kind": "vfold", "v": 5, "seed": 1}))
    first = client.get(f"{path}/resamples?limit=3").json()
    rest = client.get(f"{path}/resamples", params={"after": first["next"]}).json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    folds = first["data"] + rest["data"]
    assert [each["fold"] for each in folds] == [1, 2, 3, 4, 5]
    assert sorted(row for each in folds for row in each["assessment"]) == list(range(1, 61))
    for each in folds:
        assert sorted(each["analysis"] + each["assessment"]) == list(range(1, 61))
    assert client.get(f"{path}/resamples?after=nonsense").status_code == 422


def test_resamples_of_rows_that_are_gone_are_a_conflict(
    client: TestClient, tuned: str, table: str
) -> None:
    assert client.delete(f"/v1/datasets/{table}").status_code == 204
    answer = client.get(f"{tuned}/resamples")
    assert answer.status_code == 409
    assert f"'{table}'" in answer.json()["detail"]
    # What was found stays.
    assert [row["trial"] for row in rows(client, f"{tuned}/show_best")] == [3, 1, 2]


@pytest.mark.parametrize(("extension", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_tune_is_a_picture(client: TestClient, tuned: str, extension: str, start: bytes) -> None:
    drawn = client.get(f"{tuned}/plots/tune.{extension}")
    assert drawn.content.startswith(start)
    etag = {"If-None-Match": drawn.headers["etag"]}
    assert client.get(f"{tuned}/plots/tune.{extension}", headers=etag).status_code == 304
    other = client.get(f"{tuned}/plots/tune.{extension}?metric=roc_auc")
    assert other.content != drawn.content
    lines = client.get(f"{tuned}/plots/tune.{extension}?view=parallel")
    assert (lines.status_code, lines.content != drawn.content) == (200, True)
    assert client.get(f"{tuned}/plots/tune.{extension}?view=panels").content == drawn.content
    assert client.get(f"{tuned}/plots/tune.{extension}?view=lines").status_code == 422
    assert client.get(f"{tuned}/plots/tune.gif").status_code in (404, 422)


def test_finalize_queues_a_fit_with_the_chosen_values_and_the_tune_s_seeds(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    judged = [{"dataset": table, "metrics": ["accuracy"]}]
    path = submitted(client, tune(table, evaluate=judged, priority=3, tags={"of": "grid"}))
    claim = trainer.claim()
    record(database, claim, results(FOLDS))
    finish(database, claim)
    answer = client.post(f"{path}/finalize", json={"select": "best", "metric": "accuracy"})
    assert answer.status_code == 202, answer.text
    job = client.get(answer.headers["location"]).json()
    assert (job["kind"], job["name"], job["priority"], job["tags"]) == (
        "fit", "grid", 3, {"of": "grid"},
    )  # fmt: skip
    spec, asked = job["spec"], client.get(path).json()["spec"]["fit"]
    assert (spec["model"]["hidden_units"], spec["model"]["penalty"]) == (4, 0.0)
    assert spec["model"]["seeds"] == [1, 2, 3]
    assert spec["engine"]["shuffle_seed"] == asked["engine"]["shuffle_seed"]
    assert spec["evaluate"] == [{**judged[0], "rows": None}]
    model = trainer.succeed(trainer.claim())
    assert client.get(f"/v1/models/{model.id}").json()["name"] == "grid"


def test_a_last_fit_is_judged_on_the_data_that_it_is_asked_for(
    client: TestClient, tuned: str, table: str
) -> None:
    judged = {"dataset": table, "metrics": ["accuracy"]}
    spec = client.post(f"{tuned}/finalize", json={"evaluate": [judged]}).json()["spec"]
    assert spec["evaluate"] == [{**judged, "rows": None}]
    assert spec["split"] is None
    for wrong, loc in (
        ({"dataset": "tabel"}, "dataset"),
        ({"dataset": table, "rows": "testing"}, "rows"),
    ):
        answer = client.post(f"{tuned}/finalize", json={"evaluate": [wrong]})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["loc"] == ["body", "evaluate", 0, loc]


def test_a_last_fit_keeps_the_testing_rows_of_a_validation_set_for_its_judgement(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    three = {"kind": "validation_set", "prop": [0.5, 0.25], "seed": 5, "strata": "y"}
    path = submitted(client, tune(table, resamples=three))
    claim = trainer.claim()
    record(database, claim, results({1: [0.5], 3: [0.75]}))
    finish(database, claim)
    spec = client.post(f"{path}/finalize", json={"select": "best"}).json()["spec"]
    assert spec["split"] == three
    assert spec["evaluate"] == [
        {"dataset": table, "metrics": ["accuracy", "roc_auc"], "rows": "testing"}
    ]
    told = client.post("/v1/jobs?dry_run=true", json=spec)
    assert told.status_code == 200, told.text


def test_finalize_with_the_best_epochs_trains_their_mean_and_stops_no_more(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    body = tune(table)
    body["fit"]["engine"] |= {"validation_split": 0.2, "early_stopping": {"patience": 2}}
    path = submitted(client, body)
    claim = trainer.claim()
    found = [
        result(1, fold, 0.5, best_epoch=epoch) for fold, epoch in enumerate((1, 2, 3), start=1)
    ]
    record(database, claim, found)
    finish(database, claim)
    spec = client.post(f"{path}/finalize", json={"epochs": "best"}).json()["spec"]
    assert spec["model"]["epochs"] == 2
    assert spec["engine"]["early_stopping"] is None
    kept = client.post(f"{path}/finalize", json={}).json()["spec"]
    assert kept["model"]["epochs"] == 3
    assert kept["engine"]["early_stopping"]["patience"] == 2


def test_finalize_is_made_once_for_a_key(client: TestClient, tuned: str) -> None:
    key = {"Idempotency-Key": "final"}
    first = client.post(f"{tuned}/finalize", json={}, headers=key)
    again = client.post(f"{tuned}/finalize", json={}, headers=key)
    assert (first.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert len(rows(client, "/v1/jobs?kind=fit")) == 1


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"refit": False}, 409, "Expected refit to be true"),
        ({"metric": "rmse"}, 422, "metrics"),
        ({"select": "one_std_err"}, 422, "`sort`"),
        ({"select": "one_std_err", "sort": "width"}, 422, "ids of this tune"),
        ({"selects": "best"}, 422, "select"),
    ],
)
def test_a_finalize_that_cannot_be_made_is_refused(
    client: TestClient, tuned: str, body: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post(f"{tuned}/finalize", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert rows(client, "/v1/jobs?kind=fit") == []


def test_finalize_trains_on_the_tune_s_data_or_not_at_all(
    client: TestClient, tuned: str, table: str, register: Tables
) -> None:
    assert client.delete(f"/v1/datasets/{table}").status_code == 204
    assert client.post(f"{tuned}/finalize", json={}).status_code in (409, 422)
    register(table, CSV + "yes,9,1,7,u\n", OPTIONS)
    answer = client.post(f"{tuned}/finalize", json={})
    assert answer.status_code == 409, answer.text
    assert f"'{table}'" in answer.json()["detail"]


def test_finalize_is_refused_for_a_fit(client: TestClient, fit: dict[str, Any]) -> None:
    assert client.post(f"{submitted(client, fit)}/finalize", json={}).status_code == 409


def test_epochs_of_a_tune_ascend_by_trial_fold_and_epoch(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, tune(table))
    claim = trainer.claim()
    for epoch in (1, 2):
        told = [
            EpochRecord(
                trial=trial,
                fold=fold,
                epoch=epoch,
                values={"loss": 0.5 / epoch},
                seconds=0.1,
                samples_per_second=400.0,
            )
            for fold in (2, 1)
            for trial in (2, 1)
        ]
        with database.write() as s:
            claims.record_epochs(
                s, claim.job.id, claim.token, told, Progress(epoch=4 * epoch, epochs=36)
            )
    page = client.get(f"{path}/epochs").json()
    assert [(row["trial"], row["fold"], row["epoch"]) for row in page["data"]] == [
        (trial, fold, epoch) for trial in (1, 2) for fold in (1, 2) for epoch in (1, 2)
    ]
    first = client.get(f"{path}/epochs?limit=3").json()
    rest = client.get(f"{path}/epochs", params={"after": first["next"]}).json()
    assert first["data"] + rest["data"] == page["data"]
    assert client.get(f"{path}/plots/history.svg").content.startswith(b"<?xml")


def test_events_tell_each_trial_once_with_its_scores(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, tune(table))
    claim = trainer.claim()
    record(database, claim, [result(1, 1, 0.5)])
    record(database, claim, [result(1, 1, 0.5), result(1, 2, 0.75)])
    finish(database, claim)
    events = client.get(f"{path}/events").text
    assert events.count("event: trial") == 2
    assert events.count('"leader":{"trial":1,') == 2
    assert '"accuracy":0.75' in events.replace(" ", "")
    assert "event: done" in events


def test_a_tune_whose_fits_all_failed_says_why_and_can_be_tried_again(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, tune(table))
    claim = trainer.claim()
    record(database, claim, results({1: (None,)}))
    trainer.fail(claim, AllFailed("No candidate could be judged. 1 of 1: why."))
    job = client.get(path).json()
    assert (job["state"], job["error"]["type"].rpartition("/")[2]) == ("failed", "all-failed")
    assert client.get(job["error"]["type"]).status_code == 200
    assert client.post(f"{path}/retry").status_code == 202
    assert {row.get("note") for row in rows(client, f"{path}/trials")} == {None}


def test_a_cancelled_tune_keeps_what_it_found_and_a_deleted_one_nothing(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, tune(table))
    claim = trainer.claim()
    record(database, claim, results({1: (0.5,)}))
    assert client.delete(path).status_code == 409
    assert client.post(f"{path}/cancel").status_code == 202
    trainer.acknowledge_cancel(claim)
    assert client.get(path).json()["state"] == "cancelled"
    assert [row["trial"] for row in rows(client, f"{path}/show_best")] == [1]
    assert client.delete(path).status_code == 204
    assert client.get(f"{path}/show_best").status_code == 404


def test_a_tune_is_not_replayed(client: TestClient, tuned: str) -> None:
    answer = client.post(f"{tuned}/replay")
    assert answer.status_code == 409, answer.text


def test_more_row_numbers_than_a_specification_may_have_fields_are_taken_and_one_wrong_is_told(
    client: TestClient, table: str
) -> None:
    many = [1 + at % 59 for at in range(45_000)]
    given = {"kind": "rows", "splits": [{"analysis": many, "assessment": [60]}]}
    answer = client.post("/v1/jobs", json=tune(table, resamples=given))
    assert answer.status_code == 202, answer.text
    given["splits"] = [{"analysis": [0] * 45_000, "assessment": [60]}]
    answer = client.post("/v1/jobs", json=tune(table, resamples=given))
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [
        ["body", "resamples", "splits", 0, "analysis", 0]
    ]
    body = tune(table)
    body["fit"]["recipe"] = [{}] * 45_000
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "40,000 fields" in answer.json()["detail"]
