"""A network's answer to a matrix of predictors: a few matrix products and activations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.engine.activations import ACTIVATIONS, Matrix

# Every product is of exactly this many rows. BLAS chooses its order of summation by the shape, so
# one row alone and the same row among 10,000 would otherwise differ in their last bits.
BLOCK_ROWS = 32


def forward(
    x: Matrix, weights: Sequence[Matrix], activation: str, output_activation: str
) -> Matrix:
    """Return the network's output, float32 (rows, outputs); dropout does nothing here, as in Keras.

    Each layer is `activation(x @ kernel + bias)`.

    A row's output depends on the other rows by no more than float32 rounding (relative 1e-6). All
    products have the same shape, `BLOCK_ROWS` rows filled up with zeros, so it does not depend on
    how many rows come with it; with a BLAS that treats the rows of a product alike, as OpenBLAS
    does where it was measured, it is the same to the bit in whatever company.

    Args:
        x: float32 (rows, predictors), C order.
        weights: kernel (in, out) and bias (out,) a layer, in Keras's order.
        activation: of each hidden layer.
        output_activation: of the last layer.
    """
    rows = len(x)
    blocks = -(-rows // BLOCK_ROWS)
    if rows % BLOCK_ROWS:
        filled = np.zeros((blocks * BLOCK_ROWS, x.shape[1]), dtype=np.float32)
        filled[:rows] = x
        x = filled
    last = len(weights) // 2 - 1
    # Weights of a diverged fit may be infinite: its answer is NaN, not a warning in a log.
    with np.errstate(invalid="ignore", over="ignore"):
        for layer in range(last + 1):
            kernel, bias = weights[2 * layer], weights[2 * layer + 1]
            product = np.matmul(x.reshape(blocks, BLOCK_ROWS, kernel.shape[0]), kernel)
            z = product.reshape(blocks * BLOCK_ROWS, kernel.shape[1])
            z += bias
            x = ACTIVATIONS[activation if layer < last else output_activation](z)
    return x[:rows]
