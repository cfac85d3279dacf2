"""An evaluation: scores, what a model without predictors scores, and the confusion of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from service.domain.evaluations import (
    Baseline,
    Bootstrap,
    ClassScore,
    Confusion,
    ConstantPrediction,
    Evaluation,
    ScoreWarning,
)
from service.domain.fit import Mode
from service.domain.metric_names import Estimator, EventLevel
from service.engine.metrics.classes import rates
from service.engine.metrics.outcome import Classified, mean, tabulate
from service.engine.metrics.registry import metric_names, refuse_estimator
from service.engine.metrics.resampling import intervals
from service.engine.metrics.scoring import Judged, judged, scores_of

# Levels of a confusion that is told: a million counts.
MAX_CONFUSED = 1000
_NO_CONFUSION = ScoreWarning(
    metric=None,
    code="no_confusion",
    message=f"There are more than {MAX_CONFUSED:,} classes: their confusion is left out.",
)
_NO_BASELINE = ScoreWarning(
    metric=None,
    code="no_baseline",
    message="This model was trained before what its training rows say without predictors was kept "
    "with it: train it again for a baseline.",
)


def majority_or_mean(
    truth: ArrayLike, mode: Mode, weights: ArrayLike | None = None
) -> ConstantPrediction:
    """Return what a model without predictors learns from the training rows.

    Args:
        truth: the training rows' codes, (rows,), -1 where missing; or their numbers, (rows,) or
            (rows, outcomes), NaN where missing.
        mode: "classification": the most common class, the first of several; "regression": means.
        weights: case weights, (rows,); None for equal ones.
    """
    weigh = None if weights is None else np.asarray(weights, dtype=np.float64)
    if mode == "classification":
        codes = np.asarray(truth, dtype=np.int64)
        kept = codes >= 0
        counts = np.bincount(codes[kept], weights=None if weigh is None else weigh[kept])
        return ConstantPrediction(kind="majority", values=(float(counts.argmax()),))
    numbers = np.asarray(truth, dtype=np.float64)
    numbers = numbers.reshape(len(numbers), -1)
    means = []
    for column in numbers.T:
        kept = np.isfinite(column)
        means.append(mean(column[kept], None if weigh is None else weigh[kept]))
    return ConstantPrediction(kind="mean", values=tuple(means))


def evaluate(
    *,
    id: str,
    dataset: str,
    dataset_sha256: str,
    names: Sequence[str] | None,
    truth: ArrayLike,
    estimate: ArrayLike,
    levels: Sequence[str] | None,
    mode: Mode,
    constant: ConstantPrediction | None,
    weights: ArrayLike | None = None,
    estimator: Estimator | None = None,
    event_level: EventLevel | None = None,
    bootstrap: Bootstrap | None = None,
) -> Evaluation:
    """Return the evaluation of predictions on one dataset.

    The baseline's metric is accuracy for classification and rmse for regression (the mean over
    several outcomes). `n` counts the rows that have a truth. Confusion counts are rows, whatever
    they weigh, of at most `MAX_CONFUSED` classes; the scores by class are weighted. With an
    estimate that is missing or infinite there is no confusion and no score.

    Args:
        id: the evaluation's id.
        dataset: the dataset's name.
        dataset_sha256: the hash of its content.
        names: metric names; None means the mode's defaults.
        truth: as in `scores`.
        estimate: as in `scores`.
        levels: the classes in order, or None.
        mode: "classification" or "regression".
        constant: what `majority_or_mean` gave on the rows that trained the model; None where
            nobody kept it, and then the baseline has no value.
        weights: case weights, (rows,); None for equal ones.
        estimator: as in `scores`.
        event_level: as in `scores`; None is "first".
        bootstrap: resamples for intervals, with a seed; None for no intervals.

    Raises:
        InvalidSpec: a name that no metric of the mode has, or an estimator that one has not.
        InvalidData: shapes that do not fit, a code beyond the levels, or a negative weight.
    """
    event = event_level or "first"
    chosen = metric_names(names, mode, "metrics")
    refuse_estimator(chosen, mode, estimator, event)
    rows = judged(truth, estimate, levels, mode, weights, estimator, event)
    found = scores_of(rows, chosen, levels, mode)
    shows_classes = mode == "classification" and rows.is_finite
    data = rows.classified(levels or ()) if shows_classes else None
    warnings = list(found.warnings)
    if constant is None:
        warnings.append(_NO_BASELINE)
    fits = data is not None and len(data.levels) <= MAX_CONFUSED
    if data is not None and not fits:
        warnings.append(_NO_CONFUSION)
    return Evaluation(
        id=id,
        dataset=dataset,
        dataset_sha256=dataset_sha256,
        n=len(rows.truth),
        metrics=found.values,
        baseline=_baseline(rows, mode, constant),
        confusion=confusion(data) if data is not None and fits else None,
        by_class=None if data is None else by_class(data),
        warnings=tuple(warnings),
        estimator=estimator,
        event_level=event_level,
        bootstrap=bootstrap,
        intervals=intervals(chosen, rows, levels, mode, bootstrap) if bootstrap else None,
    )


def confusion(data: Classified) -> Confusion:
    """Return how many rows of each true class (columns) were predicted as which class (rows)."""
    counts = tabulate(data.truth, data.predicted, len(data.levels), None).astype(np.int64)
    return Confusion(levels=data.levels, counts=tuple(tuple(row) for row in counts.tolist()))


def by_class(data: Classified) -> tuple[ClassScore, ...]:
    """Return each class against the rest; a score whose denominator is 0 is None."""
    found = rates(data.table)
    counts = np.bincount(data.truth, minlength=len(data.levels))
    return tuple(
        ClassScore(
            level=level,
            n=int(counts[code]),
            precision=_number(found.precision[code]),
            recall=_number(found.sens[code]),
            f_meas=_number(found.f_meas[code]),
        )
        for code, level in enumerate(data.levels)
    )


def _baseline(rows: Judged, mode: Mode, constant: ConstantPrediction | None) -> Baseline:
    if constant is None and mode == "classification":
        return Baseline(kind="majority", metric="accuracy", value=None)
    if constant is None:
        return Baseline(kind="mean", metric="rmse", value=None)
    if constant.kind == "majority":
        right = (rows.truth[:, 0] == constant.values[0]).astype(np.float64)
        value = mean(right, rows.weights)
        return Baseline(kind="majority", metric="accuracy", value=_number(value))
    with np.errstate(over="ignore"):
        roots = [
            math.sqrt(mean(np.square(column - value), rows.weights))
            for column, value in zip(rows.truth.T, constant.values, strict=True)
        ]
    return Baseline(kind="mean", metric="rmse", value=_number(float(np.mean(roots))))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
