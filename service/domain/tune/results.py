"""What came of one candidate on one resample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import FiniteFloat

from service.domain.fit import FitSpec
from service.domain.schema import Value
from service.domain.tune.candidates import Candidate
from service.domain.tune.ranking import Score, Trial

_SHOWN = 5


class TrialResult(Value):
    """A fit of a tune that has ended; `trial` and `fold` are 1-based.

    `ending` is how its training ended, "failed" where it never began. `scores` are those on the
    assessment rows, None where a metric is undefined; without any, and of an undefined one, there
    is a `note` that says why. `pruned_at` is the epoch after which a race stopped it. `warnings`
    are what its recipe could not do as asked, and the like; see `fit_warnings`.
    """

    trial: int
    fold: int
    ending: str
    scores: dict[str, FiniteFloat | None] = {}
    weights_sha256: str | None = None
    n_parameters: int | None = None
    n_predictors: int | None = None
    epochs_run: int = 0
    stopped_epoch: int | None = None
    best_epoch: int | None = None
    pruned_at: int | None = None
    note: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_judged(self) -> bool:
        """Whether a metric of it is a number."""
        return any(score is not None for score in self.scores.values())


def scores_of(results: Iterable[TrialResult]) -> tuple[Score, ...]:
    """Return every score of some results."""
    return tuple(
        Score(trial=each.trial, fold=each.fold, metric=metric, estimate=estimate)
        for each in results
        for metric, estimate in each.scores.items()
    )


def trials_of(candidates: Sequence[Candidate], results: Sequence[TrialResult]) -> tuple[Trial, ...]:
    """Return every candidate as it stands; its note is the first one of its results."""
    notes: dict[int, str] = {}
    pruned: dict[int, int] = {}
    for each in results:
        if each.note is not None:
            notes.setdefault(each.trial, each.note)
        if each.pruned_at is not None:
            pruned[each.trial] = max(each.pruned_at, pruned.get(each.trial, 0))
    return tuple(
        Trial(
            trial=each.trial,
            config=each.config,
            values=dict(each.values),
            pruned_at=pruned.get(each.trial),
            note=notes.get(each.trial, each.note),
        )
        for each in candidates
    )


def grouped_reasons(results: Sequence[TrialResult]) -> str:
    """Return why none of some results has a score: each reason once, with how often."""
    counts: dict[str, int] = {}
    for each in results:
        reason = each.note or f"ended as {each.ending}, and no metric is defined."
        counts[reason] = counts.get(reason, 0) + 1
    most = sorted(counts.items(), key=lambda item: -item[1])[:_SHOWN]
    told = " ".join(f"{count} of {len(results)}: {reason}" for reason, count in most)
    more = len(counts) - len(most)
    return f"No candidate could be judged. {told}" + (f" And {more} more reasons." if more else "")


def with_best_epochs(spec: FitSpec, results: Sequence[TrialResult]) -> FitSpec:
    """Return the fit with the mean of its resamples' best epochs, and without early stopping."""
    best = [each.best_epoch for each in results if each.best_epoch is not None]
    if not best:
        return spec
    epochs = max(1, round(sum(best) / len(best)))
    return spec.model_copy(
        update={
            "model": spec.model.model_copy(update={"epochs": epochs}),
            "engine": spec.engine.model_copy(update={"early_stopping": None}),
        }
    )
