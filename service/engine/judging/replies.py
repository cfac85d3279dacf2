"""Answering a question about a model and a table: JSON, or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np
from pydantic_core import to_json

from service.domain.errors import InvalidData
from service.engine.judging.comparison import agreement, differences
from service.engine.judging.curve_points import Curve, class_curves, residuals
from service.engine.judging.judged_rows import answers_of, evaluation_of
from service.engine.judging.permutation import importances
from service.engine.judging.questions import (
    Compared,
    Curved,
    Explained,
    Question,
    Scored,
    WorstAsked,
)
from service.engine.judging.worst_rows import worst_classified, worst_measured
from service.engine.metrics.scoring import Judged
from service.engine.plots.curve_lines import curve_lines
from service.engine.plots.importance_bars import importance_bars
from service.engine.plots.reliability import reliability
from service.engine.plots.residual_dots import residual_dots
from service.engine.plots.worst_sheet import Sheet, worst_sheet
from service.engine.predictor import Predictor
from service.engine.recipe import ColumnSource


def reply(predictors: Sequence[Predictor], source: ColumnSource, asked: Question) -> bytes:
    """Return the answer: JSON, numbers that are not finite null, or a picture.

    Args:
        predictors: the model; for a comparison, the one it is compared with too.
        source: the table.
        asked: the question.

    Raises:
        InvalidSpec: a metric that the mode does not have, an estimator that one has not.
        InvalidData, MissingValues: the rows cannot be predicted or judged.
    """
    predictor = predictors[0]
    match asked:
        case Scored():
            return _scored(predictor, source, asked)
        case Curved():
            return _curved(predictor, source, asked)
        case Compared():
            return _compared(predictor, predictors[1], source, asked)
        case Explained():
            return _explained(predictor, source, asked)
        case WorstAsked():
            return _worst(predictor, source, asked)
    assert_never(asked)


def _scored(predictor: Predictor, source: ColumnSource, asked: Scored) -> bytes:
    found = evaluation_of(
        predictor,
        source,
        id=asked.id,
        dataset=asked.dataset,
        dataset_sha256=asked.dataset_sha256,
        names=asked.metrics,
        estimator=asked.estimator,
        event_level=asked.event_level,
        bootstrap=asked.bootstrap,
    )
    return found.model_dump_json().encode()


def _curved(predictor: Predictor, source: ColumnSource, asked: Curved) -> bytes:
    rows = _finite(answers_of(predictor, source, event_level=asked.event_level))
    if predictor.levels is None:
        curves = residuals(rows, predictor.outcomes, asked.points)
    else:
        curves = class_curves(
            rows,
            predictor.levels,
            asked.kind,
            shown=asked.levels,
            points=asked.points,
            bins=asked.bins,
        )
    if asked.fmt is None:
        return _json(_points(predictor, curves, len(rows.truth)))
    if asked.kind == "residuals":
        return residual_dots(curves, title=asked.title, fmt=asked.fmt)
    if asked.kind == "calibration":
        return reliability(curves, title=asked.title, fmt=asked.fmt)
    return curve_lines(curves, asked.kind, title=asked.title, fmt=asked.fmt)


def _points(predictor: Predictor, curves: Sequence[Curve], n: int) -> dict[str, Any]:
    name = "level" if predictor.levels is not None else "outcome"
    data = [
        {name: curve.name, **dict(zip(curve.columns, cells, strict=True))}
        for curve in curves
        for cells in zip(*(column.tolist() for column in curve.columns.values()), strict=True)
    ]
    summary = [{name: curve.name, "n": curve.n, **curve.summary} for curve in curves]
    return {"n": n, "summary": summary, "data": data}


def _compared(
    predictor: Predictor, other: Predictor, source: ColumnSource, asked: Compared
) -> bytes:
    first, second = (
        answers_of(each, source, asked.estimator, asked.event_level) for each in (predictor, other)
    )
    found = differences(
        asked.metrics, first, second, predictor.levels, predictor.mode, asked.bootstrap
    )
    return _json(
        {
            "n": len(first.truth),
            "agreement": agreement(first, second, predictor.mode),
            "data": found,
        }
    )


def _explained(predictor: Predictor, source: ColumnSource, asked: Explained) -> bytes:
    found = importances(
        predictor, source, asked.metric, times=asked.times, rows=asked.rows, seed=asked.seed
    )
    columns = found.columns[: asked.limit]
    if asked.fmt is not None:
        return importance_bars(
            columns, asked.metric, n=found.n, times=asked.times, title=asked.title, fmt=asked.fmt
        )
    return _json(
        {
            "score": found.score,
            "n": found.n,
            "n_columns": len(found.columns),
            "data": [each._asdict() for each in columns],
        }
    )


def _worst(predictor: Predictor, source: ColumnSource, asked: WorstAsked) -> bytes:
    rows = _finite(answers_of(predictor, source))
    if predictor.levels is not None:
        data = worst_classified(rows, predictor.levels, asked.count)
    else:
        data = worst_measured(rows, asked.outcome, asked.count)
    if asked.fmt is None:
        return _json({"n": len(rows.truth), "data": data})
    places = np.array([each["row"] - 1 for each in data], dtype=np.int64)
    pixels = np.stack([source.numeric(name, places) for name in asked.pixels or ()], axis=1)
    sheet = Sheet(
        pixels=pixels,
        rows=tuple(each["row"] for each in data),
        truth=tuple(_said(each["truth"]) for each in data),
        estimate=tuple(_said(each["estimate"]) for each in data),
        brightest=asked.brightest,
    )
    return worst_sheet(sheet, title=asked.title, fmt=asked.fmt)


def _finite(rows: Judged) -> Judged:
    if not rows.is_finite:
        raise InvalidData(
            "Expected a model whose answers are finite numbers. Received one that says NaN or "
            "infinity of some rows: its training diverged. Train it with a smaller learn_rate."
        )
    return rows


def _said(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _json(told: dict[str, Any]) -> bytes:
    return to_json(told, inf_nan_mode="null")
