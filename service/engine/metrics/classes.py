"""Metrics of predicted classes, as yardstick 1.1.0 defines them: all from the confusion table.

Of two classes one is the event, the first unless `event_level` says otherwise; of more, scores are
averaged over the classes with equal weight ("macro"), weighted by the classes' true rows
("macro_weighted"), or computed from the counts of all classes added up ("micro"). `accuracy`,
`kap` and `mcc` need no average. Where a class's part of the average is undefined, yardstick leaves
the class out of `precision`, `recall`, `sens`, `spec`, `f_meas` and `j_index`, with a warning,
while `bal_accuracy`, `ppv` and `npv` become NA: so they do here.

Tables are (..., levels, levels): a leading axis is of resamples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from service.engine.metrics.averages import left_out, whole
from service.engine.metrics.outcome import Classified, Floats, Score, ratio


class Rates(NamedTuple):
    """Each class against the rest, float64 (..., levels); NaN where the denominator is 0.

    Of counts that were added up, (..., 1).
    """

    precision: Floats
    sens: Floats
    spec: Floats
    f_meas: Floats
    prevalence: Floats


def rates(table: Floats, *, added_up: bool = False) -> Rates:
    """Return one-against-rest rates of a confusion table with predictions in rows.

    `precision = tp/(tp+fp)`, `sens = recall = tp/(tp+fn)`, `spec = tn/(tn+fp)`,
    `f_meas = 2*precision*recall/(precision+recall)`, 0 where both are 0. With `added_up` the four
    counts are those of all classes together.
    """
    hit = np.diagonal(table, axis1=-2, axis2=-1)
    predicted, true = table.sum(axis=-1), table.sum(axis=-2)
    total = np.broadcast_to(true.sum(axis=-1, keepdims=True), true.shape)
    # Added up and not subtracted from the total, so that 0 is exactly 0 with weights, too.
    others = _sum_of_others(true)
    kept = others - (predicted - hit)
    if added_up:
        parts = (hit, predicted, true, total, others, kept)
        hit, predicted, true, total, others, kept = (
            part.sum(axis=-1, keepdims=True) for part in parts
        )
    precision, sens = ratio(hit, predicted), ratio(hit, true)
    f_meas = ratio(2 * precision * sens, precision + sens)
    f_meas = np.where((precision == 0) & (sens == 0), 0.0, f_meas)
    return Rates(precision, sens, ratio(kept, others), f_meas, ratio(true, total))


def accuracy(data: Classified) -> Score:
    """Share of rows whose prediction is right: `trace(table) / sum(table)`."""
    table = data.table
    return Score(ratio(np.trace(table, axis1=-2, axis2=-1), table.sum(axis=(-2, -1))))


def kap(data: Classified) -> Score:
    """Cohen's kappa: `1 - disagreement / disagreement by chance` (Cohen 1960), any classes."""
    table = data.table
    apart = 1 - np.eye(len(data.levels))
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    chance = rows[..., :, np.newaxis] * columns[..., np.newaxis, :]
    chance = ratio(chance, table.sum(axis=(-2, -1), keepdims=True))
    return Score(1 - ratio((apart * table).sum(axis=(-2, -1)), (apart * chance).sum(axis=(-2, -1))))


def mcc(data: Classified) -> Score:
    """Matthews's correlation for any number of classes (Jurman et al. 2012, R_K).

    `(c*s - sum p_k t_k) / sqrt((s^2 - sum p_k^2)(s^2 - sum t_k^2))` with c right rows of s, p_k
    predicted and t_k true rows of class k. Undefined when all rows are of one predicted or true
    class.
    """
    table = data.table
    predicted, true = table.sum(axis=-1), table.sum(axis=-2)
    right, total = np.trace(table, axis1=-2, axis2=-1), table.sum(axis=(-2, -1))
    top = right * total - (predicted * true).sum(axis=-1)
    spread = np.sqrt((predicted * _sum_of_others(predicted)).sum(axis=-1))
    return Score(ratio(top, spread * np.sqrt((true * _sum_of_others(true)).sum(axis=-1))))


def precision(data: Classified) -> Score:
    """Share of a class's predictions that are right; a class never predicted is left out."""
    return left_out(data, _rates(data).precision, "precision")


def sens(data: Classified) -> Score:
    """Share of a class's rows that are predicted as it; a class without rows is left out."""
    return left_out(data, _rates(data).sens, "sensitivity")


def spec(data: Classified) -> Score:
    """Share of the other classes' rows that are not predicted as this one."""
    return left_out(data, _rates(data).spec, "specificity")


def f_meas(data: Classified) -> Score:
    """Harmonic mean of precision and recall, class by class; 0 where both are 0."""
    return left_out(data, _rates(data).f_meas, "F measure")


def j_index(data: Classified) -> Score:
    """Youden's J: `sens + spec - 1`."""
    found = _rates(data)
    return left_out(data, found.sens + found.spec - 1, "sensitivity or specificity")


def bal_accuracy(data: Classified) -> Score:
    """Mean of sensitivity and specificity; undefined as a whole where a class's is."""
    found = _rates(data)
    return whole(data, (found.sens + found.spec) / 2, "sensitivity or specificity")


def ppv(data: Classified) -> Score:
    """Positive predictive value from sensitivity, specificity and the true rows' prevalence.

    `sens*prev / (sens*prev + (1-spec)*(1-prev))` (Altman and Bland 1994); undefined as a whole
    where a class's is.
    """
    found = _rates(data)
    right = found.sens * found.prevalence
    value = ratio(right, right + (1 - found.spec) * (1 - found.prevalence))
    return whole(data, value, "positive predictive value")


def npv(data: Classified) -> Score:
    """Negative predictive value from sensitivity, specificity and the true rows' prevalence.

    `spec*(1-prev) / ((1-sens)*prev + spec*(1-prev))`; undefined as a whole where a class's is.
    """
    found = _rates(data)
    right = found.spec * (1 - found.prevalence)
    value = ratio(right, (1 - found.sens) * found.prevalence + right)
    return whole(data, value, "negative predictive value")


def detection_prevalence(data: Classified) -> Score:
    """Share of rows that are predicted as the event; of k > 2 classes, macro and micro are 1/k."""
    predicted = data.table.sum(axis=-1)
    if data.estimator == "micro":
        predicted = predicted.mean(axis=-1, keepdims=True)
    total = data.table.sum(axis=(-2, -1))[..., np.newaxis]
    return whole(data, ratio(predicted, total), "detection prevalence")


def _rates(data: Classified) -> Rates:
    return rates(data.table, added_up=data.estimator == "micro")


def _sum_of_others(counts: Floats) -> Floats:
    places = range(counts.shape[-1])
    return np.stack([np.delete(counts, place, axis=-1).sum(axis=-1) for place in places], axis=-1)
