"""The traced forward pass of a cohort, and the losses and metrics of a batch's rows.

To keep a fit's bits apart from its neighbours there is one product for all first layers and one
product a fit for every further layer, whatever the widths. Nor is anything summed over rows that a
history keeps: the compiler adds up a sum in another order where it computes the values on the way.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops

from service.engine.training import losses
from service.engine.training.layout import Layout
from service.engine.training.objective import Objective

Tensor = Any


class Forward:
    """Outputs, losses and metrics of every member for one batch."""

    def __init__(self, layout: Layout, objective: Objective) -> None:
        by_class = objective.mode == "classification"
        losses_by_name = losses.CLASSIFICATION_LOSSES if by_class else losses.REGRESSION_LOSSES
        metrics_by_name = losses.CLASSIFICATION_METRICS if by_class else losses.REGRESSION_METRICS
        self._layout = layout
        self._loss = losses_by_name[objective.loss]
        self._metrics = [metrics_by_name[name] for name in objective.metrics]

    def no_rows(self, batch: int) -> Tensor:
        """Return the values of no rows, (members * (1 + metrics), batch)."""
        return ops.zeros((len(self._layout.members) * (1 + len(self._metrics)), batch), "float32")

    @cached_property
    def _masked(self) -> list[tuple[int, int, int, int, float]]:
        """For each dropout: member, hidden layer, first and last row of the mask, scale."""
        found, row = [], 0
        for index, member in enumerate(self._layout.members):
            network = member.network
            for layer, rate in enumerate(network.dropouts):
                if rate > 0:
                    end = row + network.hidden[layer]
                    found.append((index, layer, row, end, 1.0 / (1.0 - rate)))
                    row = end
        return found

    def first(self, parameters: list[Tensor], x: Tensor) -> list[Tensor]:
        """Return each member's first layer before its activation, (units, batch)."""
        layout = self._layout
        together = ops.einsum("hp,bp->hb", parameters[0], x)
        return [
            together[start : start + member.height]
            for member, start in zip(layout.members, layout.starts, strict=True)
        ]

    def outputs(
        self, hidden: list[Tensor], parameters: list[Tensor], mask: Tensor | None
    ) -> list[Tensor]:
        """Return each member's outputs before their activation, (outputs, batch).

        `hidden` is what `first` returned, `parameters` all of the cohort's.
        """
        layout = self._layout
        outputs = []
        for index, (member, z) in enumerate(zip(layout.members, hidden, strict=True)):
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
                return a * ops.cast(mask[first:last], "float32") * scale
        return a

    def rows(
        self,
        outputs: list[Tensor],
        y: Tensor,
        w: Tensor | None,
        within: Tensor | None,
        *,
        weigh_classes: bool,
    ) -> tuple[list[Tensor], Tensor]:
        """Return each member's sum of row losses, and a table (members * (1 + metrics), batch).

        The table has each member's loss of every row, then its metrics of every row. `within` is 0
        for the places that only fill the batch, None when there are none.
        """
        sums: list[Tensor] = []
        table: list[Tensor] = []
        for member, z in zip(self._layout.members, outputs, strict=True):
            rows = self._loss(z, y)
            if w is not None:
                rows = rows * w
            if weigh_classes and member.class_weights is not None:
                weights = np.asarray(member.class_weights, np.float32)[:, None]
                rows = rows * ops.sum(y * weights, axis=0)
            values = [rows, *(metric(z, y) for metric in self._metrics)]
            if within is not None:
                values = [each * within for each in values]
            sums.append(ops.sum(values[0]))
            table += values
        return sums, ops.stack(table)


def _activated(name: str, z: Tensor) -> Tensor:
    """Return the activation of one member's hidden layer; a softmax runs over its units."""
    if name == "softmax":
        # keras.ops.softmax moves its axis to the end. With the units there, XLA computes the first
        # product of a fit alone the other way round, rows of data by units.
        e = ops.exp(z - ops.stop_gradient(ops.max(z, axis=0, keepdims=True)))
        return e / ops.sum(e, axis=0, keepdims=True)
    return keras.activations.get(name)(z)
