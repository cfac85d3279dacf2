"""How a cohort's weights lie: hidden units are the rows of one kernel, the rest is a list a fit.

`parameters` is a flat list: the first kernel with its bias as one more column (sum of hidden,
predictors + 1, padded), then for each member and each further layer a kernel (out, in) and a bias
(out, 1). Units along the first axis, rows of data along the last: every elementwise operation runs
along the batch.

The bias is a column, for predictors that are 1 in every row, so that its gradient comes out of the
same product: a reduction of its own is fused with what happens to stand before it, and then adds in
an order that depends on the company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine.training.members import Member
from service.engine.training.network import Weights

Arrays = list[NDArray[np.float32]]

LANES = 16  # columns of the table and the first kernel are padded to a multiple: 5 % faster


def padded(predictors: int) -> int:
    """Return the columns that predictors and the one for the bias take, a multiple of `LANES`."""
    return -(-(predictors + 1) // LANES) * LANES


def with_ones(x: NDArray[np.float32], predictors: int) -> NDArray[np.float32]:
    """Set the column behind the predictors to 1, in place, and return the array."""
    x[:, predictors] = 1.0
    return x


@dataclass(frozen=True)
class Layout:
    """Where each member's weights lie in the cohort's parameters.

    `height` are the rows of the first kernel (service.domain.window): the members', then zeros.
    """

    members: tuple[Member, ...]
    height: int

    @property
    def starts(self) -> tuple[int, ...]:
        """Each member's first row in the first kernel."""
        heights = [member.height for member in self.members]
        return tuple(int(start) for start in np.cumsum([0, *heights[:-1]]))

    @property
    def member_of_row(self) -> NDArray[np.int32]:
        """The member that each row of the first kernel belongs to; their number for the zeros."""
        heights = [member.height for member in self.members]
        return np.repeat(
            np.arange(len(self.members) + 1, dtype=np.int32), [*heights, self.height - sum(heights)]
        )

    @property
    def owners(self) -> tuple[int | None, ...]:
        """The member that owns each of `parameters`; None for the shared first kernel."""
        own = [member for member in range(len(self.members)) for _ in self.deeper(member)]
        return (None, *own)

    def deeper(self, member: int) -> range:
        """Return the positions in `parameters` of a member's further kernels and biases."""
        sizes = [2 * len(m.network.hidden) for m in self.members]
        start = 1 + sum(sizes[:member])
        return range(start, start + sizes[member])

    def pack(self, weights: Sequence[Weights]) -> Arrays:
        """Return the cohort's parameters from each member's Keras weights."""
        predictors = self.members[0].network.predictors
        kernel = np.zeros((self.height, padded(predictors)), np.float32)
        rest: Arrays = []
        for start, own in zip(self.starts, weights, strict=True):
            rows = slice(start, start + own[0].shape[1])
            kernel[rows, :predictors] = own[0].T
            kernel[rows, predictors] = own[1]
            for kernel_or_bias in own[2:]:
                rest.append(
                    np.ascontiguousarray(kernel_or_bias.T)
                    if kernel_or_bias.ndim == 2
                    else kernel_or_bias[:, None].copy()
                )
        return [kernel, *rest]

    def unpack(self, parameters: Sequence[NDArray[np.float32]], member: int) -> Weights:
        """Return one member's Keras weights from the cohort's parameters."""
        network = self.members[member].network
        start = self.starts[member]
        rows = slice(start, start + self.members[member].height)
        own = [
            np.ascontiguousarray(parameters[0][rows, : network.predictors].T),
            parameters[0][rows, network.predictors].copy(),
        ]
        for position in self.deeper(member):
            array = parameters[position]
            is_bias = array.shape[1] == 1 and (position - self.deeper(member).start) % 2 == 1
            own.append(array[:, 0].copy() if is_bias else np.ascontiguousarray(array.T))
        return tuple(own)
