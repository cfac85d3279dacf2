"""One fit from task to artifact: prepare, train, finish.

Given values and two callables it returns a value, so it runs in a notebook, in a spawned child or
on another host alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.domain.optimizers import optimizer_of
from service.engine.task import FitOutcome, FitTask
from service.engine.training import checkpoint
from service.engine.training.finishing import finish
from service.engine.training.members import member_of
from service.engine.training.objective import Objective
from service.engine.training.preparation import prepare
from service.engine.training.states import MemberState
from service.engine.training.train import train

T = TypeVar("T")


def fit(
    task: FitTask,
    environment: Environment,
    on_epoch: Callable[[tuple[EpochRecord, ...]], None],
    should_stop: Callable[[], bool],
    on_kept: Callable[[int], None] = lambda _: None,
) -> FitOutcome:
    """Run one fit and leave its artifact in `task.staging`.

    Where `task.checkpoints` holds a checkpoint of this task, training goes on from there; the
    epochs that it holds are told again first.

    Args:
        task: what to fit.
        environment: where this process trains; its versions are recorded in the artifact.
        on_epoch: told each epoch's records.
        should_stop: asked after each epoch; True ends the fit ("cancelled").
        on_kept: told the epoch of each checkpoint that is durable.

    Raises:
        MissingValues: a missing or infinite value would reach the network.
        NoPredictors: the recipe leaves no predictor in the rows that train.
        InvalidData: an outcome or a case weight is missing.
    """
    spec = task.spec
    identity = checkpoint.Identity(
        task=_identity(task), environment={"device": environment.device, **environment.versions}
    )
    found = checkpoint.newest(task.checkpoints, identity.task) if task.checkpoints else None
    prepared = prepare(task)
    member = member_of(spec, predictors=len(prepared.recipe.outputs), levels=prepared.levels)
    if found is not None:
        on_epoch(found.states[0].history)
    trained = train(
        [member],
        _objective(spec),
        _given(spec.engine.shuffle_seed),
        prepared.rows,
        prepared.validation,
        on_epoch=on_epoch,
        should_stop=should_stop,
        max_seconds=spec.engine.max_seconds,
        states=found.states if found is not None else None,
        keep=_keeper(task, identity, on_kept),
    )[0]
    resumed_elsewhere = found is not None and found.environment != identity.environment
    log = [f"recipe: {each.step}: {each.message}" for each in prepared.recipe.warnings]
    if found is not None:
        log.append(f"went on from the checkpoint of epoch {found.epoch}")
    if resumed_elsewhere:
        log.append("the checkpoint is of another environment: the bits may differ from here on")
    log.append(
        f"{trained.ending} after {len(trained.history)} epochs on {prepared.rows.x.shape[0]} rows "
        f"and {len(prepared.recipe.outputs)} predictors"
    )
    finished = trained.ending not in ("diverged", "cancelled")
    return FitOutcome(
        ending=trained.ending,
        epochs_run=len(trained.history),
        stopped_epoch=trained.stopped_epoch,
        best_epoch=trained.best_epoch,
        fitted=finish(task, environment, prepared, trained.weights) if finished else None,
        bit_exact=not resumed_elsewhere,
        log=tuple(log),
    )


def _keeper(
    task: FitTask, identity: checkpoint.Identity, on_kept: Callable[[int], None]
) -> Callable[[tuple[MemberState, ...]], None] | None:
    folder = task.checkpoints
    if folder is None:
        return None

    def keep(states: tuple[MemberState, ...]) -> None:
        on_kept(checkpoint.write(folder, identity, states))

    return keep


def _identity(task: FitTask) -> Mapping[str, str]:
    return {
        "spec": hashlib.sha256(task.spec.model_dump_json().encode()).hexdigest(),
        "training": task.training.dataset.sha256,
        "validation": task.validation.dataset.sha256 if task.validation is not None else "",
    }


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
