"""Models to take away: as a file that answers elsewhere as here, or as a script that fits one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.answers import TEXT, cached
from service.api.dependencies import Reference, ResourcesOf
from service.api.openapi import NOT_MODIFIED, content, problems
from service.domain.errors import NotExportable
from service.domain.models import RegisteredModel
from service.engine.artifact import read
from service.engine.scripts.python_script import python_script
from service.engine.scripts.r_script import r_script
from service.executors.export_request import ExportFormat
from service.store import jobs, models
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
    found = await run_in_threadpool(resources.exports.kept, model, format)
    if found is None:
        found = await resources.in_child(partial(resources.exports.get, model, format))
    file, report = found
    headers["X-Max-Difference"] = f"{report.max_difference:.3g}"
    return await run_in_threadpool(cached, request, file, media, headers)


@router.get(
    "/{m}/code",
    response_class=Response,
    responses={
        200: content("text/plain", "The script", type="string"),
        **problems(404, 409),
        **NOT_MODIFIED,
    },
)
def get_code(
    request: Request,
    resources: ResourcesOf,
    m: Reference,
    language: Annotated[
        Literal["python", "r"], Query(description="`python` is plain Keras, `r` tidymodels.")
    ] = "python",
) -> Response:
    """The script that fits the same model with plain Keras, or with tidymodels.

    The Python script runs as printed on the training data's CSV, with the service's initial
    weights, order of rows and dropout masks: its weights are the model's but for rounding.
    """
    model = _model(resources.database, m)
    _require_all_rows(resources.database, model)
    root = resources.settings.storage_root
    artifact = read(root / model.artifact_path, model.artifact_sha256, with_keras=False)
    title = f"{model.name}@{model.version}"
    write, ending = (python_script, "py") if language == "python" else (r_script, "R")
    name = f"{model.name}-{model.version}.{ending}"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return cached(request, write(artifact, title).encode(), TEXT, headers)


def _require_all_rows(database: Database, model: RegisteredModel) -> None:
    """Refuse a model that a tune took from one resample: a script would train on all rows."""
    with database.read() as s:
        spec = jobs.get(s, model.job_id).spec
    finalize = spec.get("finalize")
    if spec["kind"] == "tune" and isinstance(finalize, dict) and not finalize.get("refit", True):
        raise NotExportable(
            "Expected a model that was fitted on all rows of its dataset. Received one that a "
            "tune took from a resample, without a refit: no script of a fit gives its weights."
        )


def _model(database: Database, ref: str) -> RegisteredModel:
    with database.read() as s:
        return models.get(s, ref)
