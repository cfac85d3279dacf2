"""Scoring predictions: the named metrics of some rows, with what must be known of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from service.domain.errors import InvalidData
from service.domain.evaluations import ScoreWarning
from service.domain.fit import Mode
from service.domain.metric_names import Estimator, EventLevel
from service.engine.metrics.outcome import Classified, Floats, Measured, Remark, Score
from service.engine.metrics.registry import (
    CLASS_METRICS,
    NUMBER_METRICS,
    metric_names,
    refuse_estimator,
)

NOT_FINITE = "estimate_not_finite"
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The values by name, None where undefined, and why."""

    values: dict[str, float | None]
    warnings: tuple[ScoreWarning, ...] = ()

    @property
    def undefined(self) -> str | None:
        """Which scores are undefined and why, in words; None when all are numbers."""
        lacking = [name for name, value in self.values.items() if value is None]
        reasons: dict[str, list[str]] = {}
        for name in lacking:
            for warning in self.warnings:
                # What concerns every score makes one undefined only where no estimate was finite.
                everywhere = warning.metric is None and warning.code == NOT_FINITE
                if warning.metric == name or everywhere:
                    reasons.setdefault(_told(warning), []).append(name)
        told = [
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} undefined: {reason}"
            for reason, names in reasons.items()
        ]
        return " ".join(told) or None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Truth and estimate of the rows that have a truth, checked and of one shape.

    `truth` is (rows, 1) codes for classification and (rows, outcomes) numbers for regression;
    `estimate` (rows, levels or outcomes); all float64.
    """

    truth: Floats
    estimate: Floats
    weights: Floats | None
    n_without_truth: int
    estimator: Estimator | None = None
    event_level: EventLevel = "first"

    @property
    def is_finite(self) -> bool:
        """Whether every estimate is a finite number."""
        return bool(np.isfinite(self.estimate).all())

    def classified(self, levels: Sequence[str], counts: Floats | None = None) -> Classified:
        """Return the rows as a class metric takes them, or resamples with so many of each row."""
        return Classified(
            truth=self.truth[:, 0].astype(np.int64),
            prob=self.estimate,
            levels=tuple(levels),
            weights=self.weights,
            estimator=self.estimator,
            event_level=self.event_level,
            counts=counts,
        )

    def measured(self, counts: Floats | None = None) -> tuple[Measured, ...]:
        """Return the rows as a metric of numbers takes them, one value for each outcome."""
        return tuple(
            Measured(truth=truth, estimate=estimate, weights=self.weights, counts=counts)
            for truth, estimate in zip(self.truth.T, self.estimate.T, strict=True)
        )


def score(
    names: Sequence[str] | None,
    truth: ArrayLike,
    estimate: ArrayLike,
    levels: Sequence[str] | None,
    mode: Mode,
    weights: ArrayLike | None = None,
    *,
    estimator: Estimator | None = None,
    event_level: EventLevel = "first",
) -> dict[str, float | None]:
    """Return the values of metrics; see `scores`, which also returns warnings."""
    found = scores(
        names, truth, estimate, levels, mode, weights, estimator=estimator, event_level=event_level
    )
    return found.values


def scores(
    names: Sequence[str] | None,
    truth: ArrayLike,
    estimate: ArrayLike,
    levels: Sequence[str] | None,
    mode: Mode,
    weights: ArrayLike | None = None,
    *,
    estimator: Estimator | None = None,
    event_level: EventLevel = "first",
) -> Scores:
    """Return the values of metrics as yardstick 1.1.0 computes them, and warnings.

    Rows without a truth are left out with a warning. Where an estimate is missing or infinite every
    score is None: the model failed there, and dropping the row would praise it. Of several outcomes
    each score is the mean over the outcomes.

    Args:
        names: metric names; None means the mode's defaults.
        truth: codes of `levels`, (rows,), -1 where missing; or numbers, (rows,) or
            (rows, outcomes), NaN where missing.
        estimate: class probabilities, (rows, levels); or numbers of truth's shape.
        levels: the classes in order, the first of two being the event; None for regression.
        mode: "classification" or "regression".
        weights: case weights, (rows,), not negative; None for equal ones.
        estimator: how a score of a class becomes one of several; None is the event's score of two
            levels, "macro" of more, and Hand and Till's for `roc_auc` without weights.
        event_level: which of two levels is the event.

    Raises:
        InvalidSpec: a name that no metric of the mode has, or an estimator that one has not.
        InvalidData: shapes that do not fit, a code beyond the levels, or a negative weight.
    """
    chosen = metric_names(names, mode, "metrics")
    refuse_estimator(chosen, mode, estimator, event_level)
    rows = judged(truth, estimate, levels, mode, weights, estimator, event_level)
    return scores_of(rows, chosen, levels, mode)


def scores_of(
    rows: Judged, chosen: Sequence[str], levels: Sequence[str] | None, mode: Mode
) -> Scores:
    """Return the values of known metrics of rows that were checked; see `scores`."""
    warnings = []
    if rows.n_without_truth:
        warnings.append(
            ScoreWarning(
                metric=None,
                code="missing_truth",
                message=f"{rows.n_without_truth} rows without a truth are left out.",
            )
        )
    if not rows.is_finite:
        warnings.append(
            ScoreWarning(
                metric=None,
                code=NOT_FINITE,
                message="Some estimates are missing or infinite: no score is defined.",
            )
        )
        return Scores(values=dict.fromkeys(chosen), warnings=tuple(warnings))
    values: dict[str, float | None] = {}
    for name, found in computed(chosen, rows, levels, mode).items():
        value = float(found.value)
        values[name] = value if math.isfinite(value) else None
        remarks = found.remarks
        if values[name] is None and not remarks:
            remarks = (Remark("undefined", "The score is undefined or infinite on these rows."),)
        warnings += [
            ScoreWarning(
                metric=name, code=remark.code, levels=remark.levels, message=remark.message
            )
            for remark in remarks
        ]
    return Scores(values=values, warnings=tuple(warnings))


def judged(
    truth: ArrayLike,
    estimate: ArrayLike,
    levels: Sequence[str] | None,
    mode: Mode,
    weights: ArrayLike | None = None,
    estimator: Estimator | None = None,
    event_level: EventLevel = "first",
) -> Judged:
    """Return the rows that have a truth, in one shape; see `scores` for the arguments.

    Raises:
        InvalidData: shapes that do not fit, a code beyond the levels, or a negative weight.
    """
    true = _columns(truth)
    found = _columns(estimate)
    n = len(true)
    if mode == "classification":
        n_levels = len(levels or ())
        _require(found.shape == (n, n_levels), f"probabilities ({n}, {n_levels})", found)
        _require(true.shape == (n, 1), f"codes ({n},)", true)
        _require(bool((true < n_levels).all()), f"codes below {n_levels}", true)
        kept = true[:, 0] >= 0
    else:
        _require(found.shape == true.shape, f"numbers {true.shape}", found)
        kept = np.logical_and.reduce(np.isfinite(true), axis=1)
    weigh = None if weights is None else np.asarray(weights, dtype=np.float64)
    if weigh is not None:
        _require(weigh.shape == (n,), f"weights ({n},)", weigh)
        _require(bool((weigh >= 0).all()), "weights of at least 0", weigh)
    missing = n - int(kept.sum())
    if missing:
        true, found = true[kept], found[kept]
        weigh = None if weigh is None else weigh[kept]
    return Judged(
        truth=true,
        estimate=found,
        weights=weigh,
        n_without_truth=missing,
        estimator=estimator,
        event_level=event_level,
    )


def computed(
    names: Sequence[str],
    rows: Judged,
    levels: Sequence[str] | None,
    mode: Mode,
    counts: Floats | None = None,
) -> dict[str, Score]:
    """Return each metric's value, or its values in the resamples that `counts` describe."""
    # A division by zero or an overflow makes an undefined score, and is said as that.
    with np.errstate(all="ignore"):
        if mode == "classification":
            data = rows.classified(levels or (), counts)
            return {name: CLASS_METRICS[name](data) for name in names}
        outcomes = rows.measured(counts)
        return {
            name: _averaged([NUMBER_METRICS[name](data) for data in outcomes]) for name in names
        }


def _columns(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def _averaged(found: Sequence[Score]) -> Score:
    remarks = dict.fromkeys(remark for score in found for remark in score.remarks)
    return Score(np.mean(np.stack([score.value for score in found]), axis=0), tuple(remarks))


def _require(holds: bool, expected: str, received: Floats) -> None:
    if not holds:
        raise InvalidData(
            f"Expected {expected} in what is scored. Received an array of shape {received.shape}."
        )


def _told(warning: ScoreWarning) -> str:
    if not warning.levels:
        return warning.message
    shown = ", ".join(f"'{level[:64]}'" for level in warning.levels[:_SHOWN])
    more = len(warning.levels) - _SHOWN
    return f"{warning.message} Classes: {shown}{f' and {more} more' if more > 0 else ''}."
