"""The rows that a model is most wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.engine.metrics.scoring import Judged


def worst_classified(rows: Judged, levels: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Return the rows with the smallest probability of their true class, the worst first.

    `loss` is `-log(p)`, infinite where p is 0. Of rows with equal losses the first ones.
    """
    truth = rows.truth[:, 0].astype(np.int64)
    p = rows.estimate[np.arange(len(truth)), truth]
    predicted = rows.estimate.argmax(axis=1)
    with np.errstate(divide="ignore"):
        loss = -np.log(p)
    return [
        {
            "row": row + 1,
            "truth": levels[truth[row]],
            "estimate": levels[predicted[row]],
            "truth_probability": float(p[row]),
            "estimate_probability": float(rows.estimate[row, predicted[row]]),
            "loss": float(loss[row]),
        }
        for row in np.argsort(p, kind="stable")[:count].tolist()
    ]


def worst_measured(rows: Judged, outcome: int, count: int) -> list[dict[str, Any]]:
    """Return the rows with the largest `|truth - estimate|` of an outcome, the worst first."""
    truth, estimate = rows.truth[:, outcome], rows.estimate[:, outcome]
    error = truth - estimate
    return [
        {
            "row": row + 1,
            "truth": float(truth[row]),
            "estimate": float(estimate[row]),
            "residual": float(error[row]),
        }
        for row in np.argsort(-np.abs(error), kind="stable")[:count].tolist()
    ]
