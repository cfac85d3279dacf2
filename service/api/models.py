"""Models: listed, looked up, summarised, downloaded, removed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from service.api.answers import JSON, TEXT, answer, cached, encode, negotiate, resource
from service.api.dependencies import (
    After,
    DatabaseOf,
    Limit,
    PredictorsOf,
    Reference,
    SettingsOf,
)
from service.api.openapi import NOT_MODIFIED, content, problems
from service.api.served import served
from service.api.views import ModelList, ModelView, model_item, model_view
from service.domain.models import RegisteredModel
from service.domain.network import Network
from service.engine.artifact import read_part
from service.engine.prototype import prototype
from service.settings import Settings
from service.store import models
from service.store.database import Database

router = APIRouter(prefix="/v1/models", tags=["models"])

KERAS_FILE = "application/vnd.keras"


class LayerView(BaseModel):
    """One layer that has weights: a kernel (inputs, units) and a bias (units)."""

    inputs: int
    units: int
    activation: str
    dropout: float
    n_parameters: int


class SummaryView(BaseModel):
    """The network in numbers, and as Keras prints it."""

    layers: list[LayerView]
    n_parameters: int
    bytes: int
    text: str


@router.get("", response_model=ModelList)
def list_models(
    database: DatabaseOf,
    limit: Limit = 20,
    after: After = None,
    name: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Models, newest first; with `name`, its versions."""
    with database.read() as s:
        page = models.page(s, limit, after, name)
    items = [model_item(model) for model in page.data]
    return answer(ModelList(data=items, has_more=page.has_more, next=page.next))


@router.get("/{m}", response_model=ModelView, responses={**problems(404), **NOT_MODIFIED})
def get_model(request: Request, database: DatabaseOf, m: Reference) -> Response:
    """A model by its id, an alias, its name (the highest version) or name@version."""
    return resource(request, model_view(_model(database, m)))


@router.delete("/{m}", status_code=204, responses=problems(404, 409))
def delete_model(database: DatabaseOf, predictors: PredictorsOf, m: Reference) -> Response:
    """Remove one version of a model that no alias points at; its job stays."""
    with database.write() as s:
        model = models.get(s, m)
        models.delete(s, model.id)
    predictors.forget(model.artifact_path, model.artifact_sha256)
    return Response(status_code=204)


@router.get(
    "/{m}/summary",
    response_class=Response,
    responses={
        200: {
            "description": "The summary",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                JSON: {"schema": {"$ref": "#/components/schemas/SummaryView"}},
            },
        },
        **problems(404, 406),
        **NOT_MODIFIED,
    },
)
def get_summary(
    request: Request, database: DatabaseOf, settings: SettingsOf, m: Reference
) -> Response:
    """The network as Keras prints it: layers, shapes, parameters, size; or the same as JSON."""
    media = negotiate(request, "text/plain", JSON)
    model = _model(database, m)
    text = _part(settings, model, "summary.txt").decode()
    if media == "text/plain":
        return cached(request, text.encode(), TEXT, {"Vary": "Accept"})
    network = Network.model_validate_json(_part(settings, model, "network.json"))
    return cached(request, encode(_summary(network, text)), headers={"Vary": "Accept"})


@router.get(
    "/{m}/prototype",
    response_model=dict[str, Any],
    responses={**problems(404), **NOT_MODIFIED},
)
def get_prototype(
    request: Request, database: DatabaseOf, predictors: PredictorsOf, m: Reference
) -> Response:
    """JSON Schema of one row to predict, with an example."""
    model, predictor = served(database, predictors, m)
    title = f"A row to predict with {model.name}@{model.version}"
    return resource(request, prototype(predictor.inputs, title))


@router.get(
    "/{m}/artifact",
    response_class=Response,
    responses={
        200: content(KERAS_FILE, "A .keras file that plain Keras opens"),
        **problems(404),
        **NOT_MODIFIED,
    },
)
def get_artifact(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    m: Reference,
    format: Annotated[
        Literal["keras"], Query(description="`keras` takes the baked predictors.")
    ] = "keras",
) -> Response:
    """The model as a file to carry away; its bytes are verified before they are sent."""
    model = _model(database, m)
    file = _part(settings, model, "model.keras")
    name = f"{model.name}-{model.version}.{format}"
    return cached(
        request, file, KERAS_FILE, {"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _model(database: Database, ref: str) -> RegisteredModel:
    with database.read() as s:
        return models.get(s, ref)


def _part(
    settings: Settings,
    model: RegisteredModel,
    name: Literal["summary.txt", "network.json", "model.keras"],
) -> bytes:
    return read_part(settings.storage_root / model.artifact_path, model.artifact_sha256, name)


def _summary(network: Network, text: str) -> SummaryView:
    last = len(network.hidden)
    layers = [
        LayerView(
            inputs=inputs,
            units=units,
            activation=network.activation if at < last else network.output_activation,
            dropout=network.dropouts[at] if at < last else 0.0,
            n_parameters=inputs * units + units,
        )
        for at, (inputs, units) in enumerate(network.shapes)
    ]
    return SummaryView(
        layers=layers, n_parameters=network.n_parameters, bytes=4 * network.n_parameters, text=text
    )
