"""A race: all candidates train to a rung, the worst of them stop there, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from service.domain.tune.results import TrialResult
from service.domain.tune.rung import is_decided, judge
from service.tuning.ground import Key
from service.tuning.tune_fits import TuneFits

Train = Callable[[int | None], Sequence[TrialResult] | None]


def race(
    fits: TuneFits,
    results: Callable[[], Mapping[Key, TrialResult]],
    train: Train,
    keep: Callable[[Sequence[TrialResult], str], None],
) -> bool:
    """Train a tune to its end, rung by rung; return False when it was stopped before.

    Nothing is remembered between rungs but results and checkpoints: those of a rung are kept
    together, so a rung of which any is there was decided; one of which none is there, was left by
    checkpoints that lie behind it, or is decided again, from the same weights.

    Args:
        fits: of the tune; without a race it has no rungs.
        results: the results so far.
        train: trains what has no result to an epoch, or to its end (None). Returns the results, as
            they then stand, of the fits that were paused; None when it was stopped.
        keep: keeps the results of those that stop at a rung in one write, and a line of the log.
    """
    for epoch in fits.rungs:
        if is_decided(epoch, results().values()):
            continue
        paused = train(epoch)
        if paused is None:
            return False
        ended = list(results().values())
        if paused and not is_decided(epoch, [*ended, *paused]):
            verdict = judge(epoch, ended, paused, factor=fits.factor, metric=fits.resolved.judging)
            keep(verdict.stopped, verdict.line)
    return train(None) is not None
