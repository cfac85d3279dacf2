"""What a tune asks for that its metrics, its resamples or the table's size contradict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import Mode
from service.domain.metric_names import default_metrics, metrics_of
from service.domain.names import did_you_mean
from service.domain.spec_checks import field_error, training_rows
from service.domain.tune.candidates import Candidate, refuse_all_invalid
from service.domain.tune.grid import MAX_FITS, Bayes
from service.domain.tune.halving import rungs
from service.domain.tune.resampling import MAX_RESAMPLES
from service.domain.tune.selecting import sort_keys
from service.domain.tune.sizes import Sizes
from service.domain.tune.spec import TuneSpec


def metrics_for(spec: TuneSpec, mode: Mode) -> tuple[str, ...]:
    """Return the metrics that candidates are judged by, the first of which ranks them."""
    return tuple(spec.metrics) if spec.metrics is not None else default_metrics(mode)


def wrong_tune(
    spec: TuneSpec, mode: Mode, ids: Iterable[str], n_candidates: int, sizes: Sizes
) -> list[FieldError]:
    """Return why a tune cannot be run, as far as spec and the table's profile tell.

    Args:
        spec: the tune.
        mode: of its fit.
        ids: those of its placeholders.
        n_candidates: all that it tries, those that a search proposes later included.
        sizes: of its resamples.
    """
    return [
        *_wrong_metrics(spec, mode),
        *_wrong_finalize(spec, mode, list(ids)),
        *_wrong_sizes(sizes),
        *_too_many(n_candidates, sizes.resamples),
    ]


def too_few_rows(
    n_rows: int, batch_size: int, validation_split: float = 0.0, name: str = "A resample"
) -> str | None:
    """Return why a fit cannot train on a resample's analysis rows, or None.

    Args:
        n_rows: the analysis rows.
        batch_size: of the fit.
        validation_split: the share of them that validates each epoch.
        name: of the resample.
    """
    rows = training_rows(n_rows, validation_split)
    if validation_split > 0 and not 0 < rows < n_rows:
        return (
            f"Expected a validation_split that leaves rows to train and rows to validate. {name} "
            f"has {n_rows} analysis rows, of which {validation_split:g} are none or all."
        )
    if rows < batch_size:
        return (
            f"Expected at least one batch of {batch_size} rows to train on. {name} has {rows}. "
            "Use a smaller batch_size."
        )
    return None


def wrong_race(spec: TuneSpec, found: Sequence[Candidate]) -> list[FieldError]:
    """Return why a race could stop nobody: one candidate, or none that trains beyond a rung."""
    if spec.race is None:
        return []
    longest = max((each.spec.model.epochs for each in found if each.spec is not None), default=0)
    wrong = []
    if len(found) < 2:
        msg = f"Expected two candidates or more, some of which stop. Received {len(found)}."
        wrong.append(field_error(("race",), msg))
    if not rungs(spec.race.min_epochs, longest, spec.race.factor):
        msg = (
            f"Expected min_epochs below the epochs of the fit, {longest}, so that there is "
            f"somebody to stop. Received {spec.race.min_epochs}."
        )
        wrong.append(field_error(("race", "min_epochs"), msg))
    return wrong


def wrong_search(spec: TuneSpec) -> list[FieldError]:
    """Return why a search cannot be run: what a race stopped early is no result to learn from."""
    if spec.race is None or not isinstance(spec.grid, Bayes):
        return []
    msg = (
        "Expected either a race or the grid 'bayes', which learns from candidates that were "
        "trained to their end. Received both. Leave out `race`, or use a grid such as "
        "'space_filling'."
    )
    return [field_error(("race",), msg), field_error(("grid", "kind"), msg)]


def enough_rows(found: Sequence[Candidate], sizes: Sizes) -> tuple[Candidate, ...]:
    """Return the candidates, with a note in place of the fit where a resample has too few rows.

    Raises:
        InvalidSpec: no candidate has enough.
    """
    kept = [with_rows(each, sizes) for each in found]
    refuse_all_invalid(kept)
    return tuple(kept)


def with_rows(candidate: Candidate, sizes: Sizes) -> Candidate:
    """Return a candidate, with a note in place of the fit where a resample has too few rows."""
    if sizes.analysis is None or candidate.spec is None:
        return candidate
    engine = candidate.spec.engine
    note = too_few_rows(sizes.analysis, engine.batch_size, engine.validation_split)
    return candidate if note is None else replace(candidate, spec=None, note=note)


def refuse(wrong: Sequence[FieldError]) -> None:
    """Raise InvalidSpec with all that is wrong, if anything is."""
    if wrong:
        place = ".".join(str(part) for part in wrong[0].loc[1:])
        raise InvalidSpec(f"{place}: {wrong[0].msg}", errors=wrong)


def _wrong_metrics(spec: TuneSpec, mode: Mode) -> list[FieldError]:
    known = metrics_of(mode)
    names = spec.metrics or []
    found = []
    for at, name in enumerate(names):
        if name not in known:
            msg = (
                f"Expected a metric of {mode}: {', '.join(known)}. Received '{name}'."
                f"{did_you_mean(name, known)}"
            )
            found.append(field_error(("metrics", at), msg))
        elif name in names[:at]:
            msg = f"Expected each metric once. Received '{name}' twice."
            found.append(field_error(("metrics", at), msg))
    return found


def _wrong_finalize(spec: TuneSpec, mode: Mode, ids: Sequence[str]) -> list[FieldError]:
    final = spec.finalize
    if final is None:
        return []
    found = []
    judged = metrics_for(spec, mode)
    if final.metric is not None and final.metric not in judged:
        msg = (
            f"Expected one of the tune's metrics: {', '.join(judged)}. Received '{final.metric}'."
            f"{did_you_mean(final.metric, judged)}"
        )
        found.append(field_error(("finalize", "metric"), msg))
    try:
        keys = sort_keys(final.sort) if final.sort is not None else ()
    except InvalidSpec as error:
        return [*found, field_error(("finalize", "sort"), error.detail)]
    for name, _ in keys:
        if name not in ids:
            msg = (
                f"Expected ids of the fit: {', '.join(ids) or 'it has none'}. Received '{name}'."
                f"{did_you_mean(name, ids)}"
            )
            found.append(field_error(("finalize", "sort"), msg))
    return found


def _wrong_sizes(sizes: Sizes) -> list[FieldError]:
    found = []
    if sizes.resamples is not None and not 0 < sizes.resamples <= MAX_RESAMPLES:
        msg = (
            f"Expected 1 to {MAX_RESAMPLES} resamples. Received {sizes.resamples:,} of "
            f"{sizes.n_rows} rows."
        )
        found.append(field_error(("resamples",), msg))
    return [*found, *(field_error(loc, msg) for loc, msg in sizes.refusals)]


def _too_many(candidates: int, resamples: int | None) -> list[FieldError]:
    if resamples is None or candidates * resamples <= MAX_FITS:
        return []
    msg = (
        f"Expected at most {MAX_FITS:,} fits. Received {candidates:,} candidates on "
        f"{resamples:,} resamples, which are {candidates * resamples:,}."
    )
    return [field_error(("grid",), msg)]
