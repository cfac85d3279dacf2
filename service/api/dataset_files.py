"""A dataset to take away: the stored table as CSV, Parquet or Arrow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import FileResponse, StreamingResponse

import service
from service.api.answers import CSV, not_modified
from service.api.dependencies import DatabaseOf, Reference, SettingsOf
from service.api.openapi import NOT_MODIFIED, problems
from service.api.stored_tables import open_table, table_path
from service.engine.tables.download import (
    DownloadFormat,
    csv_pieces,
    gzip_pieces,
    parquet_pieces,
)
from service.store import dataset_origins, datasets

router = APIRouter(prefix="/v1/datasets/{d}", tags=["datasets"])

_MEDIA: dict[DownloadFormat, str] = {
    "csv": CSV,
    "csv.gz": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
}
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FILE = {
    "description": "The table",
    "content": {media.split(";", 1)[0]: _BINARY for media in _MEDIA.values()},
}


@router.get(
    "/file", response_class=Response, responses={200: _FILE, **problems(404), **NOT_MODIFIED}
)
def download_dataset(
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    d: Reference,
    format: Annotated[DownloadFormat, Query(description="What kind of file.")] = "csv",
    formulas: Annotated[
        Literal["inert", "keep"],
        Query(
            description="Of CSV: `inert` puts a ' before text that a spreadsheet would take for a "
            "formula; `keep` leaves every cell as it is stored."
        ),
    ] = "inert",
) -> Response:
    """The stored table: uploaded again with the same options it is the same dataset."""
    with database.read() as s:
        dataset = datasets.get(s, d)
        na = dataset_origins.of(s, dataset.id).na
    told = f"{dataset.sha256} {format} {formulas} {na} {service.__version__}"
    headers = {
        "ETag": f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{dataset.name}.{format}"',
    }
    if not_modified(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    # Opened first: what is missing in the storage is told before the answer has begun.
    open_table(settings, dataset)
    path = table_path(settings, dataset)
    if format == "arrow":
        return FileResponse(path, media_type=_MEDIA[format], headers=headers)
    pieces = _pieces(path, format, na, inert_text=formulas == "inert")
    return StreamingResponse(pieces, media_type=_MEDIA[format], headers=headers)


def _pieces(
    path: Path, form: DownloadFormat, na: tuple[str, ...], *, inert_text: bool
) -> Iterator[bytes]:
    if form == "parquet":
        return parquet_pieces(path)
    text = csv_pieces(path, na, inert_text=inert_text)
    return gzip_pieces(text) if form == "csv.gz" else text
