"""The Open Inference Protocol (KServe's `/v2`): a stock client finds our models and asks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

import service
from service.api.answers import JSON, answer
from service.api.bodies import media_type
from service.api.dependencies import (
    DatabaseOf,
    PredictorsOf,
    Reference,
    ResourcesOf,
)
from service.api.inference_wire import InferAnswer, InferBody, read_infer, write_infer
from service.api.openapi import problems
from service.api.operations import require_storage
from service.api.served import served
from service.api.validation import placed
from service.domain.errors import NotFound
from service.domain.models import ServedModel
from service.engine.prediction_answers import Kind, kinds_of
from service.engine.prediction_tensors import (
    TensorShape,
    from_tensors,
    tensor_inputs,
    tensor_outputs,
    to_tensors,
)
from service.engine.predictor import Predictor
from service.serving import Predictors
from service.store.database import Database

router = APIRouter(prefix="/v2", tags=["inference"])

JSON_LENGTH = "Inference-Header-Content-Length"
BYTES = "application/octet-stream"
KINDS: dict[str, tuple[Kind, ...]] = {
    "classification": ("class", "prob", "raw"),
    "regression": ("numeric", "raw"),
}

Version = Annotated[str, Path(pattern="^[1-9][0-9]{0,8}$")]


class ServerView(BaseModel):
    """Which server it is."""

    name: Literal["fitpoint"] = "fitpoint"
    version: str
    extensions: list[str]


class ServerLive(BaseModel):
    """The process answers."""

    live: Literal[True] = True


class ServerReady(BaseModel):
    """The server, or one of its models, answers questions."""

    name: str = "fitpoint"
    ready: Literal[True] = True


class TensorView(BaseModel):
    """A tensor that a model takes or gives; -1 stands for any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: Literal["keras"] = "keras"
    inputs: list[TensorView]
    outputs: list[TensorView]


@dataclass(frozen=True, kw_only=True)
class _Sent:
    raw: bytes
    json_length: str | None


async def _sent(request: Request) -> _Sent:
    # The stock client sends no Content-Type with JSON, so none is asked for.
    media_type(request)
    return _Sent(raw=await request.body(), json_length=request.headers.get(JSON_LENGTH))


@router.get("", response_model=ServerView)
def get_server_metadata() -> Response:
    """Name, version and extensions of the protocol."""
    told = ServerView(version=service.__version__, extensions=["binary_tensor_data"])
    return answer(told)


@router.get("/health/live", response_model=ServerLive)
def check_server_live() -> Response:
    """200 as long as the process answers."""
    return answer(ServerLive())


@router.get("/health/ready", response_model=ServerReady, responses=problems(503))
def check_server_ready(resources: ResourcesOf) -> Response:
    """200 when database and storage work."""
    require_storage(resources)
    resources.database.about()
    return answer(ServerReady())


@router.get("/models/{m}", response_model=ModelMetadata, responses=problems(404))
def get_model_metadata(database: DatabaseOf, predictors: PredictorsOf, m: Reference) -> Response:
    """The tensors that a model takes and gives."""
    return _metadata(*served(database, predictors, m))


@router.get("/models/{m}/ready", response_model=ServerReady, responses=problems(404, 503))
def check_model_ready(database: DatabaseOf, predictors: PredictorsOf, m: Reference) -> Response:
    """200 when the model is loaded, or could be."""
    model, _ = served(database, predictors, m)
    return answer(ServerReady(name=model.name))


@router.get("/models/{m}/versions/{v}", response_model=ModelMetadata, responses=problems(404))
def get_version_metadata(
    database: DatabaseOf, predictors: PredictorsOf, m: Reference, v: Version
) -> Response:
    """The tensors that a version of a model takes and gives."""
    return _metadata(*_found(database, predictors, m, v))


@router.get(
    "/models/{m}/versions/{v}/ready", response_model=ServerReady, responses=problems(404, 503)
)
def check_version_ready(
    database: DatabaseOf, predictors: PredictorsOf, m: Reference, v: Version
) -> Response:
    """200 when the version is loaded, or could be."""
    model, _ = _found(database, predictors, m, v)
    return answer(ServerReady(name=model.name))


_EXAMPLE = {
    "inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 2], "data": [[0, 1.5]]}],
    "parameters": {"type": "class,prob"},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {"$ref": f"#/components/schemas/{InferBody.__name__}"},
                "examples": {"one row": {"value": _EXAMPLE}},
            },
            BYTES: {"schema": {"type": "string", "format": "binary"}},
        },
    },
}
_ANSWERS = {
    200: {"content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}},
    **problems(404),
}


@router.post(
    "/models/{m}/infer", response_model=InferAnswer, responses=_ANSWERS, openapi_extra=_BODY
)
def infer_model(
    database: DatabaseOf,
    predictors: PredictorsOf,
    m: Reference,
    sent: Annotated[_Sent, Depends(_sent)],
) -> Response:
    """Ask a model about rows, as tensors."""
    return _infer(*served(database, predictors, m), sent)


@router.post(
    "/models/{m}/versions/{v}/infer",
    response_model=InferAnswer,
    responses=_ANSWERS,
    openapi_extra=_BODY,
)
def infer_version(
    database: DatabaseOf,
    predictors: PredictorsOf,
    m: Reference,
    v: Version,
    sent: Annotated[_Sent, Depends(_sent)],
) -> Response:
    """Ask a version of a model about rows, as tensors."""
    return _infer(*_found(database, predictors, m, v), sent)


def _found(
    database: Database, predictors: Predictors, m: str, v: str
) -> tuple[ServedModel, Predictor]:
    """Return a version of a name; an id or an alias is of one version, and names its name.

    Raises:
        NotFound: there is no such model, or no such version of it.
    """
    found, predictor = served(database, predictors, m)
    if str(found.version) == v:
        return found, predictor
    try:
        return served(database, predictors, f"{found.name}@{v}")
    except NotFound:
        raise NotFound(f"Expected a version of '{found.name}'. Received {v}.") from None


def _metadata(model: ServedModel, predictor: Predictor) -> Response:
    given = tensor_outputs(KINDS[predictor.mode], predictor.levels, predictor.outcomes)
    told = ModelMetadata(
        name=model.name,
        versions=[str(model.version)],
        inputs=[_view(each) for each in tensor_inputs(predictor.inputs)],
        outputs=[_view(each) for each in given],
    )
    return answer(told)


def _view(tensor: TensorShape) -> TensorView:
    return TensorView(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape))


def _infer(model: ServedModel, predictor: Predictor, sent: _Sent) -> Response:
    body, tensors = read_infer(sent.raw, sent.json_length)
    kinds = _kinds(body, predictor)
    with placed("body"):
        output = predictor.predict(from_tensors(tensors, predictor.inputs))
    head: dict[str, Any] = {"model_name": model.name, "model_version": str(model.version)}
    if body.id is not None:
        head["id"] = body.id
    content, json_length = write_infer(head, to_tensors(output, kinds), body)
    headers = {"X-Model": model.id, "X-Model-Version": str(model.version)}
    if json_length is None:
        return Response(content, media_type=JSON, headers=headers)
    headers[JSON_LENGTH] = str(json_length)
    return Response(content, media_type=BYTES, headers=headers)


def _kinds(body: InferBody, predictor: Predictor) -> tuple[Kind, ...]:
    """Return the outputs that are asked for by name, or by `parameters.type`, or the default."""
    if body.outputs:
        with placed("body", "outputs"):
            return kinds_of([each.name for each in body.outputs], predictor.mode)
    asked = body.parameters.type if body.parameters is not None else None
    names = [name.strip() for name in asked.split(",")] if isinstance(asked, str) else asked
    with placed("body", "parameters"):
        return kinds_of(names or [], predictor.mode)
