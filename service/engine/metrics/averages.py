"""From each class against the rest to one number: yardstick's estimators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.engine.metrics.outcome import Classified, Floats, Remark, Score, ratio

Marks = NDArray[np.bool_]


def left_out(data: Classified, values: Floats, what: str) -> Score:
    """Return the event's value or the average over the classes in which it is defined.

    `values` is (..., levels), or (..., 1) of counts that were added up. What yardstick does with
    `na.rm = TRUE`: an undefined class is left out, with a warning.
    """
    if data.is_binary or data.estimator == "micro":
        return _alone(data, values, what)
    defined = np.isfinite(values)
    shares = np.where(defined, _shares(data, values), 0.0)
    value = ratio((np.where(defined, values, 0.0) * shares).sum(axis=-1), shares.sum(axis=-1))
    undefined = _levels(data, ~defined)
    if not undefined:
        return Score(value)
    message = f"The {what} of some classes is undefined: they are left out of the average."
    return Score(value, (Remark("undefined_classes", message, undefined),))


def whole(data: Classified, values: Floats, what: str) -> Score:
    """Return the event's value or the average over all classes: undefined where a class's is.

    A class without rows weighs nothing in the weighted average, and does no harm there.
    """
    if data.is_binary or data.estimator == "micro":
        return _alone(data, values, what)
    shares = _shares(data, values)
    counted = shares > 0
    terms = np.where(counted, values, 0.0) * shares
    value = ratio(terms.sum(axis=-1), shares.sum(axis=-1))
    undefined = _levels(data, ~np.isfinite(values) & counted)
    if not undefined:
        return Score(value)
    message = f"The {what} of some classes is undefined, and so is the average."
    return Score(value, (Remark("undefined", message, undefined),))


def _alone(data: Classified, values: Floats, what: str) -> Score:
    place = data.event if data.is_binary else 0
    value = values[..., place]
    if np.isfinite(value).all():
        return Score(value)
    message = f"The {what} is undefined: its denominator is 0."
    levels = (data.levels[place],) if data.is_binary else ()
    return Score(value, (Remark("undefined", message, levels),))


def _shares(data: Classified, values: Floats) -> Floats:
    """Return what each class weighs in the average, of the shape of `values`."""
    if data.estimator != "macro_weighted":
        return np.ones(values.shape)
    return np.broadcast_to(data.table.sum(axis=-2), values.shape)


def _levels(data: Classified, chosen: Marks) -> tuple[str, ...]:
    """Return the levels that are marked, in a resample if there are several."""
    found = chosen.reshape(-1, len(data.levels)).any(axis=0)
    return tuple(data.levels[code] for code in np.flatnonzero(found))
