"""All randomness of a fit as a pure function of its recorded seeds: no stream, no state.

Initial kernels are Keras's own (`network.py`); this file holds the order of the rows and the
dropout masks, drawn by numpy's Philox on the host so that every backend trains on the same ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_ORDER: Final = 1
_DROPOUT: Final = 2


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def order(shuffle_seed: int, epoch: int, n_rows: int) -> NDArray[np.int32]:
    """Return the order in which epoch `epoch` (1-based) visits `n_rows` rows, 0-based positions."""
    return _generator(_ORDER, shuffle_seed, epoch).permutation(n_rows).astype(np.int32)


def dropout_mask(
    seed: int, epoch: int, layer: int, n_rows: int, units: int, rate: float
) -> NDArray[np.uint8]:
    """Return which units stay in epoch `epoch`, (n_rows, units) of 0 and 1.

    Row i is the i-th row that the epoch visits, not the i-th of the table. A unit is dropped with
    probability `rate` (0 <= rate < 1), exact to 2**-24.
    """
    draws = _generator(_DROPOUT, seed, epoch, layer).random((n_rows, units), dtype=np.float32)
    return (draws >= np.float32(rate)).view(np.uint8)
