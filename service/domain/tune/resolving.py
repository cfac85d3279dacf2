"""From a tune as asked to a tune as it will be run: its candidates as resolved fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.domain.datasets import Dataset
from service.domain.errors import FieldError, FitpointError
from service.domain.fit import Mode
from service.domain.resolve import Resolved, resolve
from service.domain.tune.candidates import Candidate, Words, candidates
from service.domain.tune.checks import (
    enough_rows,
    metrics_for,
    refuse,
    with_rows,
    wrong_race,
    wrong_search,
    wrong_tune,
)
from service.domain.tune.grid import Bayes
from service.domain.tune.proposals import Proposal, most_epochs, proposed_candidates
from service.domain.tune.search_space import axes_of, most_candidates
from service.domain.tune.sizes import sizes_of
from service.domain.tune.spec import TuneSpec, seeded


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A candidate and the fit that it is, or `note`: why the table has none for its values."""

    candidate: Candidate
    found: Resolved | None
    note: str | None


@dataclass(frozen=True, kw_only=True)
class ResolvedTune:
    """A tune that can be queued.

    `spec` has its seeds and its metrics filled in. `resamples` is how many there are, None where
    only the data tell. `contenders` are the candidates that are known, the first `initial` of them
    from the beginning; a search proposes the others, up to `trials`.
    """

    spec: TuneSpec
    mode: Mode
    metrics: tuple[str, ...]
    contenders: tuple[Contender, ...]
    resamples: int | None
    initial: int
    trials: int

    @property
    def able(self) -> tuple[Contender, ...]:
        """The candidates that can be fitted."""
        return tuple(each for each in self.contenders if each.found is not None)

    @property
    def judging(self) -> str:
        """The metric by which candidates are compared while it runs: that of `finalize`, if any."""
        final = self.spec.finalize
        return (final.metric if final is not None else None) or self.metrics[0]

    @property
    def unknown(self) -> int:
        """How many candidates a search will still propose."""
        return self.trials - len(self.contenders)

    @property
    def unknown_epochs(self) -> int:
        """The most epochs that those have, all together, on one resample."""
        able = [each.found.spec for each in self.able if each.found is not None]
        return self.unknown * most_epochs(self.spec, able) if self.unknown else 0


def resolve_tune(
    spec: TuneSpec,
    training: Dataset,
    validation: Dataset | None = None,
    evaluations: Mapping[str, Dataset] | None = None,
    *,
    draw: Callable[[], int],
    words: Words | None = None,
) -> ResolvedTune:
    """Return the tune with everything filled in, or raise what spec and profiles decide.

    A candidate that the table's columns do not allow is kept with the reason, as long as another
    one can be fitted.

    Args:
        spec: the tune as asked.
        training: the dataset that `fit.dataset` names.
        validation: the dataset that `fit.engine.validation_dataset` names, if any.
        evaluations: the datasets that `evaluate` names, by the name used there.
        draw: one seed in 0..2**31-1.
        words: what tells of a fit that its schema refuses; see `candidates`.

    Raises:
        InvalidSpec: a field contradicts another or the columns, or no candidate can be fitted.
        MissingValues, NoPredictors: what `resolve` raises for every candidate.
    """
    refuse(wrong_search(spec))
    spec = seeded(spec, draw)
    sizes = sizes_of(spec.resamples, training.n_rows)
    found = enough_rows(candidates(spec, words), sizes)
    contenders = tuple(_contender(each, training, validation) for each in found)
    able = [each.found for each in contenders if each.found is not None]
    if not able:
        raise _none_left(found, training, validation)
    mode = able[0].spec.mode
    assert mode is not None, "resolve() fills it in"
    trials = len(found)
    if isinstance(spec.grid, Bayes):
        trials = most_candidates(spec.grid, axes_of(spec))
    wrong = wrong_tune(spec, mode, list(found[0].values), trials, sizes)
    refuse([*wrong, *wrong_race(spec, found)])
    _judged_on(able[0], spec, training, validation, evaluations or {})
    metrics = metrics_for(spec, mode)
    return ResolvedTune(
        spec=spec.model_copy(update={"metrics": list(metrics)}),
        mode=mode,
        metrics=metrics,
        contenders=contenders,
        resamples=sizes.resamples,
        initial=len(contenders),
        trials=trials,
    )


def with_proposals(
    tune: ResolvedTune,
    proposals: Sequence[Proposal],
    training: Dataset,
    validation: Dataset | None = None,
) -> ResolvedTune:
    """Return the tune with what its search proposed next; see `resolve_tune` for the datasets.

    A proposal that its fit, the columns or the rows do not allow is kept with the reason.
    """
    sizes = sizes_of(tune.spec.resamples, training.n_rows)
    found = proposed_candidates(tune.spec, tune.initial, proposals)
    more = [_contender(with_rows(each, sizes), training, validation) for each in found]
    return replace(tune, contenders=(*tune.contenders, *more))


def _contender(candidate: Candidate, training: Dataset, validation: Dataset | None) -> Contender:
    if candidate.spec is None:
        return Contender(candidate=candidate, found=None, note=candidate.note)
    try:
        found = resolve(candidate.spec, training, validation)
    except FitpointError as error:
        return Contender(candidate=candidate, found=None, note=error.detail)
    return Contender(candidate=candidate, found=found, note=None)


def _none_left(
    found: Sequence[Candidate], training: Dataset, validation: Dataset | None
) -> FitpointError:
    """Return the error of the first candidate that has one, with its places below body.fit."""
    for each in found:
        if each.spec is not None:
            try:
                resolve(each.spec, training, validation)
            except FitpointError as error:
                return type(error)(error.detail, errors=_below_fit(error.errors))
    raise AssertionError("candidates() returns one that has a spec")


def _judged_on(
    found: Resolved,
    spec: TuneSpec,
    training: Dataset,
    validation: Dataset | None,
    evaluations: Mapping[str, Dataset],
) -> None:
    """Raise when what `evaluate` names cannot judge a model of this tune."""
    if spec.evaluate:
        judged = found.spec.model_copy(update={"evaluate": spec.evaluate})
        resolve(judged, training, validation, evaluations)


def _below_fit(errors: Sequence[FieldError]) -> list[FieldError]:
    return [each.model_copy(update={"loc": ("body", "fit", *each.loc[1:])}) for each in errors]
