"""What a fitted model can be scored by, with yardstick's names."""

from __future__ import annotations

from typing import Final, Literal

from service.domain.fit import Mode

Direction = Literal["maximize", "minimize", "zero"]

CLASSIFICATION_METRICS = (
    "accuracy",
    "kap",
    "mcc",
    "bal_accuracy",
    "precision",
    "recall",
    "sens",
    "f_meas",
    "spec",
    "ppv",
    "npv",
    "j_index",
    "detection_prevalence",
    "roc_auc",
    "mn_log_loss",
    "brier_class",
)
REGRESSION_METRICS = ("rmse", "mae", "rsq", "mape", "smape", "ccc", "huber_loss", "msd")

DEFAULT_CLASSIFICATION_METRICS = ("roc_auc", "accuracy", "brier_class")
DEFAULT_REGRESSION_METRICS = ("rmse", "rsq")

_MINIMIZED: Final = frozenset(
    ("mn_log_loss", "brier_class", "rmse", "mae", "mape", "smape", "huber_loss")
)


def direction_of(metric: str) -> Direction:
    """Return which values of a metric are good ones, as yardstick declares it."""
    if metric == "msd":
        return "zero"
    return "minimize" if metric in _MINIMIZED else "maximize"


def metrics_of(mode: Mode) -> tuple[str, ...]:
    """Return the names of the metrics that a mode knows."""
    return CLASSIFICATION_METRICS if mode == "classification" else REGRESSION_METRICS


def default_metrics(mode: Mode) -> tuple[str, ...]:
    """Return the metrics that are computed when none are named."""
    if mode == "classification":
        return DEFAULT_CLASSIFICATION_METRICS
    return DEFAULT_REGRESSION_METRICS
