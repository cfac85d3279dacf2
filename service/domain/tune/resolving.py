"""From a tune as asked to a tune as it will be run: its candidates as resolved fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.domain.datasets import Dataset
from service.domain.errors import FieldError, FitpointError
from service.domain.fit import Mode
from service.domain.resolve import Resolved, resolve
from service.domain.spec_checks import field_error
from service.domain.tune.candidates import Candidate, Words, candidates
from service.domain.tune.checks import enough_rows, metrics_for, refuse, wrong_race, wrong_tune
from service.domain.tune.grid import Bayes
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
    only the data tell.
    """

    spec: TuneSpec
    mode: Mode
    metrics: tuple[str, ...]
    contenders: tuple[Contender, ...]
    resamples: int | None

    @property
    def able(self) -> tuple[Contender, ...]:
        """The candidates that can be fitted."""
        return tuple(each for each in self.contenders if each.found is not None)


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
    _refuse_searches(spec)
    spec = seeded(spec, draw)
    sizes = sizes_of(spec.resamples, training.n_rows)
    found = enough_rows(candidates(spec, words), sizes)
    contenders = tuple(_contender(each, training, validation) for each in found)
    able = [each.found for each in contenders if each.found is not None]
    if not able:
        raise _none_left(found, training, validation)
    mode = able[0].spec.mode
    assert mode is not None, "resolve() fills it in"
    wrong = wrong_tune(spec, mode, list(found[0].values), len(found), sizes)
    refuse([*wrong, *wrong_race(spec, found)])
    _judged_on(able[0], spec, training, validation, evaluations or {})
    metrics = metrics_for(spec, mode)
    return ResolvedTune(
        spec=spec.model_copy(update={"metrics": list(metrics)}),
        mode=mode,
        metrics=metrics,
        contenders=contenders,
        resamples=sizes.resamples,
    )


def _refuse_searches(spec: TuneSpec) -> None:
    """Raise for the searches that spend less: they can be written, and are not served yet."""
    wrong = []
    if isinstance(spec.grid, Bayes):
        msg = (
            "Expected a grid that is known before: 'expand', 'regular', 'random', 'space_filling' "
            "or 'rows'. Received 'bayes', which this version does not search."
        )
        wrong.append(field_error(("grid", "kind"), msg))
    refuse(wrong)


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
