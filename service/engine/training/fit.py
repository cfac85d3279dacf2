"""The fits of one cohort from task to artifacts: prepare, train, finish.

Given values and two callables it returns a value, so it runs in a notebook, in a spawned child or
on another host alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.domain.optimizers import optimizer_of
from service.engine.recipe import ColumnSource
from service.engine.recipe.held import held
from service.engine.tables.table import Table
from service.engine.task import CohortTask, FitOutcome, FitTask
from service.engine.training import checkpoint
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
) -> tuple[FitOutcome, ...]:
    """Run the fits of a cohort and leave each one's artifact in its `staging`.

    Where `task.checkpoints` holds a checkpoint of this task, training goes on from there; the
    epochs that it holds are told again first.

    Args:
        task: what to fit.
        environment: where this process trains; its versions are recorded in the artifact.
        on_epoch: told each epoch's records.
        should_stop: asked after each epoch; True ends the fit ("cancelled").
        on_kept: told the epoch of each checkpoint that is durable.
        on_trained: told when the last epoch has ended, before the models are judged and written.

    Returns:
        One outcome a fit, in order.

    Raises:
        ValueError: the fits do not share what the fits of a cohort share.
        MissingValues: a missing or infinite value would reach the network.
        NoPredictors: the recipe leaves no predictor in the rows that train.
        InvalidData: an outcome or a case weight is missing.
    """
    first = task.fits[0]
    if any(_shared(each) != _shared(first) for each in task.fits):
        raise ValueError("Expected fits that a plan puts into one cohort. Received others.")
    identity = checkpoint.Identity(
        task=_identity(task), environment={"device": environment.device, **environment.versions}
    )
    found = checkpoint.newest(task.checkpoints, identity.task) if task.checkpoints else None
    prepared = prepare(first)
    trials = [each.trial for each in task.fits]
    if found is not None:
        on_epoch(_numbered(trials, chain.from_iterable(state.history for state in found.states)))
    trained = train(
        [
            member_of(each.spec, predictors=len(prepared.recipe.outputs), levels=prepared.levels)
            for each in task.fits
        ],
        _objective(first.spec),
        _given(first.spec.engine.shuffle_seed),
        prepared.rows,
        prepared.validation,
        on_epoch=lambda records: on_epoch(_numbered(trials, records)),
        should_stop=should_stop,
        max_seconds=first.spec.engine.max_seconds,
        states=found.states if found is not None else None,
        keep=_keeper(task, identity, on_kept),
    )
    on_trained()
    table_of = cache(lambda path: held(Table.open(path)))
    return tuple(
        _outcome(each, environment, prepared, own, found, table_of)
        for each, own in zip(task.fits, trained, strict=True)
    )


def _outcome(
    task: FitTask,
    environment: Environment,
    prepared: Prepared,
    trained: Trained,
    resumed: checkpoint.Checkpoint | None,
    table_of: Callable[[Path], ColumnSource],
) -> FitOutcome:
    log = [f"recipe: {each.step}: {each.message}" for each in prepared.recipe.warnings]
    here = {"device": environment.device, **environment.versions}
    resumed_elsewhere = resumed is not None and resumed.environment != here
    if resumed is not None:
        log.append(f"went on from the checkpoint of epoch {resumed.epoch}")
    if resumed_elsewhere:
        log.append("the checkpoint is of another environment: the bits may differ from here on")
    log.append(
        f"{trained.ending} after {len(trained.history)} epochs on {prepared.rows.x.shape[0]} rows "
        f"and {len(prepared.recipe.outputs)} predictors"
    )
    fitted = None
    if trained.ending not in ("diverged", "cancelled"):
        fitted = finish(task, environment, prepared, trained.weights, table_of)
    return FitOutcome(
        ending=trained.ending,
        epochs_run=len(trained.history),
        stopped_epoch=trained.stopped_epoch,
        best_epoch=trained.best_epoch,
        fitted=fitted,
        bit_exact=not resumed_elsewhere,
        log=tuple(log),
    )


def _numbered(trials: Sequence[int], records: Iterable[EpochRecord]) -> tuple[EpochRecord, ...]:
    """Return records with the fits' own numbers instead of their places in the cohort."""
    return tuple(
        record.model_copy(update={"trial": trials[record.trial - 1]}) for record in records
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


def _identity(task: CohortTask) -> Mapping[str, str]:
    specs = "\n".join(each.spec.model_dump_json() for each in task.fits)
    first = task.fits[0]
    return {
        "spec": hashlib.sha256(specs.encode()).hexdigest(),
        "training": first.training.dataset.sha256,
        "validation": first.validation.dataset.sha256 if first.validation is not None else "",
    }


def _shared(task: FitTask) -> tuple[object, ...]:
    """Return what is equal for fits of one cohort: the rows, their order and the objective."""
    spec, validation = task.spec, task.validation
    return (
        task.training.dataset.sha256,
        validation.dataset.sha256 if validation is not None else None,
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
