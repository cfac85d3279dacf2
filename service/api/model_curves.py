"""A model's curves on a stored dataset, as points and as pictures; the confusion of its classes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, JsonValue

from service.api.answers import PNG, SVG, picture
from service.api.judging import (
    ANSWERS,
    PICTURES,
    DatasetQuery,
    Extension,
    JudgeOf,
    ModelOf,
)
from service.api.validation import invalid_fields
from service.domain.errors import Conflict, FieldError
from service.domain.evaluations import Evaluation
from service.domain.metric_names import EventLevel
from service.domain.models import RegisteredModel
from service.domain.names import did_you_mean
from service.engine.judging.curve_points import CLASS_CURVES, CurveKind
from service.engine.judging.questions import Curved
from service.engine.plots.confusion_square import confusion_square

router = APIRouter(prefix="/v1/models/{m}", tags=["models"])

Kind = Annotated[
    CurveKind,
    Path(description="`residuals` is for regression, all others for classification."),
]
Levels = Annotated[
    list[str] | None,
    Query(
        max_length=64,
        description="Levels of the outcome to show, each against the rest; repeat it for each. "
        "Default: the event of two levels, all of more.",
    ),
]
Event = Annotated[
    EventLevel | None, Query(description="Which of two levels is the event. Default: `first`.")
]
Points = Annotated[
    int, Query(ge=2, le=2000, description="Points of each curve at most, spread along it.")
]
Bins = Annotated[int, Query(ge=2, le=100, description="Of `calibration`, of equal width.")]


class CurveView(BaseModel):
    """The points of each curve, and each curve in a number.

    A point has the columns of yardstick's curve: `roc` has `threshold`, `specificity` and
    `sensitivity`; `pr` `threshold`, `recall` and `precision`; `gain` and `lift` `n`, `n_events`,
    `percent_tested` and `percent_found` or `lift`; `calibration` `low`, `high`, `n`,
    `mean_probability` and `observed`; `residuals` `row`, `truth`, `estimate` and `residual`. The
    threshold above all probabilities is null.
    """

    model: str
    version: int
    dataset: str
    dataset_sha256: str
    kind: CurveKind
    n: int
    summary: list[dict[str, JsonValue]]
    data: list[dict[str, JsonValue]]


@router.get("/curves/{kind}", response_model=CurveView, responses=ANSWERS)
async def get_curve(
    asker: JudgeOf,
    kind: Kind,
    level: Levels = None,
    event_level: Event = None,
    points: Points = 200,
    bins: Bins = 10,
) -> Response:
    """A curve's points on a dataset's rows, thinned evenly; its areas are of all rows."""
    asked = _asked(asker.model, kind, level, event_level)
    return await asker.json(
        asked.model_copy(update={"points": points, "bins": bins}), {"kind": kind}
    )


@router.get("/plots/confusion.{extension}", response_class=Response, responses=PICTURES)
def plot_confusion(
    request: Request, model: ModelOf, extension: Extension, dataset: DatasetQuery = None
) -> Response:
    """The confusion of the latest evaluation, on any dataset or on the one that is named."""
    found = _with_confusion(model, dataset)
    assert found.confusion is not None, "it was looked for"
    title = f"{model.name}@{model.version} on {found.dataset}"
    drawn = confusion_square(found.confusion, title=title, fmt=extension)
    return picture(request, drawn, SVG if extension == "svg" else PNG)


@router.get("/plots/{kind}.{extension}", response_class=Response, responses=PICTURES)
async def plot_curve(
    asker: JudgeOf,
    kind: Kind,
    extension: Extension,
    level: Levels = None,
    event_level: Event = None,
    bins: Bins = 10,
) -> Response:
    """A curve's picture: ROC, precision-recall, gain, lift, calibration, or residuals."""
    asked = _asked(asker.model, kind, level, event_level)
    shown = {"points": 1000, "bins": bins, "title": asker.title, "fmt": extension}
    return await asker.picture(asked.model_copy(update=shown), extension)


def _asked(
    model: RegisteredModel, kind: CurveKind, levels: list[str] | None, event: EventLevel | None
) -> Curved:
    """Return the question.

    Raises:
        InvalidSpec: a curve of the other mode, or a level that the outcome does not have.
    """
    if (kind in CLASS_CURVES) != (model.levels is not None):
        wanted = "residuals" if model.levels is None else ", ".join(CLASS_CURVES)
        msg = f"Expected {wanted} of a model for {model.mode}. Received '{kind}'."
        raise invalid_fields([FieldError(loc=("path", "kind"), msg=msg)])
    known = model.levels or ()
    wrong = [
        FieldError(
            loc=("query", "level", at),
            msg=f"Expected a level of '{model.outcome[0]}'. Received '{level[:64]}'."
            f"{did_you_mean(level, known)}",
        )
        for at, level in enumerate(levels or ())
        if level not in known
    ]
    if wrong:
        raise invalid_fields(wrong)
    shown = None if levels is None else tuple(dict.fromkeys(levels))
    return Curved(kind=kind, levels=shown, event_level=event)


def _with_confusion(model: RegisteredModel, dataset: str | None) -> Evaluation:
    for found in reversed(model.evaluations):
        if found.confusion is not None and dataset in (None, found.dataset):
            return found
    where = "" if dataset is None else f" on '{dataset[:64]}'"
    raise Conflict(
        f"Expected an evaluation of '{model.name}@{model.version}'{where} that has a confusion of "
        "classes. There is none. Evaluate the model first: `POST /v1/models/{m}/evaluations`."
    )
