"""One epoch of a cohort as one compiled program: gather, forward, backward, optimizer, loop.

No Python runs between batches. Each fit's loss is its own and the total is their sum, so each
gradient is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from service.domain.window import GRADIENT_ROWS
from service.engine.training import backend, optimizers, penalty
from service.engine.training.forward import Forward
from service.engine.training.layout import Layout
from service.engine.training.objective import Objective
from service.engine.training.rows import places

Tensor = Any


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
            ),
            layout.height,
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
        self._forward = Forward(layout, objective)
        self._train: Callable[..., Any] = engine.compiled(self._train_epoch)
        self._validate: Callable[..., Any] = engine.compiled(self._validation)

    def train(
        self,
        state: State,
        data: tuple[Tensor, Tensor, Tensor | None],
        n_rows: int,
        order: Any,
        mask: Any | None,
        rates: Any,
        active: Any,
    ) -> tuple[State, NDArray[np.float64]]:
        """Run one epoch.

        Args:
            state: where the last epoch ended.
            data: predictors (rows, padded predictors), outcomes (rows, outputs), and case weights
                (rows,) or None, on the device; filled up to whole batches.
            n_rows: how many of the rows count.
            order: int32 (steps, places), the rows in the order of their visit (`rows.in_batches`).
            mask: uint8 (steps, sum of masked units, places), or None.
            rates: (members,) learn rates, 0 for one that has stopped.
            active: (members,) 1 or 0.

        Returns:
            The state and the sums over rows, float64 (members, 1 + metrics): loss, then each
            metric.
        """
        tensor, batch = self._backend.tensor, self._objective.batch_size
        ragged = n_rows % batch or places(batch) > batch
        flat, table = self._train(
            self._flatten(state),
            data,
            tensor(np.int32(n_rows)) if ragged else None,
            tensor(order),
            None if mask is None else tensor(mask),
            tensor(rates),
            tensor(active),
        )
        return self._restore(flat), self._summed(table)

    def validate(
        self, state: State, data: tuple[Tensor, Tensor, Tensor | None], n_rows: int
    ) -> NDArray[np.float64]:
        """Return the sums over validation rows, as `train` does.

        The arrays are filled up to whole batches of `places`; `n_rows` of them count.
        """
        n = self._backend.tensor(np.int32(n_rows))
        return self._summed(self._validate(state.parameters, data, n))

    def _summed(self, table: Tensor) -> NDArray[np.float64]:
        """Return the sums over the places of a batch, at each of which an epoch was summed."""
        by_place: NDArray[np.float32] = self._backend.array(table)
        sums: NDArray[np.float64] = by_place.sum(axis=1, dtype=np.float64)
        return sums.reshape(len(self._layout.members), -1)

    @staticmethod
    def _flatten(state: State) -> list[Any]:
        return [state.parameters, state.slots, state.shared, state.steps]

    @staticmethod
    def _restore(flat: Sequence[Any]) -> State:
        return State(list(flat[0]), [list(slots) for slots in flat[1]], flat[2], flat[3])

    # The rest is traced: it runs once for each shape and becomes the program.

    def _step(
        self,
        flat: list[Any],
        data: tuple[Tensor, Tensor, Tensor | None],
        rows: Tensor,
        within: Tensor | None,
        mask: Tensor | None,
        by_row: tuple[Tensor, Tensor],
        by_member: tuple[Tensor, Tensor],
    ) -> tuple[list[Any], Tensor]:
        parameters, slots, shared, steps = flat
        x, y, w = data
        xb = ops.take(x, rows, axis=0)
        yb = ops.transpose(ops.take(y, rows, axis=0))
        wb = None if w is None else ops.take(w, rows, axis=0)
        count = float(self._objective.batch_size) if within is None else ops.sum(within)

        members = len(self._layout.members)

        def loss(differentiated: list[Tensor]) -> tuple[Tensor, Tensor]:
            hidden, deeper = differentiated[:members], differentiated[members:]
            outputs = self._forward.outputs(hidden, [parameters[0], *deeper], mask)
            sums, table = self._forward.rows(outputs, yb, wb, within, weigh_classes=True)
            return sum(sums[1:], start=sums[0]) / count, table

        hidden = self._forward.first(parameters, xb)
        table, found = self._backend.gradient(loss, [*hidden, *parameters[1:]])
        gradients = [self._first_gradient(found[:members], xb), *found[members:]]
        steps = steps + 1
        t = ops.cast(steps, "float32")
        optimizer = self._objective.optimizer
        shared = optimizers.advance(optimizer, shared, t)
        owners = self._layout.owners
        new_parameters, new_slots = [], []
        for position, (parameter, gradient, own) in enumerate(
            zip(parameters, gradients, slots, strict=True)
        ):
            owner = owners[position]
            rate, active = by_row if owner is None else (by_member[0][owner], by_member[1][owner])
            gradient = gradient + penalty.gradient(self._layout, position, parameter)
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

    def _first_gradient(self, by_hidden: list[Tensor], x: Tensor) -> Tensor:
        """Return the gradient of the first kernel from those of what `Forward.first` returned.

        The members' rows are repeated up to the height that is wanted, and what the repeats give
        is not used: rows of zeros the compiler would take out of the product.
        """
        height = self._layout.height
        rows = max(height, GRADIENT_ROWS)
        units = sum(each.shape[0] for each in by_hidden)
        tall = ops.concatenate(by_hidden * -(-rows // units), axis=0)
        return ops.matmul(tall[:rows], x)[:height]

    def _train_epoch(
        self,
        flat: list[Any],
        data: tuple[Tensor, Tensor, Tensor | None],
        n_rows: Tensor | None,
        order: Tensor,
        mask: Tensor | None,
        rates: Tensor,
        active: Tensor,
    ) -> tuple[list[Any], Tensor]:
        x, y, w = data
        batch = self._objective.batch_size
        member_of_row, zero = self._layout.member_of_row, ops.zeros((1,), "float32")
        by_row = tuple(
            ops.take(ops.concatenate([each, zero]), member_of_row, axis=0)[:, None]
            for each in (rates, active)
        )

        def body(i: Tensor, carried: list[Any]) -> list[Any]:
            flat, table = carried
            flat, rows = self._step(
                flat,
                (x, y, w),
                ops.take(order, i, axis=0),
                None if n_rows is None else _within(i, batch, n_rows),
                None if mask is None else ops.take(mask, i, axis=0),
                by_row,
                (rates, active),
            )
            return [flat, table + rows]

        start = [flat, self._forward.no_rows(places(batch))]
        flat, table = self._backend.repeat(order.shape[0], body, start)
        return flat, table

    def _validation(
        self,
        parameters: list[Tensor],
        data: tuple[Tensor, Tensor, Tensor | None],
        n_rows: Tensor,
    ) -> Tensor:
        """Validate by batches as large as the training's: a product's bits depend on its shape."""
        x, y, w = data
        batch = places(self._objective.batch_size)

        def body(i: Tensor, table: Tensor) -> Tensor:
            first = i * batch
            hidden = self._forward.first(parameters, _rows(x, first, batch))
            outputs = self._forward.outputs(hidden, parameters, None)
            return (
                table
                + self._forward.rows(
                    outputs,
                    ops.transpose(_rows(y, first, batch)),
                    _part(w, first, batch),
                    _within(i, batch, n_rows),
                    weigh_classes=False,
                )[1]
            )

        return self._backend.repeat(x.shape[0] // batch, body, self._forward.no_rows(batch))


def _within(i: Tensor, batch: int, n_rows: Any) -> Tensor:
    """Return 1 for each place of batch `i` that holds a row, 0 for those that are empty."""
    place = ops.arange(places(batch), dtype="int32")
    holds = i * batch + place < n_rows
    if places(batch) > batch:
        holds = ops.logical_and(holds, place < batch)
    return ops.cast(holds, "float32")


def _rows(array: Tensor, first: Tensor, count: int) -> Tensor:
    return ops.slice(array, (first, 0), (count, array.shape[1]))


def _part(vector: Tensor | None, first: Tensor, count: int) -> Tensor | None:
    return None if vector is None else ops.slice(vector, (first,), (count,))
