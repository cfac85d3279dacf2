"""Searches over HTTP: queued, refused, and read while their candidates become known."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.domain.jobs import Claim
from service.domain.tune.proposals import Proposal
from service.store import proposals
from service.store.database import Database
from tests.api.numpy_trainer import NumpyTrainer
from tests.api.recorded_tunes import finish, record, results, tune

RANGES = {"hidden_units": {"min": 2, "max": 6}, "penalty": {"min": -4, "max": -1, "scale": "log10"}}
GRID = {"kind": "bayes", "ranges": RANGES, "initial": 3, "size": 7, "seed": 4}
# The last was proposed as the best.
PROPOSED = [(4, 3, 0.001), (5, 5, 0.01)]


def submitted(client: TestClient, table: str, **changes: Any) -> str:
    answer = client.post("/v1/jobs", json=tune(table, **{"grid": GRID, **changes}))
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def rows(client: TestClient, path: str) -> list[Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def propose(database: Database, claim: Claim) -> None:
    """Keep a round, as a worker does before it trains."""
    found = [
        Proposal(trial=trial, values={"hidden_units": units, "penalty": penalty})
        for trial, units, penalty in PROPOSED
    ]
    with database.write() as s:
        proposals.keep(s, claim.job.id, claim.token, found)


@pytest.fixture
def searched(client: TestClient, table: str, trainer: NumpyTrainer, database: Database) -> str:
    """The path of a search that ended after one round of proposals."""
    path = submitted(client, table, grid={**GRID, "size": 5})
    claim = trainer.claim()
    record(database, claim, results({1: (0.5, 0.6), 2: (0.4, 0.4), 3: (0.6, 0.6)}))
    propose(database, claim)
    record(database, claim, results({4: (0.6, 0.8), 5: (0.8, 0.9)}))
    finish(database, claim)
    return path


def test_a_search_is_queued_with_its_seed_and_all_that_it_may_run(
    client: TestClient, table: str
) -> None:
    path = submitted(client, table, grid={**GRID, "seed": None})
    job = client.get(path).json()
    assert isinstance(job["spec"]["grid"]["seed"], int)
    # Seven candidates of three epochs on three folds.
    assert (job["progress"]["trials"], job["progress"]["epochs"]) == (7, 63)


def test_a_dry_run_lists_the_first_candidates_and_counts_all(
    client: TestClient, table: str
) -> None:
    told = client.post("/v1/jobs?dry_run=true", json=tune(table, grid=GRID)).json()
    assert [each["config"] for each in told["candidates"]] == [
        "Preprocessor1_Model1",
        "Preprocessor1_Model2",
        "Preprocessor1_Model3",
    ]
    assert told["trials"] == 7
    assert told["spec"]["grid"] == {**GRID, "ranges": told["spec"]["grid"]["ranges"]}
    whole = client.post("/v1/jobs?dry_run=true", json=tune(table)).json()
    assert whole["trials"] == len(whole["candidates"]) == 4
    assert rows(client, "/v1/jobs") == []


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_without_the_extra_a_search_is_refused_with_the_cure_and_other_grids_are_not(
    client: TestClient, table: str, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = client.post(f"/v1/jobs{query}", json=tune(table, grid=GRID))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"] == ["body", "grid", "kind"]
    assert "the extra `search`" in error["msg"]
    assert "pip install" in error["msg"]
    assert client.post(f"/v1/jobs{query}", json=tune(table)).status_code in (200, 202)


@pytest.mark.parametrize(
    ("change", "loc", "words"),
    [
        ({"grid": {**GRID, "initial": 8}}, ["body", "grid"], "initial=8 and size=7"),
        ({"grid": {**GRID, "size": 0}}, ["body", "grid", "size"], "1"),
        ({"grid": {**GRID, "size": 10_001}}, ["body", "grid", "size"], "10000"),
        ({"grid": {**GRID, "levels": 3}}, ["body", "grid", "levels"], "levels"),
        ({"race": {"kind": "halving"}}, ["body", "race"], "race or the grid 'bayes'"),
    ],
)
def test_a_search_that_is_wrong_is_refused_with_the_place(
    client: TestClient, table: str, change: dict[str, Any], loc: list[str], words: str
) -> None:
    answer = client.post("/v1/jobs", json=tune(table, **{"grid": GRID, **change}))
    assert answer.status_code == 422, answer.text
    errors = [each for each in answer.json()["errors"] if each["loc"] == loc]
    assert errors, answer.text
    assert words in errors[0]["msg"]


def test_a_search_of_a_fit_in_which_nothing_is_open_is_refused(
    client: TestClient, table: str
) -> None:
    body = tune(table, grid={"kind": "bayes"})
    body["fit"]["model"] = {"epochs": 2}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "There is none" in answer.text


def test_candidates_are_listed_once_they_are_known(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, table)
    assert [row["trial"] for row in rows(client, f"{path}/trials")] == [1, 2, 3]
    claim = trainer.claim()
    record(database, claim, results({1: (0.5,), 2: (0.4,), 3: (0.7,)}))
    propose(database, claim)
    known = rows(client, f"{path}/trials")
    assert [row["trial"] for row in known] == [3, 1, 2, 4, 5]
    assert [row["config"] for row in known[3:]] == ["Iter1", "Iter2"]
    assert [(row["trial"], row["hidden_units"], row["penalty"]) for row in known[3:]] == PROPOSED
    assert [row["mean"] for row in known[3:]] == [None, None]
    record(database, claim, results({5: (0.9,)}))
    (leader,) = rows(client, f"{path}/show_best?n=1")
    assert (leader["trial"], leader["config"], leader["mean"]) == (5, "Iter2", 0.9)
    client.post(f"{path}/cancel")
    trainer.acknowledge_cancel(claim)
    told = client.get(f"{path}/events").text
    assert told.count("event: trial") == 4
    assert '"trial":5' in told.replace(" ", "")


def test_what_a_search_found_is_read_as_of_any_grid(client: TestClient, searched: str) -> None:
    best = rows(client, f"{searched}/show_best")
    assert [row["trial"] for row in best] == [5, 4, 3, 1, 2]
    assert best[0] == {
        "trial": 5,
        "config": "Iter2",
        "hidden_units": 5,
        "penalty": 0.01,
        "metric": "accuracy",
        "mean": pytest.approx(0.85),
        "n": 2,
        "std_err": pytest.approx(0.05),
    }
    pages = client.get(f"{searched}/trials?limit=2").json()
    assert (pages["has_more"], pages["next"]) == (True, "4")
    rest = client.get(f"{searched}/trials", params={"limit": 9, "after": "4"}).json()
    assert [row["trial"] for row in rest["data"]] == [3, 1, 2]
    simple = client.get(f"{searched}/select?by=pct_loss&limit=20&sort=hidden_units").json()
    assert simple["trial"] == 4
    for extension, start in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        drawn = client.get(f"{searched}/plots/tune.{extension}")
        assert drawn.content.startswith(start)
    assert "5 of 5 candidates judged" in client.get(f"{searched}/plots/tune.svg").text


def test_finalize_queues_a_fit_of_a_proposal(client: TestClient, searched: str) -> None:
    answer = client.post(f"{searched}/finalize", json={"metric": "accuracy"})
    assert answer.status_code == 202, answer.text
    model = client.get(answer.headers["location"]).json()["spec"]["model"]
    assert (model["hidden_units"], model["penalty"]) == (5, 0.01)


def test_a_retry_proposes_anew_and_a_deleted_search_leaves_nothing(
    client: TestClient, table: str, trainer: NumpyTrainer, database: Database
) -> None:
    path = submitted(client, table)
    claim = trainer.claim()
    propose(database, claim)
    client.post(f"{path}/cancel")
    trainer.acknowledge_cancel(claim)
    assert len(rows(client, f"{path}/trials")) == 5
    assert client.post(f"{path}/retry").status_code == 202
    assert len(rows(client, f"{path}/trials")) == 3
    client.post(f"{path}/cancel")
    assert client.delete(path).status_code == 204
    assert client.get(f"{path}/trials").status_code == 404
