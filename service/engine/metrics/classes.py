"""Metrics of predicted classes, as yardstick 1.1.0 defines them: all from the confusion table.

Of two classes the first is the event; of more, scores are averaged over the classes with equal
weight ("macro"), but for `accuracy`, `kap` and `mcc`, which need no average. Where a class's part
of the average is undefined, yardstick leaves the class out of `precision`, `recall`, `sens`,
`spec`, `f_meas` and `j_index`, with a warning, while `bal_accuracy`, `ppv` and `npv` become NA: so
they do here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from service.engine.metrics.outcome import Classified, Floats, Remark, Score


class Rates(NamedTuple):
    """Each class against the rest, float64 (levels,); NaN where the denominator is 0."""

    precision: Floats
    sens: Floats
    spec: Floats
    f_meas: Floats
    prevalence: Floats


def rates(table: Floats) -> Rates:
    """Return one-against-rest rates of a confusion table with predictions in rows.

    `precision = tp/(tp+fp)`, `sens = recall = tp/(tp+fn)`, `spec = tn/(tn+fp)`,
    `f_meas = 2*precision*recall/(precision+recall)`, 0 where both are 0.
    """
    hit = np.diag(table)
    predicted, true, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    false = predicted - hit
    # Added up and not subtracted from the total, so that 0 is exactly 0 with weights, too.
    others = _sum_of_others(true)
    precision, sens = _ratio(hit, predicted), _ratio(hit, true)
    spec = _ratio(others - false, others)
    f_meas = _ratio(2 * precision * sens, precision + sens)
    f_meas = np.where((precision == 0) & (sens == 0), 0.0, f_meas)
    return Rates(precision, sens, spec, f_meas, _ratio(true, np.full_like(true, total)))


def accuracy(data: Classified) -> Score:
    """Share of rows whose prediction is right: `trace(table) / sum(table)`."""
    return Score(_divided(float(np.trace(data.table)), float(data.table.sum())))


def kap(data: Classified) -> Score:
    """Cohen's kappa: `1 - disagreement / disagreement by chance` (Cohen 1960), any classes."""
    table = data.table
    total = table.sum()
    apart = 1 - np.eye(len(table))
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / (total or math.nan)
    return Score(1 - _divided(float((apart * table).sum()), float((apart * chance).sum())))


def mcc(data: Classified) -> Score:
    """Matthews's correlation for any number of classes (Jurman et al. 2012, R_K).

    `(c*s - sum p_k t_k) / sqrt((s^2 - sum p_k^2)(s^2 - sum t_k^2))` with c right rows of s, p_k
    predicted and t_k true rows of class k. Undefined when all rows are of one predicted or true
    class.
    """
    table = data.table
    predicted, true = table.sum(axis=1), table.sum(axis=0)
    top = np.trace(table) * table.sum() - (predicted * true).sum()
    spread = math.sqrt(float((predicted * _sum_of_others(predicted)).sum()))
    spread *= math.sqrt(float((true * _sum_of_others(true)).sum()))
    return Score(_divided(float(top), spread))


def precision(data: Classified) -> Score:
    """Share of a class's predictions that are right; a class never predicted is left out."""
    return _averaged(data, rates(data.table).precision, "precision")


def sens(data: Classified) -> Score:
    """Share of a class's rows that are predicted as it; a class without rows is left out."""
    return _averaged(data, rates(data.table).sens, "sensitivity")


def spec(data: Classified) -> Score:
    """Share of the other classes' rows that are not predicted as this one."""
    return _averaged(data, rates(data.table).spec, "specificity")


def f_meas(data: Classified) -> Score:
    """Harmonic mean of precision and recall, class by class; 0 where both are 0."""
    return _averaged(data, rates(data.table).f_meas, "F measure")


def j_index(data: Classified) -> Score:
    """Youden's J: `sens + spec - 1`."""
    found = rates(data.table)
    return _averaged(data, found.sens + found.spec - 1, "sensitivity or specificity")


def bal_accuracy(data: Classified) -> Score:
    """Mean of sensitivity and specificity; undefined as a whole where a class's is."""
    found = rates(data.table)
    return _whole(data, (found.sens + found.spec) / 2, "sensitivity or specificity")


def ppv(data: Classified) -> Score:
    """Positive predictive value from sensitivity, specificity and the true rows' prevalence.

    `sens*prev / (sens*prev + (1-spec)*(1-prev))` (Altman and Bland 1994); undefined as a whole
    where a class's is.
    """
    found = rates(data.table)
    right = found.sens * found.prevalence
    value = _ratio(right, right + (1 - found.spec) * (1 - found.prevalence))
    return _whole(data, value, "positive predictive value")


def npv(data: Classified) -> Score:
    """Negative predictive value from sensitivity, specificity and the true rows' prevalence.

    `spec*(1-prev) / ((1-sens)*prev + spec*(1-prev))`; undefined as a whole where a class's is.
    """
    found = rates(data.table)
    right = found.spec * (1 - found.prevalence)
    value = _ratio(right, (1 - found.sens) * found.prevalence + right)
    return _whole(data, value, "negative predictive value")


def detection_prevalence(data: Classified) -> Score:
    """Share of rows that are predicted as the event; averaged over k > 2 classes it is 1/k."""
    predicted = data.table.sum(axis=1)
    share = _ratio(predicted, np.full_like(predicted, predicted.sum()))
    return Score(float(share[0]) if data.is_binary else float(share.mean()))


def _averaged(data: Classified, values: Floats, what: str) -> Score:
    if data.is_binary:
        return _event(data, values, what)
    defined = np.isfinite(values)
    if defined.all():
        return Score(float(values.mean()))
    left_out = _levels(data, ~defined)
    value = float(values[defined].mean()) if defined.any() else math.nan
    message = f"The {what} of some classes is undefined: they are left out of the average."
    return Score(value, (Remark("undefined_classes", message, left_out),))


def _whole(data: Classified, values: Floats, what: str) -> Score:
    if data.is_binary:
        return _event(data, values, what)
    defined = np.isfinite(values)
    if defined.all():
        return Score(float(values.mean()))
    message = f"The {what} of some classes is undefined, and so is the average."
    return Score(math.nan, (Remark("undefined", message, _levels(data, ~defined)),))


def _event(data: Classified, values: Floats, what: str) -> Score:
    value = float(values[0])
    if math.isfinite(value):
        return Score(value)
    message = f"The {what} is undefined: its denominator is 0."
    return Score(math.nan, (Remark("undefined", message, data.levels[:1]),))


def _levels(
    data: Classified, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[str, ...]:
    return tuple(level for level, is_chosen in zip(data.levels, chosen, strict=True) if is_chosen)


def _sum_of_others(counts: Floats) -> Floats:
    return np.array([np.delete(counts, place).sum() for place in range(len(counts))])


def _ratio(top: Floats, bottom: Floats) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
    return ratio


def _divided(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.nan
