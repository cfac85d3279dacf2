"""One rung of a race: by what its candidates are judged, and what those that stop are told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.domain.metric_names import direction_of
from service.domain.tune.halving import best, pruned
from service.domain.tune.results import TrialResult


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rung decided: the results of the fits that stop there, and a line for the log."""

    stopped: tuple[TrialResult, ...]
    line: str


def is_decided(epoch: int, results: Iterable[TrialResult]) -> bool:
    """Tell whether the rung after `epoch` was decided: fits stopped there, or trained on."""
    return any(each.pruned_at == epoch or each.epochs_run > epoch for each in results)


def judge(
    epoch: int,
    ended: Sequence[TrialResult],
    paused: Sequence[TrialResult],
    *,
    factor: int,
    metric: str,
) -> Verdict:
    """Return who stops at a rung that `is_decided` does not know of.

    A candidate's score is the metric's mean over its resamples; one that lacks some which others
    have has none. What ended by itself is compared with, and what has ended in all resamples cannot
    stop. While nobody has a score nobody stops.

    Args:
        epoch: the rung.
        ended: all results so far. Candidates that stopped at a rung before are out of the race.
        paused: the results of the fits that have come to the rung, as they stand.
        factor: the best `1 / factor`, rounded up, go on.
        metric: what is compared.
    """
    direction = direction_of(metric)
    out = {each.trial for each in ended if each.pruned_at is not None}
    scores = _scores([each for each in (*ended, *paused) if each.trial not in out], metric)
    going_on = best(scores, factor, direction)
    if not going_on:
        return Verdict(
            stopped=(), line=f"rung of epoch {epoch}: {metric} is defined for no candidate yet"
        )
    reaching = {each.trial for each in paused}
    before = {trial: score for trial, score in scores.items() if trial not in reaching}
    stop = pruned({trial: scores[trial] for trial in reaching}, factor, direction, before)
    leader, limit = (scores[trial] for trial in (going_on[0], going_on[-1]))
    n_scored = sum(score is not None for score in scores.values())
    notes = {
        trial: f"Stopped by the race after epoch {epoch}: its mean {metric}, {_told(scores[trial])}"
        f", is not among the best {len(going_on)} of {n_scored}, the last of which has "
        f"{_told(limit)}."
        if scores[trial] is not None
        else f"Stopped by the race after epoch {epoch}: {metric} is not defined on all of its "
        "resamples."
        for trial in stop
    }
    return Verdict(
        stopped=tuple(
            each.model_copy(
                update={"ending": "pruned", "pruned_at": epoch, "note": notes[each.trial]}
            )
            for each in paused
            if each.trial in notes
        ),
        line=f"rung of epoch {epoch}: {len(scores)} judged by {metric}, {len(stop)} "
        f"stopped; trial {going_on[0]} leads with {_told(leader)}",
    )


def _scores(results: Iterable[TrialResult], metric: str) -> Mapping[int, float | None]:
    """Return each trial's mean over its folds, None where it lacks folds that others have."""
    estimates: dict[int, list[float]] = {}
    for each in results:
        own, estimate = estimates.setdefault(each.trial, []), each.scores.get(metric)
        if estimate is not None:
            own.append(estimate)
    most = max(map(len, estimates.values()), default=0)
    return {
        trial: math.fsum(own) / most if own and len(own) == most else None
        for trial, own in estimates.items()
    }


def _told(score: float | None) -> str:
    return f"{score:.6g}"
