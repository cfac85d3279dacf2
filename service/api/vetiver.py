"""What vetiver's clients of R and Python send and expect, so that their calls work unchanged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, JsonValue, RootModel

from service.api.answers import JSON, answer, encode
from service.api.bodies import media_type
from service.api.dependencies import DatabaseOf, PredictorsOf, Reference
from service.api.json_text import read_json
from service.api.openapi import problems
from service.api.served import served
from service.api.validation import placed
from service.domain.errors import InvalidData
from service.engine.prediction_answers import answer as answer_of
from service.engine.prediction_answers import kinds_of
from service.engine.prediction_rows import from_json
from service.engine.prototype import prototype
from service.store import models

router = APIRouter(prefix="/vetiver/{m}", tags=["vetiver"])


class Pong(BaseModel):
    """The model can be asked."""

    ping: Literal["pong"] = "pong"


class VetiverMetadata(BaseModel):
    """What vetiver tells of a model: `user` is what this service knows, `version` the model's."""

    user: dict[str, JsonValue]
    version: str
    url: str | None
    required_pkgs: list[str]


class VetiverRows(RootModel[list[dict[str, JsonValue]]]):
    """A bare list of rows: `jsonlite::toJSON(new_data)`, or pandas' `to_json(orient="records")`."""


async def _raw(request: Request) -> bytes:
    # Neither client says of what type its body is.
    media_type(request)
    return await request.body()


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {"$ref": f"#/components/schemas/{VetiverRows.__name__}"},
                "examples": {"rows": {"value": [{"x1": 0, "x2": 1.5}]}},
            }
        },
    }
}


@router.post("/predict", response_model=VetiverRows, responses=problems(404), openapi_extra=_BODY)
def predict_vetiver(
    database: DatabaseOf,
    predictors: PredictorsOf,
    m: Reference,
    raw: Annotated[bytes, Depends(_raw)],
    type: Annotated[
        str | None, Query(max_length=64, description="As of `/v1/models/{m}/predictions`.")
    ] = None,
) -> Response:
    """A list of rows in, a list of rows out, with parsnip's names."""
    model, predictor = served(database, predictors, m)
    with placed("query"):
        kinds = kinds_of([name.strip() for name in type.split(",")] if type else [], predictor.mode)
    rows = read_json(raw)
    if not isinstance(rows, list):
        raise InvalidData("Expected a list of rows. Received another JSON value.")
    with placed("body"):
        output = predictor.predict(from_json({"rows": rows}, predictor.inputs))
    headers = {"X-Model": model.id, "X-Model-Version": str(model.version)}
    return Response(encode(answer_of(output, kinds).as_rows()), media_type=JSON, headers=headers)


@router.get("/ping", response_model=Pong, responses=problems(404))
def ping_vetiver(database: DatabaseOf, predictors: PredictorsOf, m: Reference) -> Response:
    """200 when the model can be asked."""
    served(database, predictors, m)
    return answer(Pong())


@router.get("/prototype", response_model=dict[str, Any], responses=problems(404))
def get_vetiver_prototype(database: DatabaseOf, predictors: PredictorsOf, m: Reference) -> Response:
    """JSON Schema of one row."""
    model, predictor = served(database, predictors, m)
    return answer(prototype(predictor.inputs, f"A row to predict with {model.name}"))


@router.get("/metadata", response_model=VetiverMetadata, responses=problems(404))
def get_vetiver_metadata(database: DatabaseOf, m: Reference) -> Response:
    """What is known of the model."""
    with database.read() as s:
        model = models.get(s, m)
    user: dict[str, JsonValue] = {
        "id": model.id,
        "name": model.name,
        "mode": model.mode,
        "outcome": list(model.outcome),
        "weights_sha256": model.weights_sha256,
        "dataset_sha256": model.dataset_sha256,
        "created_at": model.created_at.isoformat(),
        "tags": dict(model.tags),
    }
    told = VetiverMetadata(user=user, version=str(model.version), url=None, required_pkgs=["keras"])
    return answer(told)
