"""How a cohort's weights lie: hidden units are the rows of one kernel, the rest is a list a fit.

`parameters` is a flat list: the first kernel (sum of hidden, predictors), its bias (sum of hidden,
1), then for each member and each further layer a kernel (out, in) and a bias (out, 1). Units along
the first axis, rows of data along the last: every elementwise operation runs along the batch.
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
    """Return the number of columns that `predictors` columns take, a multiple of `LANES`."""
    return -(-predictors // LANES) * LANES


@dataclass(frozen=True)
class Layout:
    """Where each member's weights lie in the cohort's parameters."""

    members: tuple[Member, ...]

    @property
    def height(self) -> int:
        """Rows of the first kernel."""
        return sum(member.height for member in self.members)

    @property
    def starts(self) -> tuple[int, ...]:
        """Each member's first row in the first kernel."""
        heights = [member.height for member in self.members]
        return tuple(int(start) for start in np.cumsum([0, *heights[:-1]]))

    @property
    def member_of_row(self) -> NDArray[np.int32]:
        """The member that each row of the first kernel belongs to."""
        return np.repeat(
            np.arange(len(self.members), dtype=np.int32),
            [member.height for member in self.members],
        )

    @property
    def owners(self) -> tuple[int | None, ...]:
        """The member that owns each of `parameters`; None for the shared first kernel and bias."""
        own = [member for member in range(len(self.members)) for _ in self.deeper(member)]
        return (None, None, *own)

    def deeper(self, member: int) -> range:
        """Return the positions in `parameters` of a member's further kernels and biases."""
        sizes = [2 * len(m.network.hidden) for m in self.members]
        start = 2 + sum(sizes[:member])
        return range(start, start + sizes[member])

    def pack(self, weights: Sequence[Weights]) -> Arrays:
        """Return the cohort's parameters from each member's Keras weights."""
        columns = padded(self.members[0].network.predictors)
        kernel = np.zeros((self.height, columns), np.float32)
        bias = np.zeros((self.height, 1), np.float32)
        rest: Arrays = []
        for start, own in zip(self.starts, weights, strict=True):
            rows = slice(start, start + own[0].shape[1])
            kernel[rows, : own[0].shape[0]] = own[0].T
            bias[rows, 0] = own[1]
            for kernel_or_bias in own[2:]:
                rest.append(
                    np.ascontiguousarray(kernel_or_bias.T)
                    if kernel_or_bias.ndim == 2
                    else kernel_or_bias[:, None].copy()
                )
        return [kernel, bias, *rest]

    def unpack(self, parameters: Sequence[NDArray[np.float32]], member: int) -> Weights:
        """Return one member's Keras weights from the cohort's parameters."""
        network = self.members[member].network
        start = self.starts[member]
        rows = slice(start, start + self.members[member].height)
        own = [
            np.ascontiguousarray(parameters[0][rows, : network.predictors].T),
            parameters[1][rows, 0].copy(),
        ]
        for position in self.deeper(member):
            array = parameters[position]
            is_bias = array.shape[1] == 1 and (position - self.deeper(member).start) % 2 == 1
            own.append(array[:, 0].copy() if is_bias else np.ascontiguousarray(array.T))
        return tuple(own)
