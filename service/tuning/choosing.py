"""The candidate that a tune publishes, as the fit that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.domain.last_fit import with_testing
from service.domain.tune.ranking import Ranked, ranked
from service.domain.tune.results import TrialResult, scores_of, trials_of, with_best_epochs
from service.domain.tune.selecting import select
from service.domain.tune.spec import Finalize
from service.engine.resamples.testing import last_fold
from service.engine.task import FitTask
from service.tuning.tune_fits import TuneFits


def chosen(fits: TuneFits, results: Sequence[TrialResult]) -> FitTask | None:
    """Return the fit to publish, still without a staging, or None when none is asked for.

    With `refit` it trains on all rows but those that a validation set keeps for testing, on which
    it is then judged; its epochs are those of one trial more than there are candidates. Without,
    and with one resample, it is trained once more as it was, to the same bits: candidates leave no
    artifact. With more resamples none of their networks is the tune's.

    Raises:
        Conflict: the rule cannot be applied to these results.
    """
    final, spec = fits.spec.finalize, fits.spec
    if final is None or (not final.refit and len(fits.folds) > 1):
        return None
    row = choice(fits, results, final)
    fit = next(each for each in fits.trained if each.trial == row.trial.trial)
    named = fit.task.spec.model_copy(update={"name": spec.name, "evaluate": spec.evaluate})
    if not final.refit:
        return replace(fit.task, spec=named)
    if final.epochs == "best":
        named = with_best_epochs(named, [each for each in results if each.trial == fit.trial])
    named = with_testing(named, spec.resamples, fits.resolved.metrics)
    fold = None if named.split is None else last_fold(fits.folds[0])
    return replace(fit.task, spec=named, fold=fold, trial=fits.n_trials + 1)


def choice(fits: TuneFits, results: Sequence[TrialResult], final: Finalize) -> Ranked:
    """Return the row of the candidate that `final` chooses."""
    candidates = [each.candidate for each in fits.resolved.contenders]
    rows = ranked(scores_of(results), trials_of(candidates, results), fits.resolved.judging)
    return select(rows, final.select, sort=final.sort, limit=final.limit)
