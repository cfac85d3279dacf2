"""From a tune's body to a queued job: its datasets, its candidates, one row."""

from __future__ import annotations

import secrets
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel, ValidationError

from service.api.submission import Used, Wanted, named, submit
from service.api.validation import invalid
from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import FitSpec
from service.domain.jobs import Job
from service.domain.resolve import spec_sha256
from service.domain.tune.candidates import candidates
from service.domain.tune.grid import Bayes, Cell
from service.domain.tune.resolving import ResolvedTune, resolve_tune
from service.domain.tune.spec import TuneSpec
from service.store.sessions import ReadSession, WriteSession


def resolved_tune(s: ReadSession, spec: TuneSpec) -> tuple[ResolvedTune, Used]:
    """Return the tune with everything filled in, and its datasets by the name the spec uses.

    Raises:
        InvalidSpec, MissingValues, NoPredictors: what spec and profiles decide.
        InvalidSpec: it is a search, and what proposes is not installed.
    """
    if isinstance(spec.grid, Bayes):
        _require_search()
    engine = spec.fit.get("engine")
    training = spec.fit.get("dataset")
    validation = engine.get("validation_dataset") if isinstance(engine, dict) else None
    if not isinstance(training, str) or not isinstance(validation, str | None):
        candidates(spec, _words)
        raise InvalidSpec("Expected `fit` to name its dataset.")
    wanted: list[Wanted] = [(training, ("fit", "dataset"))]
    if validation is not None:
        wanted.append((validation, ("fit", "engine", "validation_dataset")))
    wanted += [(each.dataset, ("evaluate", at, "dataset")) for at, each in enumerate(spec.evaluate)]
    used = named(s, wanted)
    found = resolve_tune(
        spec,
        used[training],
        used[validation] if validation is not None else None,
        used,
        draw=lambda: secrets.randbelow(2**31),
        words=_words,
    )
    return found, used


def _require_search() -> None:
    # The worker of one machine has what is installed beside this process, which never imports it.
    if find_spec("optuna") is None:
        msg = (
            "Expected the extra `search`, which the grid 'bayes' needs. It is not installed. "
            "Install it with pip install -c docker/constraints.txt -e '.[search]', or use a grid "
            "such as 'space_filling'."
        )
        raise InvalidSpec(msg, errors=[FieldError(loc=("body", "grid", "kind"), msg=msg)])


class CandidateView(BaseModel):
    """A candidate of a grid; `note` says why it would not be fitted."""

    trial: int
    config: str
    values: dict[str, Cell]
    n_parameters: int | None
    note: str | None


class TuneDryRun(BaseModel):
    """What a tune would try; nothing was queued. `resamples` is null where only the rows tell.

    `trials` counts all candidates. A search proposes those that are not among `candidates`, once
    the ones before were judged.
    """

    spec: dict[str, Any]
    spec_sha256: str
    metrics: tuple[str, ...]
    resamples: int | None
    trials: int
    candidates: list[CandidateView]


def foretold(found: ResolvedTune) -> TuneDryRun:
    """Return what a tune would try."""
    return TuneDryRun(
        spec=found.spec.model_dump(mode="json"),
        spec_sha256=spec_sha256(found.spec),
        metrics=found.metrics,
        resamples=found.resamples,
        trials=found.trials,
        candidates=[
            CandidateView(
                trial=each.candidate.trial,
                config=each.candidate.config,
                values=dict(each.candidate.values),
                n_parameters=None if each.found is None else each.found.n_parameters,
                note=each.note,
            )
            for each in found.contenders
        ],
    )


def submit_tune(s: WriteSession, found: ResolvedTune, used: Used) -> Job:
    """Queue a resolved tune."""
    spec = found.spec
    epochs = sum(each.found.spec.model.epochs for each in found.able if each.found is not None)
    epochs += found.unknown_epochs
    return submit(
        s,
        spec,
        used,
        epochs=epochs * (found.resamples or 1),
        trials=found.trials,
    )


def _words(error: ValidationError) -> InvalidSpec:
    return invalid(error, FitSpec, "body", "fit")
