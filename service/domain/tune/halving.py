"""Successive halving over epochs: a candidate trains on only while it is among the best.

ASHA's stopping form (Li et al., 2020): at each rung a trial is compared with all that have reached
the rung so far, and goes on if it is among the best `1 / factor` of them, rounded up. Trials that
reach a rung together are judged together: where one cohort holds all of them, or where the caller
waits for all, that is successive halving (Jamieson and Talwalkar, 2016). A trial that went on is
never called back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.domain.metric_names import Direction
from service.domain.tune.ranking import badness


def rungs(min_epochs: int, epochs: int, factor: int) -> tuple[int, ...]:
    """Return the epochs, ascending, after which candidates are judged; none is the last epoch.

    Formula: min_epochs * factor^k for k = 0, 1, ... below `epochs`.
    """
    found = []
    at = min_epochs
    while at < epochs:
        found.append(at)
        at *= factor
    return tuple(found)


def pruned(
    scores: Mapping[int, float | None],
    factor: int,
    direction: Direction,
    earlier: Mapping[int, float | None] | None = None,
) -> tuple[int, ...]:
    """Return which trials of those that reached a rung together stop there, ascending.

    Of equal scores that of the lower trial counts as the better one. At least one trial goes on
    where nobody came before, unless all are None.

    Args:
        scores: the estimate of each trial that reaches the rung now, over its resamples so far;
            None where it diverged or is not defined, which stops the trial.
        factor: 2 or more.
        direction: of the metric.
        earlier: the estimates of those that reached the rung before, stopped or not.
    """
    going_on = best({**(earlier or {}), **scores}, factor, direction)
    return tuple(sorted(trial for trial in scores if trial not in going_on))


def best(scores: Mapping[int, float | None], factor: int, direction: Direction) -> tuple[int, ...]:
    """Return the trials that are the best `1 / factor` of those with a score, the best first."""
    order = sorted(
        (badness(score, direction), trial) for trial, score in scores.items() if score is not None
    )
    return tuple(trial for _, trial in order[: -(-len(order) // factor)])


def expected_epochs(done: int, epochs: int, rungs: Iterable[int], factor: int) -> float:
    """Return how many epochs more a fit is to be expected to train, which has done some.

    Formula: each stretch between two rungs counts `factor^-k` of its epochs, where k rungs come
    first: so many of the fits go on.

    Args:
        done: its epochs so far.
        epochs: those that were asked for.
        rungs: ascending; those that it has passed, or that lie behind its end, are left out.
        factor: 2 or more.
    """
    expected, share, at = 0.0, 1.0, done
    for rung in rungs:
        if done < rung < epochs:
            expected += share * (rung - at)
            share, at = share / factor, rung
    return expected + share * max(epochs - at, 0)
