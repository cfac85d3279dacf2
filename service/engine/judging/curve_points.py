"""Curves of probabilities and residuals of numbers, as few points as a reader asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.engine.metrics.outcome import Classified, Floats, mean_of, ratio
from service.engine.metrics.scoring import Judged
from service.engine.metrics.thresholds import (
    area,
    from_nothing,
    gain_points,
    one_against_rest,
    pr_points,
    roc_points,
)

CurveKind = Literal["roc", "pr", "gain", "lift", "calibration", "residuals"]
CLASS_CURVES: tuple[CurveKind, ...] = ("roc", "pr", "gain", "lift", "calibration")
# Rows of one answer, of all its curves together.
MOST_POINTS = 50_000


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve: of a level against the rest, or of an outcome's residuals.

    `columns` are of equal length, NaN where a value is undefined; `summary` says it in a number.
    """

    name: str
    n: int
    summary: Mapping[str, float]
    columns: Mapping[str, NDArray[Any]]


def class_curves(
    rows: Judged,
    levels: Sequence[str],
    kind: CurveKind,
    *,
    shown: Sequence[str] | None = None,
    points: int = 200,
    bins: int = 10,
) -> list[Curve]:
    """Return the curve of each level against the rest, of two levels that of the event alone.

    As yardstick's `roc_curve`, `pr_curve`, `gain_curve` and `lift_curve`, whose columns have these
    names; a curve begins above all thresholds, where the threshold is infinite. Curves of more than
    `points` points are thinned evenly along their length, both ends kept; the summary is of all.
    `calibration` has bins of equal width: the mean probability and the share of events in each.

    Args:
        rows: probabilities and true codes.
        levels: the classes in order.
        kind: which curve.
        shown: the levels to show; None for all, or the event of two.
        points: how many points of a curve at most, 2 or more.
        bins: of a calibration curve.
    """
    data = rows.classified(levels)
    wanted = list(shown or ([levels[data.event]] if data.is_binary else levels))
    each = max(2, min(points, MOST_POINTS // max(len(wanted), 1)))
    found = []
    for level in wanted:
        code = tuple(levels).index(level)
        if kind == "calibration":
            found.append(_calibration(data, code, bins))
        else:
            found.append(_thinned(_curve(data, code, kind), kind, each))
    return found


def residuals(rows: Judged, outcomes: Sequence[str], points: int = 200) -> list[Curve]:
    """Return each outcome's truth, estimate and `truth - estimate`, of evenly spread rows at most.

    `row` is the 1-based place among the rows that were judged.
    """
    n = len(rows.truth)
    kept = np.unique(np.linspace(0, max(n - 1, 0), min(points, n)).round().astype(np.int64))
    found = []
    for name, truth, estimate in zip(outcomes, rows.truth.T, rows.estimate.T, strict=True):
        error = truth - estimate
        spread = float(error.std(ddof=1)) if n > 1 else math.nan
        summary = {"mean": float(error.mean()) if n else math.nan, "sd": spread}
        columns: dict[str, NDArray[Any]] = {
            "row": kept + 1,
            "truth": truth[kept],
            "estimate": estimate[kept],
            "residual": error[kept],
        }
        found.append(Curve(name=name, n=n, summary=summary, columns=columns))
    return found


# The columns that are the horizontal and the upright axis of each curve.
AXES: Mapping[CurveKind, tuple[str, str]] = {
    "roc": ("specificity", "sensitivity"),
    "pr": ("recall", "precision"),
    "gain": ("percent_tested", "percent_found"),
    "lift": ("percent_tested", "lift"),
    "calibration": ("mean_probability", "observed"),
    "residuals": ("estimate", "residual"),
}


def _curve(data: Classified, code: int, kind: CurveKind) -> Curve:
    is_event = data.truth == code
    values, caught = one_against_rest(data.prob[:, code], is_event, data.mass)
    columns: dict[str, Floats] = {"threshold": np.concatenate([[np.inf], values])}
    if kind == "roc":
        others, sensitivity = roc_points(caught)
        columns |= {"specificity": 1 - others, "sensitivity": sensitivity}
        summary = {"roc_auc": float(area(others, sensitivity))}
    elif kind == "pr":
        recall, precision = pr_points(caught)
        columns |= {"recall": recall, "precision": precision}
        summary = {"pr_auc": float(area(recall, precision))}
    else:
        tested, found = gain_points(caught)
        columns |= {
            "n": from_nothing(caught.sum(axis=0)),
            "n_events": from_nothing(caught[0]),
            "percent_tested": 100 * tested,
        }
        if kind == "gain":
            columns["percent_found"] = 100 * found
        else:
            # Before the first row is tested there is no lift.
            columns = {name: column[1:] for name, column in columns.items()}
            columns["lift"] = ratio(found[1:], tested[1:])
        summary = {}
    return Curve(name=data.levels[code], n=int(is_event.sum()), summary=summary, columns=columns)


def _calibration(data: Classified, code: int, bins: int) -> Curve:
    p, mass = data.prob[:, code], data.mass
    is_event = (data.truth == code).astype(np.float64)
    place = np.minimum((p * bins).astype(np.int64), bins - 1)

    def sums(values: Floats) -> Floats:
        return np.bincount(place, weights=values, minlength=bins).astype(np.float64)

    weight = sums(mass)
    expected, observed = ratio(sums(mass * p), weight), ratio(sums(mass * is_event), weight)
    n = np.bincount(place, minlength=bins)
    there = n > 0
    gap = np.abs(observed - expected)[there]
    edges = np.linspace(0, 1, bins + 1)
    columns = {
        "low": edges[:-1][there],
        "high": edges[1:][there],
        "n": n[there],
        "mean_probability": expected[there],
        "observed": observed[there],
    }
    # Naeini, Cooper and Hauskrecht (2015): the mean gap, each bin weighing as its rows.
    summary = {"calibration_error": float(mean_of(gap, weight[there]))}
    return Curve(name=data.levels[code], n=int(is_event.sum()), summary=summary, columns=columns)


def _thinned(curve: Curve, kind: CurveKind, points: int) -> Curve:
    x, y = (np.asarray(curve.columns[name], dtype=np.float64) for name in AXES[kind])
    if len(x) <= points:
        return curve
    steps = np.abs(np.diff(x)) / _range(x) + np.abs(np.diff(y)) / _range(y)
    along = np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))])
    if not along[-1] > 0:
        along = np.arange(len(x), dtype=np.float64)
    places = np.searchsorted(along, np.linspace(0, along[-1], points))
    kept = np.unique(np.concatenate([[0], places[1:-1], [len(x) - 1]]))
    columns = {name: column[kept] for name, column in curve.columns.items()}
    return Curve(name=curve.name, n=curve.n, summary=curve.summary, columns=columns)


def _range(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    spread = float(finite.max() - finite.min()) if len(finite) else 0.0
    return spread or 1.0
