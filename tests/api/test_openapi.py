"""The OpenAPI document says what there is, and every answer is what it says."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import Field, TypeAdapter

from service.api.evaluations import EvaluationBody
from service.api.recipes import PreviewBody
from service.domain.datasets import BuiltinRequest
from service.domain.fit import FitSpec
from service.domain.tune.spec import TuneSpec


@pytest.fixture
def document(client: TestClient) -> Any:
    return client.get("/openapi.json").json()


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def references(value: Any) -> set[str]:
    """Every schema that a part of the document refers to."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()), set())
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_every_operation_has_a_readable_name_of_its_own(document: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)
    assert all(operation["tags"] for _, _, operation in operations(document))


def test_every_error_status_is_declared_as_a_problem(document: Any) -> None:
    for path, method, operation in operations(document):
        errors = {s: told for s, told in operation["responses"].items() if s >= "400"}
        assert {"500", "503"} <= set(errors), (path, method)
        for status, told in errors.items():
            assert told["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }, (path, method, status)
        if "requestBody" in operation:
            assert {"413", "415", "422"} <= set(errors), (path, method)


def test_nothing_of_the_frameworks_own_errors_is_left(document: Any) -> None:
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: Any) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) == known


def test_every_json_body_has_an_example_that_its_own_schema_takes(document: Any) -> None:
    models: dict[str, Any] = {
        "create_job": Annotated[FitSpec | TuneSpec, Field(discriminator="kind")],
        "create_dataset": BuiltinRequest,
        "preview_recipe": PreviewBody,
        "evaluate_model": EvaluationBody,
    }
    seen = set()
    for _, _, operation in operations(document):
        if "requestBody" not in operation:
            continue
        body = operation["requestBody"]["content"]["application/json"]
        assert body["examples"], operation["operationId"]
        for example in body["examples"].values():
            if operation["operationId"] in models:
                seen.add(operation["operationId"])
                TypeAdapter(models[operation["operationId"]]).validate_python(example["value"])
    assert seen == set(models)


def test_the_row_picture_takes_any_column(document: Any) -> None:
    parameters = document["paths"]["/v1/datasets/{d}/rows/{n}/image.{extension}"]["get"][
        "parameters"
    ]
    known = {"d", "n", "extension", "width", "height", "columns"}
    assert {p["name"] for p in parameters} == known


def test_the_document_of_the_application_is_the_one_that_is_served(
    app: FastAPI, document: Any
) -> None:
    assert app.openapi() == document


def test_the_page_of_the_api_needs_no_other_server(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 4
    for path in loaded:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert len(answer.content) > 100
    # The policy forbids inline scripts, so the page must not have one.
    assert re.findall(r"<script(?![^>]*src=)", page.text) == []
    assert client.get("/docs/../app.py").status_code == 404
    assert client.get("/docs/nope.js").status_code == 404
