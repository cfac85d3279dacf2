"""What a client is told of a body that a schema refuses."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from service.api.bodies import parse
from service.api.problems import MAX_BYTES, problem_of
from service.domain.datasets import BuiltinRequest, ReadOptions
from service.domain.errors import InvalidSpec
from service.domain.fit import FitSpec


def problem_with(fields: dict[str, Any], model: Any = FitSpec) -> dict[str, Any]:
    """The problem for a fit with these fields, which must be refused."""
    whole = {"kind": "fit", "dataset": "d", "outcome": "y", **fields}
    raw = json.dumps(whole if model is FitSpec else fields).encode()
    with pytest.raises(InvalidSpec) as caught:
        parse(raw, model, "body")
    body = problem_of(caught.value, "/v1/jobs").encode()
    assert len(body) <= MAX_BYTES
    found: dict[str, Any] = json.loads(body)
    return found


def only_error(fields: dict[str, Any], model: Any = FitSpec) -> dict[str, Any]:
    (error,) = problem_with(fields, model)["errors"]
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize(
    ("fields", "loc", "words"),
    [
        ({"modell": {}}, ["modell"], ["Did you mean 'model'?", "case_weights"]),
        ({"model": {"hidden_unit": 3}}, ["model", "hidden_unit"], ["Did you mean 'hidden_units'?"]),
        ({"model": {"hidden_units": 0}}, ["model", "hidden_units"], ["greater than", "Received 0"]),
        ({"model": {"hidden_units": 10**9}}, ["model", "hidden_units"], ["16384"]),
        ({"model": {"hidden_units": [5, 0]}}, ["model", "hidden_units", 1], ["greater than"]),
        ({"model": {"epochs": 10**18}}, ["model", "epochs"], ["100000"]),
        ({"model": {"epochs": 10**4000}}, ["model", "epochs"], ["more than 20 digits"]),
        ({"model": {"epochs": [20]}}, ["model", "epochs"], ["auto_unbox"]),
        ({"model": {"epochs": "20"}}, ["model", "epochs"], ["valid integer", "'20'"]),
        ({"model": {"epochs": True}}, ["model", "epochs"], ["valid integer", "true"]),
        ({"model": {"penalty": 0.1, "dropout": 0.1}}, ["model"], ["either `penalty` or"]),
        ({"model": {"activation": "rleu"}}, ["model", "activation"], ["Did you mean 'relu'?"]),
        ({"model": {"seeds": [1, 2]}}, ["model", "seeds"], ["at least 3 items", "2 items"]),
        ({"recipe": [{"step": "normalise"}]}, ["recipe", 0, "step"], ["Did you mean 'normalize'?"]),
        ({"recipe": [{"columns": "x"}]}, ["recipe", 0, "step"], ["not there"]),
        ({"recipe": [{"step": "zv", "x": 1}]}, ["recipe", 0, "x"], ["Known fields: columns, step"]),
        ({"recipe": [{"step": "range", "min": 3}]}, ["recipe", 0], ["`min` below `max`"]),
        (
            {"recipe": [{"step": "zv", "columns": 3}]},
            ["recipe", 0, "columns"],
            ["string or", "list"],
        ),
        ({"engine": {"optimizer": "adma"}}, ["engine", "optimizer"], ["adam"]),
        (
            {"engine": {"optimizer": {"name": "sgd", "momentun": 1}}},
            ["engine", "optimizer", "momentun"],
            ["Did you mean 'momentum'?"],
        ),
        (
            {"engine": {"optimizer": {"name": "sdg"}}},
            ["engine", "optimizer", "name"],
            ["Did you mean 'sgd'?"],
        ),
        ({"engine": {"early_stopping": {"monitor": "val_loss"}}}, ["engine"], ["val_ value needs"]),
        ({"engine": {"loss": "msee"}}, ["engine", "loss"], ["mean_squared_error"]),
        ({"kind": "fitt"}, ["kind"], ["Expected one of fit"]),
        ({"name": "../../etc"}, ["name"], ["letters, digits"]),
        ({"tags": {"a": 1}}, ["tags", "a"], ["valid string"]),
        ({"outcome": ["y", 3]}, ["outcome", 1], ["valid string"]),
    ],
)
def test_the_place_is_clean_and_the_message_says_what_to_do(
    fields: dict[str, Any], loc: list[Any], words: list[str]
) -> None:
    error = only_error(fields)
    assert error["loc"] == ["body", *loc]
    for word in words:
        assert word in error["msg"]


def test_a_field_that_is_not_there_is_named() -> None:
    error = only_error({"name": "d"}, BuiltinRequest)
    assert error["loc"] == ["body", "builtin"]
    assert "not there" in error["msg"]


def test_read_options_of_an_unknown_type_name_the_known_ones() -> None:
    error = only_error({"columns": {"y": {"type": "category"}}}, ReadOptions)
    assert error["loc"] == ["body", "columns", "y", "type"]
    assert error["expected"][:2] == ["numeric", "integer"]


def test_several_errors_are_told_at_once_and_the_first_is_the_detail() -> None:
    found = problem_with({"model": {"epochs": 0}, "engine": {"batch_size": 0}, "bogus": 1})
    assert len(found["errors"]) == 3
    assert found["detail"].startswith("model.epochs: ")
    assert found["type"] == "/problems/invalid-spec"
    assert found["status"] == 422


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": {str(i): 1 for i in range(19_000)}},
        {f"field{i}": 1 for i in range(19_000)},
        {f"field{i}": 1 for i in range(200_000)},
        {"model": {"seeds": ["x"] * 200_000}},
        {"recipe": [{"step": "zv", "a": 1}] * 200_000},
        {"recipe": [{"step": "select", "columns": [1] * 4000}] * 100},
        {"x" * 1_000_000: "y" * 1_000_000},
        {"name": "\u202e<script>" * 10_000},
    ],
)
def test_a_body_full_of_errors_gets_a_small_answer_soon(fields: dict[str, Any]) -> None:
    whole = {"kind": "fit", "dataset": "d", "outcome": "y", **fields}
    raw = json.dumps(whole).encode()
    started = time.perf_counter()
    with pytest.raises(InvalidSpec) as caught:
        parse(raw, FitSpec, "body")
    body = problem_of(caught.value, "/v1/jobs").encode()
    # 100 ms on a quiet machine (RELIABILITY S11); the machine of a test run is not quiet.
    assert time.perf_counter() - started < 1.0
    assert len(body) <= MAX_BYTES
    found = json.loads(body)
    assert len(found["errors"]) <= 20
    texts = [str(part) for error in found["errors"] for part in error["loc"]]
    assert max(map(len, texts)) <= 100
