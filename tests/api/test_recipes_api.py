"""The recipe preview over HTTP: prep, bake and glimpse, before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import CSV, Tables

RECIPE = [{"step": "zv"}, {"step": "normalize"}]


def test_both_tables_are_baked_with_what_the_first_one_taught(
    client: TestClient, table: str, register: Tables
) -> None:
    register("new", CSV.replace("yes,0.0,0,7,u", "yes,7.375,0,8,u"))
    body = {"training": table, "new_data": "new", "outcome": "y", "recipe": RECIPE, "count": 2}
    answer = client.post("/v1/recipes/preview", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [step["step"] for step in told["steps"]] == ["zv", "normalize"]
    assert [(gone["column"], gone["step"]) for gone in told["removed"]] == [("zero", "zv")]
    for baked in (told["training"], told["new_data"]):
        assert (baked["n_rows"], baked["n_columns"]) == (60, 4)
        assert [column["name"] for column in baked["columns"]] == ["a", "b", "t", "y"]
        assert len(baked["rows"]) == 2
    assert told["training"]["columns"][0]["sd"] == pytest.approx(1, abs=1e-12)
    # 7.375 is the training mean of a.
    assert told["new_data"]["rows"][0]["a"] == pytest.approx(0, abs=1e-12)


def test_an_id_and_case_weights_are_touched_by_no_step_and_stay_where_they_were(
    client: TestClient, table: str, register: Tables
) -> None:
    register("new", CSV.replace(",u\n", ",someone\n"))
    recipe = [{"step": "normalize"}, {"step": "dummy"}]
    roles = {"outcome": "y", "case_weights": "b", "id": ["t"]}
    body = {"training": table, "new_data": "new", **roles, "recipe": recipe, "count": 1}
    told = client.post("/v1/recipes/preview", json=body).json()
    names = [column["name"] for column in told["training"]["columns"]]
    assert names == ["a", "b", "zero", "t", "y"]
    (row,) = told["training"]["rows"]
    assert (row["b"], row["t"]) == (0, "u")
    assert told["steps"][0]["learned"]["mean"].keys() == {"a", "zero"}
    # An id is what it is, a value that the training rows did not have included.
    assert told["new_data"]["rows"][0]["t"] == "someone"
    assert [c["type"] for c in told["new_data"]["columns"] if c["name"] == "t"] == ["text"]


@pytest.mark.parametrize(
    ("change", "loc", "words"),
    [
        ({"id": "y"}, ["body", "id"], "'y', the outcome"),
        ({"id": ["tt"]}, ["body", "id"], "Did you mean 't'?"),
        ({"case_weights": "t"}, ["body", "case_weights"], "which is text"),
        ({"training": "tabel"}, ["body", "training"], "Did you mean 'table'?"),
        ({"new_data": "tabel"}, ["body", "new_data"], "Did you mean 'table'?"),
        ({"outcome": "Y"}, ["body", "outcome"], "Did you mean 'y'?"),
        (
            {"recipe": [{"step": "normalise"}]},
            ["body", "recipe", 0, "step"],
            "Did you mean 'normalize'?",
        ),
        ({"cuont": 3}, ["body", "cuont"], "Did you mean 'count'?"),
        (
            {"recipe": [{"step": "remove", "columns": ["nope"]}]},
            ["body", "recipe", 0, "columns"],
            "nope",
        ),
    ],
)
def test_a_preview_that_cannot_be(
    client: TestClient, table: str, change: dict[str, Any], loc: list[Any], words: str
) -> None:
    body = {"training": table, "outcome": "y", "recipe": RECIPE, **change}
    refused = client.post("/v1/recipes/preview", json=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["loc"] == loc
    assert words in refused.json()["detail"]
