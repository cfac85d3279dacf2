"""The metrics by name and mode, with yardstick's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import Mode
from service.domain.metric_names import (
    WITHOUT_MICRO,
    Estimator,
    EventLevel,
    default_metrics,
)
from service.domain.names import did_you_mean
from service.engine.metrics import classes, numbers, probabilities
from service.engine.metrics.outcome import ClassMetric, NumberMetric

CLASS_METRICS: Mapping[str, ClassMetric] = MappingProxyType(
    {
        "accuracy": classes.accuracy,
        "kap": classes.kap,
        "mcc": classes.mcc,
        "bal_accuracy": classes.bal_accuracy,
        "precision": classes.precision,
        "recall": classes.sens,
        "sens": classes.sens,
        "f_meas": classes.f_meas,
        "spec": classes.spec,
        "ppv": classes.ppv,
        "npv": classes.npv,
        "j_index": classes.j_index,
        "detection_prevalence": classes.detection_prevalence,
        "roc_auc": probabilities.roc_auc,
        "pr_auc": probabilities.pr_auc,
        "average_precision": probabilities.average_precision,
        "gain_capture": probabilities.gain_capture,
        "mn_log_loss": probabilities.mn_log_loss,
        "brier_class": probabilities.brier_class,
    }
)
NUMBER_METRICS: Mapping[str, NumberMetric] = MappingProxyType(
    {
        "rmse": numbers.rmse,
        "mae": numbers.mae,
        "rsq": numbers.rsq,
        "rsq_trad": numbers.rsq_trad,
        "mape": numbers.mape,
        "smape": numbers.smape,
        "ccc": numbers.ccc,
        "huber_loss": numbers.huber_loss,
        "msd": numbers.msd,
        "mase": numbers.mase,
    }
)
METRICS: Mapping[Mode, Mapping[str, ClassMetric] | Mapping[str, NumberMetric]] = MappingProxyType(
    {"classification": CLASS_METRICS, "regression": NUMBER_METRICS}
)


def metric_names(names: Sequence[str] | None, mode: Mode, *loc: str | int) -> tuple[str, ...]:
    """Return the metrics to compute, each once: those asked for, or the mode's defaults.

    Args:
        names: metric names, or None for the defaults.
        mode: what the model does.
        loc: where the names stand in the request, for the error.

    Raises:
        InvalidSpec: a name that no metric has (the message names the nearest one), or that of a
            metric of the other mode.
    """
    if names is None:
        return default_metrics(mode)
    errors = []
    for place, name in enumerate(names):
        if name in METRICS[mode]:
            continue
        other: Mode = "regression" if mode == "classification" else "classification"
        found = f", a metric of {other}" if name in METRICS[other] else ""
        detail = (
            f"Expected metrics of {mode}: {', '.join(METRICS[mode])}. "
            f"Received '{name}'{found}.{did_you_mean(name, METRICS[mode])}"
        )
        errors.append(FieldError(loc=(*loc, place), msg=detail, received=name))
    if errors:
        raise InvalidSpec(errors[0].msg, errors=errors)
    return tuple(dict.fromkeys(names))


def refuse_estimator(
    chosen: Sequence[str],
    mode: Mode,
    estimator: Estimator | None,
    event_level: EventLevel = "first",
    *loc: str | int,
) -> None:
    """Raise where metrics cannot be averaged, or have no event, as is asked for.

    Raises:
        InvalidSpec: an estimator or an event level with regression, or "micro" with a metric of
            curves.
    """
    if mode == "regression":
        for name, value in (("estimator", estimator), ("event_level", event_level)):
            if value not in (None, "first"):
                raise _refused(
                    f"Expected no {name} for regression, which has no classes. Received '{value}'.",
                    (*loc, name),
                )
    if estimator == "micro" and (curves := [name for name in chosen if name in WITHOUT_MICRO]):
        raise _refused(
            f"Expected 'macro' or 'macro_weighted' for {', '.join(curves)}, which are areas under "
            "curves and have no counts to add up. Received 'micro'. Name other metrics.",
            (*loc, "estimator"),
        )


def _refused(msg: str, loc: tuple[str | int, ...]) -> InvalidSpec:
    return InvalidSpec(msg, errors=[FieldError(loc=loc, msg=msg)])
