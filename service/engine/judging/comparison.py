"""Two models on the same rows: each score, the difference, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from service.domain.evaluations import Bootstrap
from service.domain.fit import Mode
from service.domain.metric_names import Direction, direction_of
from service.engine.metrics.outcome import Floats
from service.engine.metrics.resampling import interval, replicates
from service.engine.metrics.scoring import Judged, scores_of


def differences(
    names: Sequence[str],
    first: Judged,
    second: Judged,
    levels: Sequence[str] | None,
    mode: Mode,
    bootstrap: Bootstrap,
) -> list[dict[str, Any]]:
    """Return, for each metric, both scores and the first's less the second's with its interval.

    Paired bootstrap: both models are scored on the same resamples of the same rows. `better` is
    "model" or "with" where the interval of the difference leaves out 0, else None. What is
    undefined is None.

    Args:
        names: metrics of the mode.
        first: the answers of the model that is asked about.
        second: those of the model it is compared with, to the same rows.
        levels: the classes in order, or None.
        mode: what both do.
        bootstrap: how many resamples, with a seed.
    """
    ours = scores_of(first, names, levels, mode).values
    theirs = scores_of(second, names, levels, mode).values
    resampled, others = replicates(names, [first, second], levels, mode, bootstrap)
    rows = []
    for name in names:
        mine, other = ours[name], theirs[name]
        gap = None if mine is None or other is None else mine - other
        found = interval(resampled[name] - others[name], bootstrap.level)
        farther = _distance(resampled[name], name) - _distance(others[name], name)
        judged_better = interval(-farther, bootstrap.level)
        rows.append(
            {
                "metric": name,
                "direction": direction_of(name),
                "model": mine,
                "with": other,
                "difference": gap,
                "low": None if found is None else found.low,
                "high": None if found is None else found.high,
                "std_err": None if found is None else found.std_err,
                "times": 0 if found is None else found.times,
                "better": None if judged_better is None else _better(judged_better),
            }
        )
    return rows


def agreement(first: Judged, second: Judged, mode: Mode) -> dict[str, int] | None:
    """Return how many rows both models, one of them, or none predicts rightly; None for numbers."""
    if mode == "regression" or not (first.is_finite and second.is_finite):
        return None
    truth = first.truth[:, 0]
    ours = first.estimate.argmax(axis=1) == truth
    theirs = second.estimate.argmax(axis=1) == truth
    return {
        "both_right": int((ours & theirs).sum()),
        "only_model_right": int((ours & ~theirs).sum()),
        "only_with_right": int((~ours & theirs).sum()),
        "both_wrong": int((~ours & ~theirs).sum()),
    }


def worse_by(name: str, score: float, than: float) -> float:
    """Return how much worse `score` is than another score of the same metric."""
    return float(_distance(np.array(score), name) - _distance(np.array(than), name))


def _distance(scores: Floats, name: str) -> Floats:
    """Return how far scores are from the best, but for a constant."""
    direction: Direction = direction_of(name)
    if direction == "zero":
        return np.abs(scores)
    return -scores if direction == "maximize" else scores


def _better(found: Any) -> str | None:
    if found.low > 0:
        return "model"
    return "with" if found.high < 0 and not math.isnan(found.high) else None
