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
    "pr_auc",
    "average_precision",
    "gain_capture",
    "mn_log_loss",
    "brier_class",
)
REGRESSION_METRICS = (
    "rmse",
    "mae",
    "rsq",
    "rsq_trad",
    "mape",
    "smape",
    "ccc",
    "huber_loss",
    "msd",
    "mase",
)

# How a metric of one class against the rest becomes one of several classes: the mean of the
# classes' values, the same weighted by the classes' rows, or one value of all counts added up.
Estimator = Literal["macro", "macro_weighted", "micro"]
# Which of two levels is the event.
EventLevel = Literal["first", "second"]
# Their curves are each class's own: there are no counts to add up.
WITHOUT_MICRO: Final = frozenset(("roc_auc", "pr_auc", "average_precision", "gain_capture"))

DEFAULT_CLASSIFICATION_METRICS = ("roc_auc", "accuracy", "brier_class")
DEFAULT_REGRESSION_METRICS = ("rmse", "rsq")

_MINIMIZED: Final = frozenset(
    ("mn_log_loss", "brier_class", "rmse", "mae", "mape", "smape", "huber_loss", "mase")
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
