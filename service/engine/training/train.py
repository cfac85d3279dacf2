"""Train a cohort: epochs, validation, stopping, history. Values in, values out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from service.domain.history import EpochRecord, best_epoch, monitored
from service.engine.task import Ending
from service.engine.training import backend, penalty, seeding, window
from service.engine.training.layout import Layout
from service.engine.training.losses import finish_metric
from service.engine.training.members import Member
from service.engine.training.network import Weights, initial_weights
from service.engine.training.objective import Objective
from service.engine.training.program import State, program_of
from service.engine.training.stopping import Stopping, after_epoch


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows for training or validation.

    `x` is float32 (rows, predictors padded with zeros to `layout.padded`), `y` float32 (rows,
    outputs): one column a class with a single 1, or the outcomes. `weights` is float32 (rows,).
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training left of one member.

    `stopped_epoch` is None unless early stopping ended it; `best_epoch` is the first epoch with
    the best monitored value (the stopping rule's monitor, else `val_loss`), None without either.
    """

    weights: Weights
    history: tuple[EpochRecord, ...]
    ending: Ending
    stopped_epoch: int | None
    best_epoch: int | None


def train(
    members: Sequence[Member],
    objective: Objective,
    shuffle_seed: int,
    rows: Rows,
    validation: Rows | None = None,
    *,
    on_epoch: Callable[[tuple[EpochRecord, ...]], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    max_seconds: float | None = None,
) -> tuple[Trained, ...]:
    """Train fits that share rows, shuffle seed and objective as one program.

    Args:
        members: the fits, all of one depth.
        objective: mode, loss, metrics, optimizer and batch size.
        shuffle_seed: decides every epoch's order (`seeding.order`).
        rows: what the networks learn from.
        validation: what each epoch is validated on.
        on_epoch: told after each epoch the records of the members that trained in it; `trial` is
            the member's 1-based place.
        should_stop: asked after each epoch; True ends the training ("cancelled").
        max_seconds: training ends at the first epoch's end after so many seconds ("max_seconds").

    Returns:
        One result a member, in order. Weights of a member that diverged hold NaN.
    """
    run = _Run(tuple(members), objective, shuffle_seed, rows, validation)
    started = time.monotonic()
    epoch = 0
    while run.is_active():
        epoch += 1
        on_epoch(run.epoch(epoch))
        if run.is_active() and should_stop():
            run.end_all("cancelled")
        elif max_seconds is not None and time.monotonic() - started > max_seconds:
            run.end_all("max_seconds")
    return run.results()


class _Run:
    """One training in progress: the program's state and what each member remembers."""

    def __init__(
        self,
        members: tuple[Member, ...],
        objective: Objective,
        shuffle_seed: int,
        rows: Rows,
        validation: Rows | None,
    ) -> None:
        engine = backend.load()
        self._members = members
        self._objective = objective
        self._shuffle_seed = shuffle_seed
        self._layout = Layout(
            window.companions(members, keras.config.backend(), objective.batch_size)
        )
        self._array = engine.array
        self._program = program_of(self._layout, objective)
        self._state: State = self._program.initial_state(
            self._layout.pack(
                [initial_weights(each.network, each.seeds) for each in self._layout.members]
            )
        )
        self._n_rows = rows.x.shape[0]
        self._n_validation = validation.x.shape[0] if validation is not None else 0
        self._rows = _on_device(engine, rows)
        self._validation = _on_device(engine, validation) if validation is not None else None
        count = len(members)
        self._stopping = [Stopping() for _ in range(count)]
        self._endings: list[Ending | None] = [None] * count
        self._histories: list[list[EpochRecord]] = [[] for _ in range(count)]
        self._restored: list[Weights | None] = [None] * count

    def is_active(self) -> bool:
        return any(ending is None for ending in self._endings)

    def end_all(self, ending: Ending) -> None:
        self._endings = [own or ending for own in self._endings]

    def epoch(self, epoch: int) -> tuple[EpochRecord, ...]:
        """Train and validate one epoch; return the records of the members that were active."""
        started = time.perf_counter()
        companions = len(self._layout.members) - len(self._members)
        active = np.array(
            [ending is None for ending in self._endings] + [False] * companions, np.float32
        )
        rates = np.array([m.learn_rate for m in self._layout.members], np.float32) * active
        self._state, sums = self._program.train(
            self._state,
            self._rows,
            seeding.order(self._shuffle_seed, epoch, self._n_rows),
            self._mask(epoch, active),
            rates,
            active,
        )
        val_sums = (
            self._program.validate(self._state, self._validation)
            if self._validation is not None
            else None
        )
        penalties = self._penalties()
        seconds = time.perf_counter() - started
        records = []
        for index in np.flatnonzero(active).tolist():
            record = EpochRecord(
                trial=index + 1,
                epoch=epoch,
                values=self._values(sums, val_sums, index, penalties[index]),
                seconds=seconds,
                samples_per_second=self._n_rows / seconds,
            )
            self._histories[index].append(record)
            self._judge(index, record)
            records.append(record)
        return tuple(records)

    def results(self) -> tuple[Trained, ...]:
        parameters = self._parameters()
        results = []
        for index, member in enumerate(self._members):
            rule = member.early_stopping
            history = tuple(self._histories[index])
            ending = self._endings[index]
            assert ending is not None, "results are read after the last epoch"
            monitor = monitored(rule.monitor if rule else None, self._validation is not None)
            restored = self._restored[index]
            results.append(
                Trained(
                    weights=restored or self._layout.unpack(parameters, index),
                    history=history,
                    ending=ending,
                    stopped_epoch=len(history) if ending == "early_stopping" else None,
                    best_epoch=best_epoch(history, monitor),
                )
            )
        return tuple(results)

    def _judge(self, index: int, record: EpochRecord) -> None:
        """Decide whether a member ends with this epoch."""
        member = self._members[index]
        rule = member.early_stopping
        if member.terminate_on_nan and not math.isfinite(record.values["loss"]):
            self._endings[index] = "diverged"
            return
        if rule is not None:
            stopping = after_epoch(
                self._stopping[index], rule, record.epoch, record.values[rule.monitor]
            )
            self._stopping[index] = stopping
            if rule.restore_best_weights and stopping.improved:
                self._restored[index] = self._layout.unpack(self._parameters(), index)
            if stopping.stop:
                self._endings[index] = "early_stopping"
                return
        if record.epoch >= member.epochs:
            self._endings[index] = "completed"

    def _values(self, sums: Any, val_sums: Any, index: int, share: float) -> dict[str, float]:
        """Return a record's values: each mean over rows, the penalty added to both losses."""
        values: dict[str, float] = {}
        for place, name in enumerate(("loss", *self._objective.metrics)):
            extra = share if name == "loss" else 0.0
            mean = float(sums[place, index]) / self._n_rows
            values[name] = finish_metric(name, mean) + extra
            if val_sums is not None:
                mean = float(val_sums[place, index]) / self._n_validation
                values[f"val_{name}"] = finish_metric(name, mean) + extra
        return values

    def _penalties(self) -> list[float]:
        if not any(any(member.penalties) for member in self._members):
            return [0.0] * len(self._members)
        parameters = self._parameters()
        return [
            penalty.value(member, self._layout.unpack(parameters, index)[0::2])
            for index, member in enumerate(self._members)
        ]

    def _parameters(self) -> list[NDArray[np.float32]]:
        return [self._array(parameter) for parameter in self._state.parameters]

    def _mask(self, epoch: int, active: NDArray[np.float32]) -> NDArray[np.uint8] | None:
        masks = []
        for index, member in enumerate(self._layout.members):
            network = member.network
            for layer, rate in enumerate(network.dropouts):
                if rate > 0:
                    shape = (self._n_rows, network.hidden[layer])
                    masks.append(
                        seeding.dropout_mask(member.seeds[1], epoch, layer, *shape, rate)
                        if active[index]
                        else np.zeros(shape, np.uint8)
                    )
        return np.concatenate(masks, axis=1) if masks else None


def _on_device(engine: Any, rows: Rows) -> tuple[Any, Any, Any | None]:
    return (
        engine.tensor(rows.x),
        engine.tensor(rows.y),
        None if rows.weights is None else engine.tensor(rows.weights),
    )
