"""Points in the unit cube: independent ones, and Latin hypercubes whose points lie far apart.

Python's Mersenne Twister gives the same points for a seed on every machine and version; only its
`random()` is used, which is promised to stay.
"""

from __future__ import annotations

import math
import random
from typing import Final

Point = tuple[float, ...]

_TRIES: Final = 40
# Distances looked at in all, some tenths of a second.
_WORK: Final = 2_000_000


def independent(size: int, dimensions: int, seed: int) -> tuple[Point, ...]:
    """Return `size` independent points, each coordinate uniform in [0, 1)."""
    source = random.Random(seed)
    return tuple(tuple(source.random() for _ in range(dimensions)) for _ in range(size))


def space_filling(size: int, dimensions: int, seed: int) -> tuple[Point, ...]:
    """Return a Latin hypercube: along each axis one point in the middle of each of `size` parts.

    Of up to 40 random ones, that whose two closest points are farthest apart (maximin; Johnson,
    Moore and Ylvisaker, 1990). Fewer are tried where there are many points.

    Args:
        size: points, at least 1.
        dimensions: axes.
        seed: 0 to 2^31 - 1.
    """
    source = random.Random(seed)
    work = max(1, size * (size - 1) // 2 * dimensions)
    tries = max(1, min(_TRIES, _WORK // work))
    designs = [_hypercube(size, dimensions, source) for _ in range(tries)]
    if tries == 1:
        return designs[0]
    return max(designs, key=_closest)


def _hypercube(size: int, dimensions: int, source: random.Random) -> tuple[Point, ...]:
    axes = [[(cell + 0.5) / size for cell in _shuffled(size, source)] for _ in range(dimensions)]
    return tuple(zip(*axes, strict=True)) if axes else ((),) * size


def _shuffled(size: int, source: random.Random) -> list[int]:
    # Not `shuffle`, whose draws another version of Python may use in another way.
    cells = list(range(size))
    for at in range(size - 1, 0, -1):
        other = int(source.random() * (at + 1))
        cells[at], cells[other] = cells[other], cells[at]
    return cells


def _closest(points: tuple[Point, ...]) -> float:
    """Return the smallest squared distance between two points."""
    return min(
        (
            sum((a - b) * (a - b) for a, b in zip(one, other, strict=True))
            for at, one in enumerate(points)
            for other in points[:at]
        ),
        default=math.inf,
    )
