"""What a threshold on a probability catches, for every threshold that the rows have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.engine.metrics.outcome import Floats, ratio


class Thresholds(NamedTuple):
    """The distinct probabilities from the largest down, and the mass at or above each.

    `values` is (thresholds,); `caught` (..., 2, thresholds), of the event's rows and of the rest.
    The curves of yardstick begin above all of them, at infinity, where nothing is caught.
    """

    values: Floats
    caught: Floats


def one_against_rest(p: Floats, is_event: NDArray[np.bool_], mass: Floats) -> Thresholds:
    """Return what each threshold on `p` catches of the event's rows and of the rest.

    Args:
        p: the probability of each row, (rows,).
        is_event: which rows are of the event, (rows,).
        mass: what each row weighs, (..., rows).
    """
    order, starts = _falling(p)
    if not len(p):
        return Thresholds(p, np.zeros((*mass.shape[:-1], 2, 0)))
    moved = mass[..., order]
    events = np.add.reduceat(moved * is_event[order], starts, axis=-1)
    every = np.add.reduceat(moved, starts, axis=-1)
    caught = np.stack([events, every - events], axis=-2)
    return Thresholds(p[order][starts], np.cumsum(caught, axis=-1))


def mass_above(p: Floats, mass: Floats) -> Floats:
    """Return for each row the mass of the rows with a larger `p`, ties by half, (..., rows)."""
    order, starts = _falling(p)
    if not len(p):
        return np.zeros(mass.shape)
    tied = np.add.reduceat(mass[..., order], starts, axis=-1)
    above = np.cumsum(tied, axis=-1) - tied / 2
    found = np.empty(mass.shape)
    found[..., order] = np.repeat(above, np.diff(starts, append=len(p)), axis=-1)
    return found


def _falling(p: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of rows from the largest `p` down, and where each value of it begins.

    Ties are one threshold: in whatever order they stand, they are caught together.
    """
    order = np.argsort(-p, kind="stable")
    return order, np.flatnonzero(np.diff(p[order], prepend=np.inf))


def from_nothing(caught: Floats) -> Floats:
    """Return masses (..., thresholds) with the 0 of the threshold above all rows in front."""
    return np.concatenate([np.zeros((*caught.shape[:-1], 1)), caught], axis=-1)


def area(x: Floats, y: Floats) -> Floats:
    """Return the area under a curve (..., points) by the trapezoid rule; `x` must not fall."""
    heights = (y[..., 1:] + y[..., :-1]) / 2
    under: Floats = (np.diff(x, axis=-1) * heights).sum(axis=-1)
    return under


def roc_points(caught: Floats) -> tuple[Floats, Floats]:
    """Return `1 - specificity` and sensitivity, (..., thresholds + 1), of what is caught."""
    events, rest = from_nothing(caught[..., 0, :]), from_nothing(caught[..., 1, :])
    return ratio(rest, rest[..., -1:]), ratio(events, events[..., -1:])


def pr_points(caught: Floats) -> tuple[Floats, Floats]:
    """Return recall and precision, (..., thresholds + 1); the first precision is 1."""
    events, rest = from_nothing(caught[..., 0, :]), from_nothing(caught[..., 1, :])
    tested = events + rest
    # Where nothing is caught yet; rows that a resample lacks catch nothing, either.
    precision = np.where(tested > 0, ratio(events, tested), 1.0)
    return ratio(events, events[..., -1:]), precision


def gain_points(caught: Floats) -> tuple[Floats, Floats]:
    """Return the shares of all mass and of the events' that are caught, (..., thresholds + 1)."""
    events, rest = from_nothing(caught[..., 0, :]), from_nothing(caught[..., 1, :])
    tested = events + rest
    return ratio(tested, tested[..., -1:]), ratio(events, events[..., -1:])
