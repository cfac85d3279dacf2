"""Datasets: registered from an upload or a library, listed, looked up, removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from service.api.admission import Room
from service.api.answers import answer, resource
from service.api.bodies import JSON, MULTIPART, is_json, media_type, parse, unsupported
from service.api.dependencies import After, DatabaseOf, Limit, Reference, Resources, ResourcesOf
from service.api.idempotency import Key, Once, once, sha256_of_json
from service.api.multipart import received_form
from service.api.openapi import NOT_MODIFIED, problems
from service.api.registration import refuse_taken, registered
from service.api.validation import invalid_fields, placed
from service.api.views import DatasetList, DatasetView, dataset_item, dataset_view
from service.domain.datasets import BuiltinRequest, Ingested, ReadLimits, ReadOptions
from service.domain.errors import FieldError
from service.domain.names import Name
from service.domain.origins import Origin
from service.executors import parsing
from service.store import dataset_origins, datasets
from service.store.sessions import WriteSession

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": ["file", "name"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV, CSV.gz, Parquet or Arrow IPC, known by content.",
                        },
                        "name": {"type": "string", "examples": ["mnist_train"]},
                        "options": {"$ref": "#/components/schemas/ReadOptions"},
                    },
                },
                "encoding": {"options": {"contentType": JSON}},
            },
            JSON: {
                "schema": {"$ref": "#/components/schemas/BuiltinRequest"},
                "examples": {
                    "digits": {
                        "value": {"name": "digits_train", "builtin": "digits", "part": "train"}
                    }
                },
            },
        },
    }
}


@router.post(
    "",
    status_code=201,
    response_model=DatasetView,
    responses=problems(409),
    dependencies=[Room],
    openapi_extra=_UPLOAD,
)
async def create_dataset(request: Request, resources: ResourcesOf, key: Key = None) -> Response:
    """Register a table: an upload, or a dataset that a library ships."""
    media = media_type(request)
    if media == MULTIPART:
        return await _upload(request, resources, key)
    if is_json(media):
        return await _builtin(request, resources, key)
    raise unsupported(media, MULTIPART, JSON)


@router.get("", response_model=DatasetList)
def list_datasets(database: DatabaseOf, limit: Limit = 20, after: After = None) -> Response:
    """Datasets, newest first."""
    with database.read() as s:
        page = datasets.page(s, limit, after)
    items = [dataset_item(dataset) for dataset in page.data]
    return answer(DatasetList(data=items, has_more=page.has_more, next=page.next))


@router.get("/{d}", response_model=DatasetView, responses={**problems(404), **NOT_MODIFIED})
def get_dataset(request: Request, database: DatabaseOf, d: Reference) -> Response:
    """A dataset by its id or name, with the profile of every column."""
    with database.read() as s:
        dataset = datasets.get(s, d)
        origin = dataset_origins.of(s, dataset.id)
    return resource(request, dataset_view(dataset, origin))


@router.delete("/{d}", status_code=204, responses=problems(404, 409))
def delete_dataset(database: DatabaseOf, d: Reference) -> Response:
    """Remove a dataset that no queued or running job uses."""
    with database.write() as s:
        datasets.delete(s, d)
    return Response(status_code=204)


async def _upload(request: Request, resources: Resources, key: str | None) -> Response:
    settings = resources.settings
    async with received_form(
        request,
        settings.staging_dir,
        known=("name", "options"),
        max_field_bytes=settings.max_body_bytes,
    ) as form:
        name = _name(form.fields.get("name"))
        options = await run_in_threadpool(_options, form.fields.get("options"))
        sent = "" if key is None else await run_in_threadpool(form.sha256)
        return await _register(
            resources,
            once(request, key, sent),
            name,
            partial(
                parsing.parse_upload, form.path, settings.datasets_dir, options, _limits(resources)
            ),
        )


async def _builtin(request: Request, resources: Resources, key: str | None) -> Response:
    raw = await request.body()
    wanted = await run_in_threadpool(parse, raw, BuiltinRequest, "body")
    return await _register(
        resources,
        once(request, key, "" if key is None else sha256_of_json(raw)),
        wanted.name,
        partial(parsing.parse_builtin, wanted, resources.settings.datasets_dir, _limits(resources)),
    )


async def _register(
    resources: Resources, once: Once, name: str, ingest: Callable[[], Ingested]
) -> Response:
    """Parse, then register: the file first, the row second."""
    # Asked before the work is done; the database has the last word after it.
    refuse = partial(refuse_taken, resources.database, name)
    earlier = await run_in_threadpool(once.earlier, resources.database, refuse)
    if earlier is not None:
        return earlier
    with placed("body"):
        ingested = await resources.in_child(ingest)

    def register(s: WriteSession) -> Response:
        origin = Origin(reading=ingested.reading)
        dataset = registered(s, name, ingested, origin)
        location = {"Location": f"/v1/datasets/{dataset.id}"}
        return answer(dataset_view(dataset, origin), status=201, headers=location)

    return await run_in_threadpool(once.make, resources.database, register)


def _limits(resources: Resources) -> ReadLimits:
    return ReadLimits(max_bytes=resources.settings.max_upload_bytes)


def _name(sent: str | None) -> str:
    loc = ("body", "name")
    if sent is None:
        raise invalid_fields(
            [FieldError(loc=loc, msg="Expected the part 'name'. It is not there.")]
        )
    try:
        return _NAME.validate_python(sent)
    except ValidationError:
        msg = (
            "Expected a name of 1 to 64 letters, digits, '.', '_' or '-', that begins with a "
            f"letter or digit. Received '{sent[:64]}'."
        )
        raise invalid_fields([FieldError(loc=loc, msg=msg, received=sent[:64])]) from None


def _options(sent: str | None) -> ReadOptions:
    if sent is None or not sent.strip():
        return ReadOptions()
    return parse(sent.encode(), ReadOptions, "body", "options")
