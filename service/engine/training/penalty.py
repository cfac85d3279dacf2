"""The penalty: its gradient in every step, its value once an epoch.

`penalty * ((1 - mixture) * sum(w**2) + mixture * sum(|w|))` of each penalised kernel, which is
keras.regularizers.L1L2 with l2 = penalty * (1 - mixture) and l1 = penalty * mixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from service.engine.training.layout import Layout, padded
from service.engine.training.members import Member

Tensor = Any


def gradient(layout: Layout, position: int, parameter: Tensor) -> Tensor | float:
    """Return a parameter's share of the gradient, traced: `2*l2*w + l1*sign(w)`, 0 for biases."""
    found = _coefficients(layout, position)
    if found is None:
        return 0.0
    l2, l1 = found
    share = 2.0 * l2 * parameter
    return share + l1 * ops.sign(parameter) if np.any(l1) else share


def value(member: Member, kernels: Sequence[NDArray[np.float32]]) -> float:
    """Return a member's penalty for its hidden kernels as they are, summed in float64.

    Keras adds it in every batch; taken once an epoch it costs nothing (a strict row sum in each
    batch costs 26 %), and it is what a validation at the epoch's end sees.
    """
    total = 0.0
    for kernel, penalty in zip(kernels, member.penalties, strict=False):
        if penalty:
            wide = kernel.astype(np.float64)
            squares, absolutes = float(np.sum(wide**2)), float(np.sum(np.abs(wide)))
            total += penalty * ((1 - member.mixture) * squares + member.mixture * absolutes)
    return total


def _coefficients(layout: Layout, position: int) -> tuple[Any, Any] | None:
    """Return l2 and l1 of a parameter: of each place in the cohort's kernel, or of a fit's own."""
    if position == 0:
        both = [
            (member.penalties[0] * (1 - member.mixture), member.penalties[0] * member.mixture)
            for member in layout.members
        ]
        if not any(l2 or l1 for l2, l1 in both):
            return None
        both.append((0.0, 0.0))  # the rows of zeros
        rows = np.asarray(both, np.float32)[layout.member_of_row]
        predictors = layout.members[0].network.predictors
        is_weight = np.arange(padded(predictors)) < predictors  # behind them stands the bias
        return rows[:, :1] * is_weight, rows[:, 1:] * is_weight
    owner = layout.owners[position]
    if owner is None:
        return None
    layer, is_bias = divmod(position - layout.deeper(owner).start, 2)
    member = layout.members[owner]
    # The output kernel, behind the last hidden one, carries none.
    penalty = 0.0 if is_bias else (*member.penalties, 0.0)[layer + 1]
    if not penalty:
        return None
    return np.float32(penalty * (1 - member.mixture)), np.float32(penalty * member.mixture)
