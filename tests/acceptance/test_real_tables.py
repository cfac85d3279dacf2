"""Three tables as statisticians have them, from the upload to predictions, over real HTTP."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import RunningService

# What each fit begins with: gaps filled in, rare, unseen and missing levels kept apart.
CATEGORIES = [{"step": "novel"}, {"step": "unknown"}, {"step": "dummy"}]
NUMBERS = [{"step": "zv"}, {"step": "normalize"}]
STOP = {"validation_split": 0.2, "early_stopping": {"patience": 5, "restore_best_weights": True}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service with one worker for all three."""
    running = RunningService(tmp_path_factory.mktemp("real") / "data")
    yield running
    running.stop()


def upload(service: RunningService, name: str, raw: bytes, options: dict[str, Any]) -> Any:
    return service.call(
        "POST",
        "/v1/datasets",
        data={"name": name, "options": json.dumps(options)},
        files={"file": (f"{name}.csv", raw)},
    )


def parts(service: RunningService, name: str, strata: str) -> tuple[str, str]:
    """Divide a dataset; return the names of its parts."""
    body = {"prop": 0.75, "strata": strata, "seed": 7}
    made = service.call("POST", f"/v1/datasets/{name}/splits", json=body)
    training, testing = (part["name"] for part in made["data"])
    return training, testing


def fitted(service: RunningService, testing: str, metrics: list[str], **body: Any) -> Any:
    """Fit and return the job's evaluation on the rows that took no part."""
    evaluate = [{"dataset": testing, "metrics": metrics}]
    job = service.call("POST", "/v1/jobs", json={"kind": "fit", "evaluate": evaluate, **body})
    job = service.finished(job["id"])
    assert job["state"] == "succeeded", job["error"]
    (found,) = job["evaluations"]
    return found


def some_rows(service: RunningService, dataset: str, count: int, **changed: Any) -> Any:
    """Return the first rows of a dataset, columns of the first of them changed."""
    rows = service.call("GET", f"/v1/datasets/{dataset}/rows?count={count}")["data"]
    rows[0].update(changed)
    return rows


def predicted(
    service: RunningService, model: str, rows: list[dict[str, Any]], kinds: str, na: str
) -> Any:
    """Ask by JSON and by CSV, which must say the same; return what they say."""
    path = f"/v1/models/{model}/predictions?type={kinds}"
    told = service.call("POST", path, json={"rows": rows})["rows"]
    sent = io.StringIO()
    writer = csv.writer(sent)
    writer.writerow(rows[0])
    writer.writerows([na if cell is None else cell for cell in row.values()] for row in rows)
    answer = service.http.post(
        path, content=sent.getvalue(), headers={"Content-Type": "text/csv", "Accept": "text/csv"}
    )
    assert answer.status_code == 200, answer.text
    for row, cells in zip(told, csv.DictReader(io.StringIO(answer.text)), strict=True):
        for name, value in row.items():
            assert cells[name] == value or float(cells[name]) == pytest.approx(value, rel=1e-6)
    return told


def test_penguins_with_gaps_and_an_island_that_nobody_saw(
    service: RunningService, shared_data: Path
) -> None:
    kinds = ["Adelie", "Chinstrap", "Gentoo"]
    species = {"species": {"type": "factor", "levels": kinds}}
    upload(service, "penguins", (shared_data / "penguins.csv").read_bytes(), {"columns": species})
    training, testing = parts(service, "penguins", "species")
    found = fitted(
        service,
        testing,
        ["accuracy", "roc_auc"],
        name="species",
        dataset=training,
        outcome="species",
        id="year",
        recipe=[{"step": "impute_knn"}, *CATEGORIES, *NUMBERS],
        model={"hidden_units": 16, "activation": "relu", "epochs": 60, "learn_rate": 0.01,
               "seeds": [1, 2, 3]},
    )  # fmt: skip
    assert found["n"] == 86
    # 38 of 86 are Adelie: what a model without predictors says of all.
    assert found["baseline"]["value"] == pytest.approx(0.442, abs=0.01)
    assert found["metrics"]["accuracy"] > found["baseline"]["value"] + 0.5
    assert found["metrics"]["roc_auc"] > 0.99
    rows = some_rows(service, testing, 5, island="Atlantis", bill_length_mm=None, sex=None)
    told = predicted(service, "species", rows, "class,prob", "NA")
    assert all(row[".pred_class"] in kinds for row in told)
    assert sum(told[0][f".pred_{kind}"] for kind in kinds) == pytest.approx(1, abs=1e-5)


def test_ames_houses_with_skewed_areas_and_unsold_kinds(
    service: RunningService, shared_data: Path
) -> None:
    lines = list(csv.DictReader(io.StringIO((shared_data / "ames.csv").read_text())))
    # Prices are compared by their ratio, as everybody does with this table, to 100,000 dollars.
    for line in lines:
        line["log_price"] = str(math.log10(float(line.pop("SalePrice")) / 100_000))
    sent = io.StringIO()
    writer = csv.DictWriter(sent, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    made = upload(service, "ames", sent.getvalue().encode(), {})
    types = {column["name"]: column["type"] for column in made["columns"]}
    assert (types["MS SubClass"], types["Lot Area"], types["PID"]) == ("text", "numeric", "text")
    training, testing = parts(service, "ames", "log_price")
    areas = ["Lot Area", "Lot Frontage", "Gr Liv Area", "1st Flr SF"]
    found = fitted(
        service,
        testing,
        ["rmse", "rsq"],
        name="price",
        dataset=training,
        outcome="log_price",
        id=["Order", "PID"],
        recipe=[
            {"step": "impute_median"},
            {"step": "yeo_johnson", "columns": areas},
            {"step": "novel"},
            {"step": "unknown"},
            {"step": "other", "threshold": 0.02},
            {"step": "dummy"},
            {"step": "nzv"},
            {"step": "normalize"},
        ],
        model={"hidden_units": 8, "activation": "relu", "penalty": 0.003, "epochs": 40,
               "learn_rate": 0.003, "seeds": [1, 2, 3]},
    )  # fmt: skip
    assert found["baseline"]["kind"] == "mean"
    assert found["baseline"]["value"] == pytest.approx(0.171, abs=0.005)
    assert found["metrics"]["rmse"] < 0.5 * found["baseline"]["value"]
    assert found["metrics"]["rsq"] > 0.8
    gaps = {"Neighborhood": "Atlantis", "Lot Frontage": None, "Garage Type": None, "PID": None}
    rows = some_rows(service, testing, 5, **gaps)
    told = predicted(service, "price", rows, "numeric", "NA")
    truth = [row["log_price"] for row in rows]
    # In the first row much is made up: still a price that houses have here.
    assert -1 < told[0][".pred"] < 1
    assert [row[".pred"] for row in told[1:]] == pytest.approx(truth[1:], abs=0.25)


def test_adult_incomes_with_question_marks(service: RunningService, shared_data: Path) -> None:
    levels = ["<=50K", ">50K"]
    options = {"na": ["?"], "columns": {"income": {"type": "factor", "levels": levels}}}
    for part in ("train", "test"):
        raw = (shared_data / f"adult_{part}.csv").read_bytes()
        made = upload(service, f"adult_{part}", raw, options)
    missing = {column["name"]: column["n_missing"] for column in made["columns"]}
    assert {name for name, n in missing.items() if n} == {
        "workclass",
        "occupation",
        "native_country",
    }
    found = fitted(
        service,
        "adult_test",
        ["accuracy", "roc_auc"],
        name="income",
        dataset="adult_train",
        outcome="income",
        # What a row stands for in the population says nothing of the person.
        id="fnlwgt",
        recipe=[
            {"step": "log", "columns": ["capital_gain", "capital_loss"], "offset": 1},
            {"step": "novel"},
            {"step": "unknown"},
            {"step": "other", "columns": ["native_country"], "threshold": 0.01},
            {"step": "dummy"},
            *NUMBERS,
        ],
        model={"hidden_units": 16, "activation": "relu", "epochs": 8, "seeds": [1, 2, 3]},
        engine={**STOP, "batch_size": 64},
    )
    assert found["n"] == 16_281
    assert found["baseline"]["value"] == pytest.approx(0.7638, abs=1e-4)
    assert found["metrics"]["accuracy"] > found["baseline"]["value"] + 0.07
    assert found["metrics"]["roc_auc"] > 0.89
    gaps = {"workclass": None, "occupation": "Astronaut", "native_country": "Mars"}
    rows = some_rows(service, "adult_test", 5, **gaps)
    told = predicted(service, "income", rows, "class,prob", "?")
    assert {row[".pred_class"] for row in told} <= set(levels)
    # The word for missing of the training file is the word for missing here.
    asked = {**rows[1], "occupation": None}
    (gap,) = predicted(service, "income", [asked], "prob", "?")
    assert gap[".pred_>50K"] != told[1][".pred_>50K"]
