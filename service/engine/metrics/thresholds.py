"""What a threshold on a probability catches, for every threshold that the rows have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.engine.metrics.outcome import Floats, ratio


class Thresholds(NamedTuple):
    """The distinct probabilities from the largest down, and the mass at or above each.

    `values` is (thresholds,), the masses of the `groups` of rows (..., groups, thresholds). The
    curves of yardstick begin above all of them, at infinity, where nothing is caught.
    """

    values: Floats
    caught: Floats


def thresholds(p: Floats, groups: NDArray[np.int64], n_groups: int, mass: Floats) -> Thresholds:
    """Return what each threshold on `p` catches of each group of rows.

    Args:
        p: the probability of each row, (rows,).
        groups: the group of each row, (rows,), 0..n_groups-1.
        n_groups: how many groups there are.
        mass: what each row weighs, (..., rows).
    """
    # Ties are one threshold: in whatever order they stand, they are caught together.
    order = np.argsort(-p, kind="stable")
    falling = p[order]
    starts = np.flatnonzero(np.diff(falling, prepend=np.inf))
    if not len(p):
        return Thresholds(falling, np.zeros((*mass.shape[:-1], n_groups, 0)))
    sorted_groups, sorted_mass = groups[order], mass[..., order]
    caught = np.stack(
        [
            np.add.reduceat(np.where(sorted_groups == group, sorted_mass, 0.0), starts, axis=-1)
            for group in range(n_groups)
        ],
        axis=-2,
    )
    return Thresholds(falling[starts], np.cumsum(caught, axis=-1))


def one_against_rest(p: Floats, is_event: NDArray[np.bool_], mass: Floats) -> Thresholds:
    """Return what each threshold catches of the event (group 0) and of the rest (group 1)."""
    return thresholds(p, np.where(is_event, 0, 1), 2, mass)


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
