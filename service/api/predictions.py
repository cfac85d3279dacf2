"""Predictions: rows as JSON, CSV, Arrow or Parquet, or a dataset, in; JSON, CSV or Arrow out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, JsonValue, ValidationError

from service.api.answers import CSV, JSON, encode, negotiate
from service.api.bodies import ARROW, PARQUET, is_json, media_type, unsupported
from service.api.dependencies import DatabaseOf, PredictorsOf, Reference, SettingsOf
from service.api.json_text import read_json
from service.api.openapi import problems
from service.api.served import served
from service.api.stored_tables import open_table
from service.api.validation import invalid, invalid_fields, placed
from service.domain.errors import FieldError, InvalidData, NotFound
from service.domain.models import ServedModel
from service.domain.schema import Spec
from service.engine.prediction_answers import Answer, Kind, kinds_of
from service.engine.prediction_answers import answer as answer_of
from service.engine.prediction_arrow import arrow_pieces, from_arrow
from service.engine.prediction_columns import InputColumns, Layout, PredictionRows
from service.engine.prediction_csv import from_csv
from service.engine.prediction_rows import SHAPES, from_json
from service.engine.predictor import Output, Predictor
from service.engine.tables.table import Table
from service.settings import Settings
from service.store import datasets
from service.store.database import Database

router = APIRouter(prefix="/v1/models/{m}", tags=["models"])

# Rows of a stored dataset that are written at a time.
BLOCK_ROWS = 10_000
PLAIN_CSV = "text/csv"
_TABLES: dict[str, Callable[[bytes, InputColumns], PredictionRows]] = {
    PLAIN_CSV: from_csv,
    ARROW: partial(from_arrow, kind="arrow"),
    PARQUET: partial(from_arrow, kind="parquet"),
}


class StoredRows(Spec):
    """The rows of a stored dataset; `type` may be said here instead of in the query."""

    dataset: Annotated[str, Field(min_length=1, max_length=128)]
    type: str | list[str] | None = None


class RowsToPredict(BaseModel):
    """One object a row; see the model's prototype."""

    rows: list[dict[str, JsonValue]]


class ColumnsToPredict(BaseModel):
    """Column names once, then one list a row: pandas' `to_dict("split", index=False)`."""

    columns: list[str]
    data: list[list[JsonValue]]


class PredictionsView(BaseModel):
    """The answer in the request's shape, and which version of which model gave it."""

    model: str
    version: int
    rows: list[dict[str, JsonValue]] | None = None
    columns: list[str] | None = None
    data: list[list[JsonValue]] | None = None


@dataclass(frozen=True, kw_only=True)
class _Sent:
    media: str
    raw: bytes


async def _sent(request: Request) -> _Sent:
    media = media_type(request)
    if not is_json(media) and media not in _TABLES:
        raise unsupported(media, JSON, *_TABLES)
    return _Sent(media=media, raw=await request.body())


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "anyOf": [
                        {"$ref": f"#/components/schemas/{model.__name__}"}
                        for model in (RowsToPredict, ColumnsToPredict, StoredRows)
                    ]
                },
                "examples": {
                    "rows": {"value": {"rows": [{"x1": 0, "x2": 1.5}]}},
                    "columns": {"value": {"columns": ["x1", "x2"], "data": [[0, 1.5]]}},
                    "a stored dataset": {"value": {"dataset": "mnist_test", "type": ["class"]}},
                },
            },
            PLAIN_CSV: {"schema": {"type": "string", "examples": ["x1,x2\n0,1.5\n"]}},
            ARROW: {"schema": {"type": "string", "format": "binary"}},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "/predictions",
    response_model=PredictionsView,
    responses={
        200: {
            "content": {
                PLAIN_CSV: {"schema": {"type": "string"}},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problems(404, 406),
    },
    openapi_extra=_BODY,
)
def predict_rows(
    request: Request,
    database: DatabaseOf,
    predictors: PredictorsOf,
    settings: SettingsOf,
    m: Reference,
    sent: Annotated[_Sent, Depends(_sent)],
    type: Annotated[
        str | None,
        Query(
            max_length=64,
            description="`class`, `prob`, `numeric`, `raw`, or several with commas. Default "
            "`class`, or `numeric` for regression.",
        ),
    ] = None,
) -> Response:
    """Ask a model about rows; columns that it does not read are ignored."""
    wanted = negotiate(request, JSON, PLAIN_CSV, ARROW)
    model, predictor = served(database, predictors, m)
    if sent.media in _TABLES:
        with placed("query"):
            kinds = kinds_of(_split(type), predictor.mode)
        with placed("body"):
            rows = _TABLES[sent.media](sent.raw, predictor.inputs)
            return _answer(model, predictor.predict(rows), kinds, rows.layout, wanted)
    body = read_json(sent.raw)
    if not isinstance(body, dict):
        raise InvalidData(f"Expected an object. Received another JSON value. {SHAPES}")
    if "dataset" in body:
        return _predict_dataset(database, settings, model, predictor, body, type, wanted)
    with placed("query"):
        kinds = kinds_of(_split(type), predictor.mode)
    with placed("body"):
        rows = from_json(body, predictor.inputs)
        return _answer(model, predictor.predict(rows), kinds, rows.layout, wanted)


def _predict_dataset(
    database: Database,
    settings: Settings,
    model: ServedModel,
    predictor: Predictor,
    body: Mapping[str, Any],
    type: str | None,
    media: str,
) -> Response:
    try:
        asked = StoredRows.model_validate(body)
    except ValidationError as error:
        raise invalid(error, StoredRows, "body") from None
    if asked.type is not None and type is not None:
        msg = "Expected `type` in the query or in the body. Received it in both."
        raise invalid_fields([FieldError(loc=("body", "type"), msg=msg)])
    wanted = _split(asked.type) if isinstance(asked.type, str | None) else asked.type
    with placed("query" if type is not None else "body"):
        kinds = kinds_of(_split(type) or wanted, predictor.mode)
    try:
        with database.read() as s:
            dataset = datasets.get(s, asked.dataset)
    except NotFound as error:
        raise invalid_fields([FieldError(loc=("body", "dataset"), msg=error.detail)]) from None
    table: Table = open_table(settings, dataset)
    with placed("body", "dataset"):
        # All of the output before the first byte of the answer: once 200 is sent, no problem with
        # a row can be told. It is a few numbers a row; the text of the answer is made in blocks.
        output = predictor.predict(table)
        first = answer_of(_part(output, 0), kinds)
    if media == ARROW:
        return _streamed(model, arrow_pieces(output, kinds), ARROW)
    if media == PLAIN_CSV:
        return _streamed(model, _csv_blocks(output, kinds, first), CSV)
    return _streamed(model, _json_blocks(model, output, kinds, first), JSON)


def _streamed(model: ServedModel, pieces: Iterator[bytes], media: str) -> Response:
    return StreamingResponse(pieces, media_type=media, headers=_headers(model))


def _answer(
    model: ServedModel, output: Output, kinds: Sequence[Kind], layout: Layout, media: str
) -> Response:
    if media == ARROW:
        return _streamed(model, arrow_pieces(output, kinds), ARROW)
    found = answer_of(output, kinds)
    if media == PLAIN_CSV:
        return Response(found.as_csv(), media_type=CSV, headers=_headers(model))
    told = {"model": model.id, "version": model.version, **found.as_json(layout)}
    return Response(encode(told), media_type=JSON, headers=_headers(model))


def _headers(model: ServedModel) -> dict[str, str]:
    """CSV has no room for what JSON says beside the rows."""
    return {"X-Model": model.id, "X-Model-Version": str(model.version), "Vary": "Accept"}


def _part(output: Output, start: int) -> Output:
    raw = output.raw[start : start + BLOCK_ROWS]
    return Output(raw=raw, levels=output.levels, outcomes=output.outcomes)


def _parts(output: Output, kinds: Sequence[Kind], first: Answer) -> Iterator[Answer]:
    yield first
    for start in range(BLOCK_ROWS, len(output.raw), BLOCK_ROWS):
        yield answer_of(_part(output, start), kinds)


def _json_blocks(
    model: ServedModel, output: Output, kinds: Sequence[Kind], first: Answer
) -> Iterator[bytes]:
    head = encode({"model": model.id, "version": model.version})
    yield head[:-1] + b',"rows":['
    for at, block in enumerate(_parts(output, kinds, first)):
        yield (b"," if at else b"") + encode(block.as_rows())[1:-1]
    yield b"]}"


def _csv_blocks(output: Output, kinds: Sequence[Kind], first: Answer) -> Iterator[bytes]:
    header = len(Answer(columns=first.columns, values=tuple(() for _ in first.columns)).as_csv())
    for at, block in enumerate(_parts(output, kinds, first)):
        yield block.as_csv()[header if at else 0 :]


def _split(names: str | None) -> list[str]:
    return [name.strip() for name in names.split(",")] if names is not None else []
