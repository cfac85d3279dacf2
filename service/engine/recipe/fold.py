"""A fitted recipe as one offset and one scale a column, where it is no more than that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.engine.recipe.fitted import FittedRecipe
from service.engine.recipe.source import Floats


class Affine(NamedTuple):
    """`baked[:, j] = raw[:, i] * scale[j] + offset[j]` where `j = output[i]`.

    `offset` and `scale` are float64 (outputs,), in the order of `fitted.outputs`. `output` is int64
    (required,): the output that each of `fitted.required` becomes, in that order.
    """

    offset: Floats
    scale: Floats
    output: NDArray[np.int64]


def affine(fitted: FittedRecipe) -> Affine | None:
    """Return the recipe as a linear function of each column, or None if some step is none.

    A network's first kernel can take it in: `kernel * scale` and `bias + offset @ kernel`. The
    result differs from `bake`'s by rounding only, as subtraction and division become a product and
    a sum: at most a few units of the last place of `raw * scale` and `offset`.
    """
    scales = np.ones(len(fitted.outputs))
    offsets = np.zeros(len(fitted.outputs))
    for column, name in enumerate(fitted.outputs):
        for step in reversed(fitted.steps):
            if not step.writes(name):
                continue
            linear = step.linear(name)
            if linear is None:
                return None
            offsets[column] += scales[column] * linear.offset
            scales[column] *= linear.scale
    if not (np.isfinite(scales).all() and np.isfinite(offsets).all()):
        return None
    place = {name: column for column, name in enumerate(fitted.outputs)}
    output = np.array([place[name] for name in fitted.required], dtype=np.int64)
    return Affine(offsets, scales, output)
