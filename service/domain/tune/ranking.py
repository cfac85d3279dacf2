"""Which candidate is best: estimates over resamples, in tune's order and with its errors."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from service.domain.errors import InvalidSpec
from service.domain.metric_names import Direction, direction_of
from service.domain.names import did_you_mean
from service.domain.schema import Value
from service.domain.tune.grid import Cell


class Score(Value):
    """What one metric of one fit is: a trial in a resample, both 1-based.

    `estimate` is None where the metric is not defined, such as the area under a curve of one class.
    """

    trial: int
    fold: int
    metric: str
    estimate: float | None


class Trial(Value):
    """A candidate as it stands: `pruned_at` is the epoch at which a race stopped it."""

    trial: int
    config: str
    values: dict[str, Cell]
    pruned_at: int | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A candidate's mean over resamples; `std_err` is None of fewer than two."""

    trial: Trial
    metric: str
    mean: float | None
    n: int
    std_err: float | None

    def as_row(self) -> dict[str, Any]:
        """Return the flat JSON form; `pruned_at` and `note` only where there is one."""
        row: dict[str, Any] = {
            "trial": self.trial.trial,
            "config": self.trial.config,
            **self.trial.values,
            "metric": self.metric,
            "mean": self.mean,
            "n": self.n,
            "std_err": self.std_err,
        }
        if self.trial.pruned_at is not None:
            row["pruned_at"] = self.trial.pruned_at
        if self.trial.note is not None:
            row["note"] = self.trial.note
        return row


def ranked(scores: Iterable[Score], trials: Sequence[Trial], metric: str) -> tuple[Ranked, ...]:
    """Return every trial, best first.

    First those that were judged on the most resamples, by their mean; then those that some
    resamples lack, whose mean may be flattered by what failed; then those that a race stopped, the
    last stopped first; then those without an estimate. Equal ones by their number.

    Formula: std_err = sd(estimates) / sqrt(n), sd with n - 1, as tune::collect_metrics().

    Raises:
        InvalidSpec: no trial was scored by `metric`, but some by another.
    """
    found: dict[int, list[float]] = {}
    names = set()
    for score in scores:
        names.add(score.metric)
        estimates = found.setdefault(score.trial, [])
        if score.metric == metric and score.estimate is not None:
            estimates.append(score.estimate)
    if names and metric not in names:
        raise InvalidSpec(
            f"Expected one of this tune's metrics: {', '.join(sorted(names))}. Received "
            f"'{metric[:64]}'.{did_you_mean(metric, names)}"
        )
    rows = [summary(trial, metric, found.get(trial.trial, [])) for trial in trials]
    direction = direction_of(metric)
    most = most_resamples(rows)
    return tuple(sorted(rows, key=lambda row: _order(row, direction, most)))


def most_resamples(rows: Iterable[Ranked]) -> int:
    """Return on how many resamples a trial that no race stopped was judged at most."""
    return max((row.n for row in rows if row.trial.pruned_at is None), default=0)


def show_best(
    scores: Iterable[Score], trials: Sequence[Trial], metric: str, n: int = 5
) -> tuple[Ranked, ...]:
    """Return the first `n` of `ranked` that have an estimate, as tune::show_best()."""
    return tuple(row for row in ranked(scores, trials, metric) if row.mean is not None)[:n]


def badness(mean: float, direction: Direction) -> float:
    """Return what orders means: the lower, the better."""
    match direction:
        case "maximize":
            return -mean
        case "minimize":
            return mean
        case "zero":
            return abs(mean)


def leader_of(rows: Collection[Ranked]) -> Ranked | None:
    """Return the first of `ranked`'s order, of rows of one metric in any order; None without any.

    Rows without an estimate do not lead.
    """
    judged = [row for row in rows if row.mean is not None]
    if not judged:
        return None
    direction, most = direction_of(judged[0].metric), most_resamples(judged)
    return min(judged, key=lambda row: _order(row, direction, most))


def summary(trial: Trial, metric: str, estimates: Sequence[float]) -> Ranked:
    """Return a candidate with the mean of its resamples' estimates; see `ranked`."""
    n = len(estimates)
    mean = math.fsum(estimates) / n if n else None
    std_err = None
    if mean is not None and n > 1:
        squares = math.fsum((each - mean) ** 2 for each in estimates)
        std_err = math.sqrt(squares / (n - 1)) / math.sqrt(n)
    return Ranked(trial=trial, metric=metric, mean=mean, n=n, std_err=std_err)


def _order(
    row: Ranked, direction: Direction, most: int
) -> tuple[bool, bool, int, bool, float, int]:
    if row.mean is None:
        return (True, False, 0, False, 0.0, row.trial.trial)
    stopped = row.trial.pruned_at
    return (
        False,
        stopped is not None,
        -(stopped or 0),
        row.n < most,
        badness(row.mean, direction),
        row.trial.trial,
    )
