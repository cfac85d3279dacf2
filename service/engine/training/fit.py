"""The fits of one cohort from task to artifacts: prepare, train, finish.

Given values and two callables it returns a value, so it runs in a notebook, in a spawned child or
on another host alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from service.domain.errors import FitpointError
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.domain.network import network_of
from service.domain.optimizers import optimizer_of
from service.engine.recipe import ColumnSource
from service.engine.recipe.held import held
from service.engine.tables.table import Table
from service.engine.task import CohortTask, FitOutcome, FitTask, Positions
from service.engine.training import checkpoint
from service.engine.training.assessing import assess
from service.engine.training.finishing import finish
from service.engine.training.members import member_of
from service.engine.training.objective import Objective
from service.engine.training.preparation import Prepared, prepare
from service.engine.training.states import MemberState, Trained
from service.engine.training.train import train

T = TypeVar("T")


def fit(
    task: CohortTask,
    environment: Environment,
    on_epoch: Callable[[tuple[EpochRecord, ...]], None],
    should_stop: Callable[[], bool],
    on_kept: Callable[[int], None] = lambda _: None,
    on_trained: Callable[[], None] = lambda: None,
    on_ended: Callable[[int, FitOutcome], None] = lambda _place, _outcome: None,
) -> tuple[FitOutcome, ...]:
    """Run the fits of a cohort and leave each one's artifact in its `staging`, where it has one.

    Where `task.checkpoints` holds a checkpoint of these fits, training goes on from there; the
    epochs that it holds are told again first.

    Args:
        task: what to fit.
        environment: where this process trains; its versions are recorded in the artifact.
        on_epoch: told each epoch's records.
        should_stop: asked after each epoch; True ends the fit ("cancelled").
        on_kept: told the epoch of each checkpoint that is durable.
        on_trained: told when a fit has had its last epoch, before it is judged and written.
        on_ended: told a fit's 0-based place and its outcome as soon as it has ended, once each;
            others of the cohort may still train.

    Returns:
        One outcome a fit that is not idle, in order.

    Raises:
        ValueError: the fits do not share what the fits of a cohort share, or would be paused
            without a place for the checkpoint.
        MissingValues: a missing or infinite value would reach the network. This and what follows
            is the outcome's `error` instead where the fits leave no artifact.
        NoPredictors: the recipe leaves no predictor in the rows that train.
        InvalidData: an outcome or a case weight is missing.
    """
    first = task.fits[0]
    if any(_shared(each) != _shared(first) for each in task.fits):
        raise ValueError("Expected fits that a plan puts into one cohort. Received others.")
    if task.until is not None and task.checkpoints is None:
        raise ValueError("Expected a folder of checkpoints with `until`. Received none.")
    identity = _identity(task, environment)
    found = checkpoint.newest(task.checkpoints, identity) if task.checkpoints else None
    try:
        prepared = prepare(first)
    except FitpointError as error:
        if first.staging is not None:
            raise
        return _failed(task, error, on_ended)
    told = partial(_numbered, task.fits)
    if found is not None:
        history = chain.from_iterable(state.history for state in found.states)
        on_epoch(_numbered([task.fits[place] for place in task.training], history))
    table_of = cache(lambda path: held(Table.open(path)))
    outcomes: dict[int, FitOutcome] = {}

    def ended(place: int, trained: Trained) -> None:
        own = task.fits[place]
        on_trained()
        outcomes[place] = _outcome(own, environment, prepared, trained, found, table_of)
        on_ended(place, outcomes[place])

    train(
        [
            member_of(each.spec, predictors=len(prepared.recipe.outputs), levels=prepared.levels)
            for each in task.fits
        ],
        _objective(first.spec),
        _given(first.spec.engine.shuffle_seed),
        prepared.rows,
        prepared.validation,
        on_epoch=lambda records: on_epoch(told(records)),
        should_stop=should_stop,
        max_seconds=first.spec.engine.max_seconds,
        states=found.states if found is not None else None,
        on_ended=ended,
        keep=_keeper(task, identity, on_kept),
        until=task.until,
        idle=task.idle,
    )
    return tuple(outcomes[place] for place in task.training)


def _failed(
    task: CohortTask, error: FitpointError, on_ended: Callable[[int, FitOutcome], None]
) -> tuple[FitOutcome, ...]:
    outcome = FitOutcome(
        ending="failed",
        epochs_run=0,
        stopped_epoch=None,
        best_epoch=None,
        fitted=None,
        error=error.as_stored(),
        bit_exact=True,
        log=(),
    )
    for place in task.training:
        on_ended(place, outcome)
    return (outcome,) * len(task.training)


def _outcome(
    task: FitTask,
    environment: Environment,
    prepared: Prepared,
    trained: Trained,
    resumed: checkpoint.Checkpoint | None,
    table_of: Callable[[Path], ColumnSource],
) -> FitOutcome:
    warnings = [f"recipe: {each.step}: {each.message}" for each in prepared.recipe.warnings]
    log = []
    here = {"device": environment.device, **environment.versions}
    resumed_elsewhere = resumed is not None and resumed.environment != here
    if resumed is not None:
        log.append(f"went on from the checkpoint of epoch {resumed.epoch}")
    if resumed_elsewhere:
        warnings.append(
            "the checkpoint is of another environment: the bits may differ from here on"
        )
    log.append(
        f"{trained.ending} after {len(trained.history)} epochs on {prepared.rows.x.shape[0]} rows "
        f"and {len(prepared.recipe.outputs)} predictors"
    )
    lives = trained.ending not in ("diverged", "cancelled")
    fitted = assessed = None
    if lives and task.staging is not None and trained.ending != "paused":
        fitted = finish(task, environment, prepared, trained.weights, table_of)
    if lives and task.fold is not None:
        assessed = assess(task, prepared, trained.weights)
    return FitOutcome(
        ending=trained.ending,
        epochs_run=len(trained.history),
        stopped_epoch=trained.stopped_epoch,
        best_epoch=trained.best_epoch,
        fitted=fitted,
        assessed=assessed,
        bit_exact=not resumed_elsewhere,
        log=(*warnings, *log),
        warnings=tuple(warnings),
    )


def _numbered(fits: Sequence[FitTask], records: Iterable[EpochRecord]) -> tuple[EpochRecord, ...]:
    """Return records with the fits' own numbers instead of their places in the cohort."""
    own = ((fits[record.trial - 1], record) for record in records)
    return tuple(
        record.model_copy(update={"trial": fit.trial, "fold": fit.fold_number})
        for fit, record in own
    )


def _keeper(
    task: CohortTask, identity: checkpoint.Identity, on_kept: Callable[[int], None]
) -> Callable[[tuple[MemberState, ...]], None] | None:
    folder = task.checkpoints
    if folder is None:
        return None

    def keep(states: tuple[MemberState, ...]) -> None:
        on_kept(checkpoint.write(folder, identity, states))

    return keep


def _identity(task: CohortTask, environment: Environment) -> checkpoint.Identity:
    first = task.fits[0]
    return checkpoint.Identity(
        rows={
            "training": first.training.dataset.sha256,
            "validation": first.validation.dataset.sha256 if first.validation is not None else "",
            "analysis": _positions(first.fold.analysis if first.fold is not None else None),
        },
        fits=tuple(
            f"{each.trial}.{each.fold_number}."
            + hashlib.sha256(each.spec.model_dump_json().encode()).hexdigest()
            for each in (task.fits[place] for place in task.training)
        ),
        environment={"device": environment.device, **environment.versions},
    )


def _positions(positions: Positions | None) -> str:
    """Return what names rows: the hash of their positions, or nothing for all of them."""
    return "" if positions is None else hashlib.sha256(positions.tobytes()).hexdigest()


def _shared(task: FitTask) -> tuple[object, ...]:
    """Return what is equal for fits of one cohort: the rows, their order and the objective."""
    spec, validation = task.spec, task.validation
    return (
        task.training.dataset.sha256,
        validation.dataset.sha256 if validation is not None else None,
        _positions(task.fold.analysis if task.fold is not None else None),
        _positions(task.fold.assessment if task.fold is not None else None),
        task.staging is None,
        len(network_of(spec, 1, 1).hidden),
        spec.recipe,
        spec.outcomes,
        spec.case_weights,
        spec.engine.validation_split,
        spec.engine.shuffle_seed,
        spec.engine.max_seconds,
        _objective(spec),
    )


def _objective(spec: FitSpec) -> Objective:
    return Objective(
        mode=_given(spec.mode),
        loss=_given(spec.engine.loss),
        metrics=tuple(spec.engine.metrics),
        optimizer=optimizer_of(spec.engine.optimizer),
        batch_size=spec.engine.batch_size,
    )


def _given(value: T | None) -> T:
    if value is None:
        raise ValueError("Expected a resolved spec. Received one with an open field.")
    return value
