"""What can happen to a file that lies about: it is torn at a page, or a bit of it flips."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

PAGE = 4096
FLIPS = 1000


def damages(whole: bytes, flips: int = FLIPS) -> Iterator[bytes]:
    """Yield the content torn at every page, without its last byte, and with one bit flipped."""
    yield from (whole[:place] for place in range(0, len(whole), PAGE))
    yield whole[:-1]
    draws = np.random.default_rng(17)
    for _ in range(flips):
        flipped = bytearray(whole)
        flipped[draws.integers(len(whole))] ^= 1 << int(draws.integers(8))
        yield bytes(flipped)
