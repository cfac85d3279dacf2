"""What else can be asked of a model: against another one, which columns, which rows."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, JsonValue

from service.api.answers import cached, encode
from service.api.dataset_rows import square_pixels
from service.api.dependencies import DatabaseOf
from service.api.judging import (
    ANSWERS,
    PICTURES,
    Extension,
    Judge,
    JudgeOf,
    mode_of,
    refuse_too_many,
)
from service.api.validation import invalid_fields, placed
from service.domain.errors import FieldError, NotFound
from service.domain.evaluations import MAX_RESAMPLES, Bootstrap
from service.domain.metric_names import Direction, Estimator, EventLevel, direction_of
from service.domain.models import RegisteredModel
from service.engine.judging.questions import Compared, Explained, WorstAsked
from service.engine.metrics.registry import metric_names, refuse_estimator
from service.store import models

router = APIRouter(prefix="/v1/models/{m}", tags=["models"])

# Cells that are shuffled in memory: 160 MB as float64.
MAX_SHUFFLED_CELLS = 20_000_000

Metric = Annotated[
    str | None,
    Query(max_length=64, description="Default: `accuracy`, or `rmse` for regression."),
]
Times = Annotated[int, Query(ge=1, le=100, description="How often each column is shuffled.")]
Shuffled = Annotated[
    int, Query(ge=2, le=20_000, description="Of more rows, so many drawn ones are used.")
]
Drawn = Annotated[int, Query(ge=0, le=2**31 - 1, description="Decides what is drawn.")]


class Judged(BaseModel):
    """What was judged on which rows, and how many they are."""

    model: str
    version: int
    dataset: str
    dataset_sha256: str
    n: int


class DifferenceView(BaseModel):
    """One metric of both models: `difference` is the model's less the other's.

    `low` and `high` are the ends of its interval; `better` is null where that of the gain holds 0.
    """

    metric: str
    direction: Direction
    model: float | None
    with_: float | None = Field(alias="with")
    difference: float | None
    low: float | None
    high: float | None
    std_err: float | None
    times: int
    better: str | None = Field(description="`model`, `with` or null.")


class AgreementView(BaseModel):
    """How many rows which of the two models predicts rightly."""

    both_right: int
    only_model_right: int
    only_with_right: int
    both_wrong: int


class ComparisonView(Judged):
    """Two models on the same rows."""

    with_: str = Field(alias="with", description="The other model's id.")
    with_version: int
    bootstrap: Bootstrap
    agreement: AgreementView | None = Field(description="Of classification.")
    data: list[DifferenceView]


class ImportanceItem(BaseModel):
    """How much worse the score is with a column shuffled: the mean and its standard error."""

    column: str
    importance: float | None
    std_err: float | None


class ImportanceView(Judged):
    """The columns that the model reads, the most important first."""

    metric: str
    direction: Direction
    score: float | None = Field(description="Of the rows as they are.")
    times: int
    seed: int
    n_columns: int
    data: list[ImportanceItem]


class WorstView(Judged):
    """The rows that the model is most wrong about, the worst first; `row` is 1-based."""

    outcome: str
    data: list[dict[str, JsonValue]]


@router.get("/compare", response_model=ComparisonView, responses=ANSWERS)
async def compare_models(
    asker: JudgeOf,
    database: DatabaseOf,
    other: Annotated[
        str, Query(alias="with", min_length=1, max_length=160, description="Another model.")
    ],
    metrics: Annotated[
        list[str] | None,
        Query(
            max_length=64, description="Repeat it for each, or with commas. Default: as for tune."
        ),
    ] = None,
    estimator: Estimator | None = None,
    event_level: EventLevel | None = None,
    times: Annotated[int, Query(ge=1, le=MAX_RESAMPLES, description="Resamples.")] = 1000,
    level: Annotated[float, Query(gt=0, lt=1, description="Of the intervals.")] = 0.95,
    seed: Drawn = 1,
) -> Response:
    """Two models on the same rows: scores, differences, and intervals from a paired bootstrap."""
    mode = mode_of(asker.model)
    with placed("query"):
        names = metric_names(_split(metrics), mode, "metrics")
        refuse_estimator(names, mode, estimator, event_level or "first")
    second = _comparable(database, asker.model, other)
    refuse_too_many(2 * times, asker.dataset, asker.model, "query", "times")
    bootstrap = Bootstrap(times=times, level=level, seed=seed)
    asked = Compared(
        metrics=names, estimator=estimator, event_level=event_level, bootstrap=bootstrap
    )
    head = {"with": second.id, "with_version": second.version, "bootstrap": bootstrap.model_dump()}
    return await asker.json(asked, head, [second])


@router.get("/importance", response_model=ImportanceView, responses=ANSWERS)
async def get_importance(
    asker: JudgeOf,
    metric: Metric = None,
    times: Times = 5,
    rows: Shuffled = 2000,
    seed: Drawn = 1,
    limit: Annotated[int, Query(ge=1, le=4096, description="Columns at most.")] = 100,
) -> Response:
    """How much worse the model does with each raw column shuffled: permutation importance."""
    asked = _explained(asker, metric, times, rows, seed, limit)
    head = {
        "metric": asked.metric,
        "direction": direction_of(asked.metric),
        "times": times,
        "seed": seed,
    }
    return await asker.json(asked, head)


@router.get("/plots/importance.{extension}", response_class=Response, responses=PICTURES)
async def plot_importance(
    asker: JudgeOf,
    extension: Extension,
    metric: Metric = None,
    times: Times = 5,
    rows: Shuffled = 2000,
    seed: Drawn = 1,
    limit: Annotated[int, Query(ge=1, le=60, description="Columns at most.")] = 20,
) -> Response:
    """The most important columns as bars, with standard errors."""
    asked = _explained(asker, metric, times, rows, seed, limit)
    shown = asked.model_copy(update={"title": asker.title, "fmt": extension})
    return await asker.picture(shown, extension)


@router.get("/worst", response_model=WorstView, responses=ANSWERS)
async def list_worst_rows(
    asker: JudgeOf,
    count: Annotated[int, Query(ge=1, le=100)] = 10,
    outcome: Annotated[
        str | None, Query(max_length=256, description="Of several; default: the first.")
    ] = None,
) -> Response:
    """The rows that the model is most wrong about; `image` is the row's picture, if it has one."""
    name, place = _outcome(asker.model, outcome)
    told: dict[str, Any] = json.loads(await asker.answer(WorstAsked(count=count, outcome=place)))
    if square_pixels(asker.dataset) is not None:
        for each in told["data"]:
            each["image"] = f"/v1/datasets/{asker.dataset.id}/rows/{each['row']}/image.png"
    return cached(asker.request, encode({**asker.head(), "outcome": name, **told}))


@router.get("/plots/worst.{extension}", response_class=Response, responses=PICTURES)
async def plot_worst_rows(
    asker: JudgeOf,
    extension: Extension,
    count: Annotated[int, Query(ge=1, le=25)] = 15,
    outcome: Annotated[
        str | None, Query(max_length=256, description="Of several; default: the first.")
    ] = None,
) -> Response:
    """The pictures of the worst rows, where a row's numbers make a square one."""
    _, place = _outcome(asker.model, outcome)
    pixels = square_pixels(asker.dataset)
    if pixels is None:
        msg = (
            f"Expected rows whose numeric columns make a square picture. Those of dataset "
            f"'{asker.dataset.name}' make none. `GET /v1/models/{{m}}/worst` tells the rows."
        )
        raise invalid_fields([FieldError(loc=("query", "dataset"), msg=msg)])
    known = set(pixels)
    brightest = max((c.max or 0.0 for c in asker.dataset.columns if c.name in known), default=None)
    asked = WorstAsked(
        count=count,
        outcome=place,
        pixels=tuple(pixels),
        brightest=brightest,
        title=asker.title,
        fmt=extension,
    )
    return await asker.picture(asked, extension)


def _split(names: list[str] | None) -> list[str] | None:
    if names is None:
        return None
    return [part.strip() for each in names for part in each.split(",")]


def _comparable(database: DatabaseOf, model: RegisteredModel, ref: str) -> RegisteredModel:
    """Return the model to compare with.

    Raises:
        InvalidSpec: there is none, or it says something else.
    """
    try:
        with database.read() as s:
            other = models.get(s, ref)
    except NotFound as error:
        msg = error.detail
    else:
        if (other.mode, other.outcome, other.levels) == (model.mode, model.outcome, model.levels):
            return other
        msg = (
            f"Expected a model of the same outcome and levels as '{model.name}@{model.version}'. "
            f"'{other.name}@{other.version}' predicts {', '.join(other.outcome[:5])}"
            f"{'' if other.outcome != model.outcome else ' with other levels'}."
        )
    raise invalid_fields([FieldError(loc=("query", "with"), msg=msg)])


def _explained(
    asker: Judge, metric: str | None, times: int, rows: int, seed: int, limit: int
) -> Explained:
    mode = mode_of(asker.model)
    with placed("query"):
        default = "rmse" if mode == "regression" else "accuracy"
        (name,) = metric_names([metric or default], mode, "metric")
    columns = len(asker.model.predictors)
    most = max(MAX_SHUFFLED_CELLS // max(columns, 1), 2)
    if min(rows, asker.dataset.n_rows) > most:
        msg = f"Expected at most {most:,} rows of {columns:,} columns. Received {rows:,}."
        raise invalid_fields([FieldError(loc=("query", "rows"), msg=msg)])
    return Explained(metric=name, times=times, rows=rows, seed=seed, limit=limit)


def _outcome(model: RegisteredModel, name: str | None) -> tuple[str, int]:
    if name is None:
        return model.outcome[0], 0
    if name in model.outcome:
        return name, model.outcome.index(name)
    msg = f"Expected an outcome: {', '.join(model.outcome[:5])}. Received '{name[:64]}'."
    raise invalid_fields([FieldError(loc=("query", "outcome"), msg=msg)])
