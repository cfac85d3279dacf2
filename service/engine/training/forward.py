"""The traced forward pass of a cohort, and what is summed over a batch's rows.

To keep a fit's bits apart from its neighbours there is one product for all first layers and one
product a fit for every further layer, whatever the widths.
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

    def no_sums(self) -> Tensor:
        """Return the sums over no rows, (1 + metrics, members)."""
        return ops.zeros((1 + len(self._metrics), len(self._layout.members)), "float32")

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

    @staticmethod
    def first(parameters: list[Tensor], x: Tensor) -> Tensor:
        """Return all first layers before their activation, (height, batch)."""
        return ops.einsum("hp,bp->hb", parameters[0], x) + parameters[1]

    def outputs(
        self, hidden: Tensor, parameters: list[Tensor], mask: Tensor | None
    ) -> list[Tensor]:
        """Return each member's outputs before their activation, (outputs, batch).

        `hidden` is what `first` returned.
        """
        layout = self._layout
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

    def sums(
        self,
        outputs: list[Tensor],
        y: Tensor,
        w: Tensor | None,
        within: Tensor | None,
        *,
        weigh_classes: bool,
    ) -> tuple[list[Tensor], Tensor]:
        """Return each member's sum of row losses, and (1 + metrics, members) sums.

        `within` is 0 for the places that only fill the batch, None when there are none.
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
            total = _sum(rows, within)
            sums.append(total)
            metrics = (_sum(metric(z, y), within) for metric in self._metrics)
            table.append(ops.stack([total, *metrics]))
        return sums, ops.stack(table, axis=1)


def _sum(rows: Tensor, within: Tensor | None) -> Tensor:
    return ops.sum(rows if within is None else rows * within)


def _activated(name: str, z: Tensor) -> Tensor:
    """Return the activation of one member's hidden layer; a softmax runs over its units."""
    if name == "softmax":
        return ops.softmax(z, axis=0)
    return keras.activations.get(name)(z)
