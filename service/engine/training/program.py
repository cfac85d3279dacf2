"""One epoch of a cohort as one compiled program: gather, forward, backward, optimizer, loop.

No Python runs between batches. Each fit's loss is its own and the total is their sum, so each
gradient is its own. To keep a fit's bits apart from its neighbours there is one product for all
first layers and one product a fit for every further layer, whatever the widths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from service.domain.fit import Mode
from service.domain.optimizers import Optimizer
from service.engine.training import backend, losses, optimizers
from service.engine.training.layout import Layout

Tensor = Any


@dataclass(frozen=True)
class Objective:
    """What the fits of a cohort share: mode, loss, metrics, optimizer and batch size."""

    mode: Mode
    loss: str
    metrics: tuple[str, ...]
    optimizer: Optimizer
    batch_size: int


@dataclass(frozen=True)
class State:
    """Parameters, optimizer slots a parameter, the optimizer's shared value, steps done."""

    parameters: list[Tensor]
    slots: list[list[Tensor]]
    shared: Tensor
    steps: Tensor


def program_of(layout: Layout, objective: Objective) -> EpochProgram:
    """Return the program of a cohort, compiled already when one of its form has run before.

    What a program takes at run time (seeds, learn rates, epochs, stopping rules) is not its form.
    """
    return _program(
        Layout(
            tuple(
                replace(
                    member,
                    seeds=(0, 0, 0),
                    learn_rate=0.0,
                    epochs=0,
                    early_stopping=None,
                    terminate_on_nan=True,
                )
                for member in layout.members
            )
        ),
        objective,
    )


@lru_cache(maxsize=16)
def _program(layout: Layout, objective: Objective) -> EpochProgram:
    return EpochProgram(layout, objective, backend.load())


class EpochProgram:
    """The program of one cohort; the same object runs every epoch, compiled at the first call."""

    def __init__(self, layout: Layout, objective: Objective, engine: ModuleType) -> None:
        self._layout = layout
        self._objective = objective
        self._backend = engine
        by_class = objective.mode == "classification"
        losses_by_name = losses.CLASSIFICATION_LOSSES if by_class else losses.REGRESSION_LOSSES
        metrics_by_name = losses.CLASSIFICATION_METRICS if by_class else losses.REGRESSION_METRICS
        self._loss = losses_by_name[objective.loss]
        self._metrics = [metrics_by_name[name] for name in objective.metrics]
        self._train: Callable[..., Any] = engine.compiled(self._train_epoch)
        self._validate: Callable[..., Any] = engine.compiled(self._validation)

    def initial_state(self, parameters: Sequence[Any]) -> State:
        """Return the state before the first step."""
        tensor = self._backend.tensor
        return State(
            parameters=[tensor(array) for array in parameters],
            slots=[
                [
                    tensor(slot)
                    for slot in optimizers.initial_slots(self._objective.optimizer, array.shape)
                ]
                for array in parameters
            ],
            shared=tensor(np.float32(1)),
            steps=tensor(np.int32(0)),
        )

    def train(
        self,
        state: State,
        data: tuple[Tensor, Tensor, Tensor | None],
        order: Any,
        mask: Any | None,
        rates: Any,
        active: Any,
    ) -> tuple[State, Any]:
        """Run one epoch.

        Args:
            state: where the last epoch ended.
            data: predictors (rows, padded predictors), outcomes (rows, outputs), and case weights
                (rows,) or None, on the device.
            order: (rows,) int32, the rows in the order of their visit.
            mask: (rows, sum of masked units) uint8 in the order of the visit, or None.
            rates: (members,) learn rates, 0 for one that has stopped.
            active: (members,) 1 or 0.

        Returns:
            The state and the sums over rows, (1 + metrics, members): loss, then each metric.
        """
        tensor = self._backend.tensor
        flat, sums = self._train(
            self._flatten(state),
            data,
            tensor(order),
            None if mask is None else tensor(mask),
            tensor(rates),
            tensor(active),
        )
        return self._restore(flat), self._backend.array(sums)

    def validate(self, state: State, data: tuple[Tensor, Tensor, Tensor | None]) -> Any:
        """Return the sums over validation rows, (1 + metrics, members): loss, then each metric."""
        return self._backend.array(self._validate(state.parameters, data))

    @staticmethod
    def _flatten(state: State) -> list[Any]:
        return [state.parameters, state.slots, state.shared, state.steps]

    @staticmethod
    def _restore(flat: Sequence[Any]) -> State:
        return State(list(flat[0]), [list(slots) for slots in flat[1]], flat[2], flat[3])

    # The rest is traced: it runs once for each shape and becomes the program.

    @cached_property
    def _masked(self) -> list[tuple[int, int, int, int, float]]:
        """For each dropout: member, hidden layer, first and last column of the mask, scale."""
        found, column = [], 0
        for index, member in enumerate(self._layout.members):
            network = member.network
            for layer, rate in enumerate(network.dropouts):
                if rate > 0:
                    end = column + network.hidden[layer]
                    found.append((index, layer, column, end, 1.0 / (1.0 - rate)))
                    column = end
        return found

    def _outputs(self, parameters: list[Tensor], x: Tensor, mask: Tensor | None) -> list[Tensor]:
        """Return each member's outputs before their activation, (outputs, batch)."""
        layout = self._layout
        hidden = ops.einsum("hp,bp->hb", parameters[0], x) + parameters[1]
        outputs = []
        for index, (member, start) in enumerate(zip(layout.members, layout.starts, strict=True)):
            z = hidden[start : start + member.height]
            deeper = layout.deeper(index)
            for layer in range(len(member.network.hidden)):
                a = _activated(member.network.activation, z)
                a = self._dropped(a, index, layer, mask)
                kernel = parameters[deeper[2 * layer]]
                z = ops.matmul(kernel, a) + parameters[deeper[2 * layer + 1]]
            outputs.append(z)
        return outputs

    def _dropped(self, a: Tensor, member: int, layer: int, mask: Tensor | None) -> Tensor:
        if mask is None:
            return a
        for owner, masked_layer, first, last, scale in self._masked:
            if (owner, masked_layer) == (member, layer):
                kept = ops.cast(ops.transpose(mask[:, first:last]), "float32")
                return a * kept * scale
        return a

    def _sums(
        self, outputs: list[Tensor], y: Tensor, w: Tensor | None, *, weigh_classes: bool
    ) -> tuple[list[Tensor], Tensor]:
        """Return each member's sum of row losses, and (1 + metrics, members) sums."""
        sums: list[Tensor] = []
        table: list[Tensor] = []
        for member, z in zip(self._layout.members, outputs, strict=True):
            rows = self._loss(z, y)
            if w is not None:
                rows = rows * w
            if weigh_classes and member.class_weights is not None:
                weights = np.asarray(member.class_weights, np.float32)[:, None]
                rows = rows * ops.sum(y * weights, axis=0)
            total = ops.sum(rows)
            sums.append(total)
            table.append(ops.stack([total, *(ops.sum(metric(z, y)) for metric in self._metrics)]))
        return sums, ops.stack(table, axis=1)

    def _step(
        self,
        flat: list[Any],
        x: Tensor,
        y: Tensor,
        w: Tensor | None,
        mask: Tensor | None,
        rows: Tensor,
        by_row: tuple[Tensor, Tensor],
        by_member: tuple[Tensor, Tensor],
    ) -> tuple[list[Any], Tensor]:
        parameters, slots, shared, steps = flat
        xb = ops.take(x, rows, axis=0)
        yb = ops.transpose(ops.take(y, rows, axis=0))
        wb = None if w is None else ops.take(w, rows, axis=0)
        batch = rows.shape[0]

        def loss(parameters: list[Tensor]) -> tuple[Tensor, Tensor]:
            sums, table = self._sums(
                self._outputs(parameters, xb, mask), yb, wb, weigh_classes=True
            )
            return sum(sums[1:], start=sums[0]) / float(batch), table

        table, gradients = self._backend.gradient(loss, list(parameters))
        steps = steps + 1
        t = ops.cast(steps, "float32")
        optimizer = self._objective.optimizer
        shared = optimizers.advance(optimizer, shared, t)
        new_parameters, new_slots = [], []
        for position, (parameter, gradient, own) in enumerate(
            zip(parameters, gradients, slots, strict=True)
        ):
            owner = self._owner[position]
            rate, active = by_row if owner is None else (by_member[0][owner], by_member[1][owner])
            gradient = gradient + self._penalty_gradient(position, parameter)
            parameter, own = optimizers.update(
                optimizer,
                parameter,
                gradient,
                list(own),
                rate=rate,
                active=active,
                shared=shared,
                t=t,
            )
            new_parameters.append(parameter)
            new_slots.append(own)
        return [new_parameters, new_slots, shared, steps], table

    @cached_property
    def _owner(self) -> list[int | None]:
        """The member that owns each parameter; None for the shared first kernel and bias."""
        owners: list[int | None] = [None, None]
        for member in range(len(self._layout.members)):
            owners.extend(member for _ in self._layout.deeper(member))
        return owners

    def _penalty_gradient(self, position: int, parameter: Tensor) -> Tensor | float:
        """Return the penalty's share of a gradient: `2*l2*w + l1*sign(w)`, 0 for biases."""
        members = self._layout.members
        if position == 0:
            penalties = [(member.penalties[0], member.mixture) for member in members]
            if not any(penalty for penalty, _ in penalties):
                return 0.0
            heights = [member.height for member in members]
            l2 = _column([p * (1 - mixture) for p, mixture in penalties], heights)
            l1 = _column([p * mixture for p, mixture in penalties], heights)
        else:
            owner = self._owner[position]
            if owner is None:
                return 0.0
            layer, is_bias = divmod(position - self._layout.deeper(owner).start, 2)
            member = members[owner]
            if is_bias or layer + 1 >= len(member.penalties) or not member.penalties[layer + 1]:
                return 0.0
            l2 = np.float32(member.penalties[layer + 1] * (1 - member.mixture))
            l1 = np.float32(member.penalties[layer + 1] * member.mixture)
        gradient = 2.0 * l2 * parameter
        return gradient + l1 * ops.sign(parameter) if np.any(l1) else gradient

    def _train_epoch(
        self,
        flat: list[Any],
        data: tuple[Tensor, Tensor, Tensor | None],
        order: Tensor,
        mask: Tensor | None,
        rates: Tensor,
        active: Tensor,
    ) -> tuple[list[Any], Tensor]:
        x, y, w = data
        batch = self._objective.batch_size
        full, rest = divmod(order.shape[0], batch)
        member_of_row = self._layout.member_of_row
        by_row = (
            ops.take(rates, member_of_row, axis=0)[:, None],
            ops.take(active, member_of_row, axis=0)[:, None],
        )
        sums = ops.zeros((1 + len(self._metrics), len(self._layout.members)), "float32")

        def body(i: Tensor, carried: list[Any]) -> list[Any]:
            flat, sums = carried
            flat, table = self._step(
                flat,
                x,
                y,
                w,
                _rows(mask, i * batch, batch),
                ops.slice(order, (i * batch,), (batch,)),
                by_row,
                (rates, active),
            )
            return [flat, sums + table]

        state: list[Any] = [flat, sums]
        if full:
            state = self._backend.repeat(full, body, state)
        flat, sums = state
        if rest:
            first = full * batch
            flat, table = self._step(
                flat,
                x,
                y,
                w,
                None if mask is None else mask[first:],
                order[first:],
                by_row,
                (rates, active),
            )
            sums = sums + table
        return flat, sums

    def _validation(
        self, parameters: list[Tensor], data: tuple[Tensor, Tensor, Tensor | None]
    ) -> Tensor:
        """Validate by batches as large as the training's: a product's bits depend on its shape."""
        x, y, w = data
        batch = self._objective.batch_size
        full, rest = divmod(x.shape[0], batch)

        def table(x: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
            outputs = self._outputs(parameters, x, None)
            return self._sums(outputs, ops.transpose(y), w, weigh_classes=False)[1]

        def body(i: Tensor, sums: Tensor) -> Tensor:
            first = i * batch
            return sums + table(
                _rows(x, first, batch), _rows(y, first, batch), _part(w, first, batch)
            )

        sums = ops.zeros((1 + len(self._metrics), len(self._layout.members)), "float32")
        if full:
            sums = self._backend.repeat(full, body, sums)
        if rest:
            first = full * batch
            sums = sums + table(x[first:], y[first:], None if w is None else w[first:])
        return sums


def _activated(name: str, z: Tensor) -> Tensor:
    """Return the activation of one member's hidden layer; a softmax runs over its units."""
    if name == "softmax":
        return ops.softmax(z, axis=0)
    return keras.activations.get(name)(z)


def _column(values: Sequence[float], heights: Sequence[int]) -> Any:
    return np.repeat(np.asarray(values, np.float32), heights)[:, None]


def _rows(array: Tensor | None, first: Tensor, count: int) -> Tensor | None:
    if array is None:
        return None
    return ops.slice(array, (first, 0), (count, array.shape[1]))


def _part(vector: Tensor | None, first: Tensor, count: int) -> Tensor | None:
    return None if vector is None else ops.slice(vector, (first,), (count,))
