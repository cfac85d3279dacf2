"""Steps that drop columns which others say already: `corr` and `lincomb`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from service.domain.recipe import Correlation, LinearCombinations
from service.domain.selectors import Kind, listed
from service.engine.recipe.blocks import dependent, matrices, triangle, views
from service.engine.recipe.source import Floats
from service.engine.recipe.step import DroppingStep, Learned, RecipeWarning, StepKind
from service.engine.recipe.view import View


class DroppedCorrelated(DroppingStep):
    """Drops the columns that correlated too much with others in the training rows."""

    step: Literal["corr"] = "corr"


class DroppedCombinations(DroppingStep):
    """Drops the columns that were linear combinations of others in the training rows."""

    step: Literal["lincomb"] = "lincomb"


def learn_corr(step: Correlation, columns: Mapping[str, Kind], training: View) -> Learned:
    """Find the columns that correlate above `threshold`, as recipes 1.0.4's `step_corr`.

    Of each pair whose absolute correlation is above `threshold`, the column goes whose mean
    absolute correlation with all is larger (to 15 digits), the earlier one when they are equal; all
    pairs are judged at once. A constant column has no correlation and is left alone, with the
    warning `no_correlation`.
    """
    names = tuple(columns)
    if len(names) < 2:
        return Learned(fitted=DroppedCorrelated(removed=()))
    correlations = _correlations(step, names, training)
    undefined = np.isnan(correlations)
    lone = tuple(name for place, name in enumerate(names) if undefined[place].all())
    correlations[undefined] = 0
    np.fill_diagonal(correlations, 1)
    warnings: tuple[RecipeWarning, ...] = ()
    if lone:
        warning = RecipeWarning(
            step=step.step,
            columns=lone,
            code="no_correlation",
            message=f"Expected columns that vary. Received {listed(lone)}, which have no "
            "correlation with others: they stay. A 'zv' step before this one drops them.",
        )
        warnings = (warning,)
    reasons = _redundant(names, correlations, step.threshold)
    removed = tuple(name for name in names if name in reasons)
    return Learned(fitted=DroppedCorrelated(removed=removed), reasons=reasons, warnings=warnings)


def learn_lincomb(step: LinearCombinations, columns: Mapping[str, Kind], training: View) -> Learned:
    """Find the columns that are linear combinations of others, as recipes 1.0.4's `step_lincomb`.

    A column goes when what is left of it beside the columns before it, which stay, is shorter than
    1e-7 of itself (R's `qr`). R repeats this `max_steps - 1` times, of which the first finds all:
    `max_steps` of 1 does nothing.

    Raises:
        MissingValues: a value of these columns is missing or infinite.
    """
    names = tuple(columns)
    found: list[int] = []
    if step.max_steps > 1 and names:
        found = dependent(triangle(matrices(training, names, step.step), len(names)))
    removed = tuple(names[place] for place in found)
    return Learned(
        fitted=DroppedCombinations(removed=removed),
        reasons=dict.fromkeys(removed, "It is a linear combination of columns before it."),
    )


def _redundant(names: Sequence[str], correlations: Floats, threshold: float) -> dict[str, str]:
    size = np.abs(correlations)
    # As R's `as.factor` compares them, so that rounding does not decide between equal means.
    means = [float(f"{mean:.15g}") for mean in size.mean(axis=0)]
    reasons: dict[str, str] = {}
    for late in range(len(names)):
        for early in np.flatnonzero(size[:late, late] > threshold).tolist():
            out, kept = (late, early) if means[late] > means[early] else (early, late)
            value = float(correlations[early, late])
            reasons.setdefault(names[out], f"Its correlation with '{names[kept]}' is {value:.4g}.")
    return reasons


def _correlations(step: Correlation, names: Sequence[str], training: View) -> Floats:
    if step.method == "spearman":
        return _of_ranks(step, names, training)
    complete, present = _gaps(names, training)
    if present.all():
        return _pearson(names, training)
    if step.use == "complete.obs":
        return _pairwise({name: training.numeric(name)[complete] for name in names}, names)
    return _pairwise({name: training.numeric(name) for name in names}, names)


def _gaps(names: Sequence[str], training: View) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows lack no value, and which columns."""
    complete = np.ones(training.n_rows, dtype=bool)
    present = np.ones(len(names), dtype=bool)
    for place, name in enumerate(names):
        here = np.isfinite(training.numeric(name))
        present[place] = here.all()
        complete &= here
    return complete, present


def _pearson(names: Sequence[str], training: View) -> Floats:
    """Return the correlations of columns without gaps, by blocks of rows."""
    means = np.array([training.numeric(name).mean() for name in names])
    products = np.zeros((len(names), len(names)))
    for block in views(training, len(names)):
        deviations = np.empty((block.n_rows, len(names)))
        for place, name in enumerate(names):
            np.subtract(block.numeric(name), means[place], out=deviations[:, place])
        products += deviations.T @ deviations
    lengths = np.sqrt(np.diag(products))
    # Of a constant the mean may be off by a rounding error; its correlation is none.
    constant = [_is_constant(training.numeric(name)) for name in names]
    lengths[constant] = np.nan
    with np.errstate(invalid="ignore"):
        found: Floats = np.clip(products / np.outer(lengths, lengths), -1, 1)
    return found


def _pairwise(values: Mapping[str, Floats], names: Sequence[str]) -> Floats:
    found = np.full((len(names), len(names)), np.nan)
    for late, second in enumerate(names):
        for early, first in enumerate(names[:late]):
            both = np.isfinite(values[first]) & np.isfinite(values[second])
            found[early, late] = found[late, early] = _one(
                values[first][both], values[second][both]
            )
    return found


def _of_ranks(step: Correlation, names: Sequence[str], training: View) -> Floats:
    from scipy.stats import rankdata

    complete, present = _gaps(names, training)
    values = {name: training.numeric(name) for name in names}
    if step.use == "complete.obs" or present.all():
        ranks = {name: rankdata(x[complete]) for name, x in values.items()}
        return _pairwise(ranks, names)
    found = np.full((len(names), len(names)), np.nan)
    for late, second in enumerate(names):
        for early, first in enumerate(names[:late]):
            both = np.isfinite(values[first]) & np.isfinite(values[second])
            pair = rankdata(values[first][both]), rankdata(values[second][both])
            found[early, late] = found[late, early] = _one(*pair)
    return found


def _one(x: Floats, y: Floats) -> float:
    if len(x) < 2 or _is_constant(x) or _is_constant(y):
        return float("nan")
    a, b = x - x.mean(), y - y.mean()
    return float(np.clip((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()), -1, 1))


def _is_constant(x: Floats) -> bool:
    return len(x) == 0 or bool(x.min() == x.max())


KINDS = (
    StepKind(Correlation, DroppedCorrelated, learn_corr),
    StepKind(LinearCombinations, DroppedCombinations, learn_lincomb),
)
