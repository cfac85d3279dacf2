"""Models to take away: as a file that answers elsewhere as here, or as a script that fits one."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.answers import cached
from service.api.dependencies import Reference, ResourcesOf
from service.api.openapi import NOT_MODIFIED, problems
from service.domain.models import RegisteredModel
from service.engine.artifact import read_part
from service.executors.export_request import ExportFormat
from service.store import models
from service.store.database import Database

router = APIRouter(prefix="/v1/models", tags=["models"])

KERAS_FILE = "application/vnd.keras"
_KINDS: dict[ExportFormat, tuple[str, str]] = {
    "keras": (KERAS_FILE, ".keras"),
    "onnx": ("application/octet-stream", ".onnx"),
    "bundle": ("application/zip", "-bundle.zip"),
    "saved_model": ("application/zip", "-saved_model.zip"),
}
_FILE = {
    "description": "The model",
    "headers": {
        "X-Max-Difference": {
            "description": "The largest difference between the file's answers and the model's, on "
            "the rows that they were compared on; at most 1e-4",
            "schema": {"type": "number"},
        }
    },
    "content": {
        media: {"schema": {"type": "string", "format": "binary"}} for media, _ in _KINDS.values()
    },
}


@router.get(
    "/{m}/artifact",
    response_class=Response,
    responses={200: _FILE, **problems(404, 409, 413, 507), **NOT_MODIFIED},
)
async def get_artifact(
    request: Request,
    resources: ResourcesOf,
    m: Reference,
    format: Annotated[
        ExportFormat,
        Query(
            description="`onnx` and `bundle` take the raw predictors, `keras` and `saved_model` "
            "the baked ones."
        ),
    ] = "keras",
) -> Response:
    """The model as a file to carry away, compared with the model before it is given.

    A file is made and compared at the first request for it, which may take seconds, and kept. The
    recipe is within ONNX and bundle: steps that are affine (`normalize`, `center`, `scale`,
    `range`, `divide`), `ratio`, those that drop columns, `dummy`, `novel`, `unknown`, `other`,
    `impute_mean`, `impute_median`, `impute_mode`, `box_cox`, `yeo_johnson` and `pca`.
    """
    model = await run_in_threadpool(_model, resources.database, m)
    media, ending = _KINDS[format]
    headers = {
        "Content-Disposition": f'attachment; filename="{model.name}-{model.version}{ending}"'
    }
    if format == "keras":
        root = resources.settings.storage_root
        read = partial(read_part, root / model.artifact_path, model.artifact_sha256, "model.keras")
        return cached(request, await run_in_threadpool(read), media, headers)
    found = await run_in_threadpool(resources.exports.kept, model, format)
    if found is None:
        found = await resources.in_child(partial(resources.exports.get, model, format))
    content, report = found
    headers["X-Max-Difference"] = f"{report.max_difference:.3g}"
    return await run_in_threadpool(cached, request, content, media, headers)


def _model(database: Database, ref: str) -> RegisteredModel:
    with database.read() as s:
        return models.get(s, ref)
