"""A search's next round: what to tell of the results so far, and what is proposed then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.domain.metric_names import direction_of
from service.domain.tune.grid import Bayes
from service.domain.tune.proposals import Proposal
from service.domain.tune.ranking import badness, most_resamples, ranked
from service.domain.tune.resolving import ResolvedTune
from service.domain.tune.results import TrialResult, scores_of, trials_of
from service.domain.tune.search_space import axes_of, round_seed
from service.tuning.proposing import Judged, proposals


def next_round(
    tune: ResolvedTune, results: Sequence[TrialResult], should_stop: Callable[[], bool]
) -> tuple[Proposal, ...] | None:
    """Return the candidates to be trained next, none at the end of the search or without one.

    A round is as large as the initial design was asked to be, and depends on the tune and on all
    results so far alone.

    Args:
        tune: the tune with all candidates that are known, every one of which has ended.
        results: of those.
        should_stop: asked before each candidate; None is returned once it says so.

    Raises:
        InvalidSpec: Optuna is not installed here.
    """
    grid = tune.spec.grid
    if not isinstance(grid, Bayes) or tune.unknown == 0:
        return ()
    known = len(tune.contenders)
    found = proposals(
        axes_of(tune.spec),
        judged(tune, results),
        min(grid.initial, tune.unknown),
        round_seed(grid.seed or 0, known),
        should_stop,
    )
    if found is None:
        return None
    return tuple(
        Proposal(trial=trial, values=values) for trial, values in enumerate(found, known + 1)
    )


def judged(tune: ResolvedTune, results: Sequence[TrialResult]) -> list[Judged]:
    """Return how bad each known candidate is by what the tune is judged by, in their order.

    One that lacks resamples which others have counts as one that could not be judged: its mean may
    be flattered by what failed.
    """
    metric = tune.judging
    known = trials_of([each.candidate for each in tune.contenders], results)
    rows = ranked(scores_of(results), known, metric)
    most = most_resamples(rows)
    direction = direction_of(metric)
    return [
        Judged(
            values=row.trial.values,
            badness=None if row.mean is None or row.n < most else badness(row.mean, direction),
        )
        for row in sorted(rows, key=lambda row: row.trial.trial)
    ]
