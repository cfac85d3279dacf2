"""How tall a cohort's first kernel is: a window within which a fit's bits do not know its company.

XLA picks another kernel for small products, and another kernel adds in another order. So a low
cohort's kernel is filled up with rows of zeros, which have no gradient and no step size. One such
row stands in every cohort: a fit alone then reads its rows out of a taller product, as in company,
where the compiler would else fuse what follows in another way.
"""

from __future__ import annotations

from typing import Final

# Units of a cohort, all fits together.
TALLEST: Final = 512

# From here on the gradient's product, (rows, batch) by (batch, predictors), has one kernel.
GRADIENT_ROWS: Final = 64


def height_of(units: int, backend: str, batch_size: int) -> int:
    """Return the rows of the first kernel of a cohort of `units` units in first hidden layers."""
    return max(units + 1, _lowest(backend, batch_size))


def _lowest(backend: str, batch_size: int) -> int:
    if backend != "tensorflow":
        return 128 if batch_size <= 64 else 256
    return 8
