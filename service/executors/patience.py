"""How long training may go without progress before it counts as hung."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from service.domain.history import EpochRecord

# The last epochs say what an epoch takes now; a cohort's become shorter as its members end.
_REMEMBERED = 51


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for a sign of progress.

    `unknown_seconds` while no epoch is known: reading, preparing, compiling, and at the end judging
    and writing. Then `epochs` times the median epoch, but at least `least_seconds`, which a
    checkpoint on a slow disk and a cohort that is compiled anew stay far below.
    """

    unknown_seconds: float = 600.0
    least_seconds: float = 60.0
    epochs: float = 10.0


class Watch:
    """Told every sign of progress, it tells when there was none for too long.

    It counts only time in which it was asked: a parent that was stopped itself, or that waited for
    its database, has not seen its child do nothing.
    """

    def __init__(
        self,
        patience: Patience,
        *,
        asked_every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`asked_every`: seconds between two questions, at most, where nothing goes wrong."""
        self._patience = patience
        self._most = 2 * asked_every
        self._clock = clock
        self._epochs: deque[float] = deque(maxlen=_REMEMBERED)
        self._asked_at = clock()
        self.silent_seconds = 0.0

    def epoch(self, records: Sequence[EpochRecord]) -> None:
        """An epoch ended; of a cohort it is told once for all members."""
        if records:
            self._epochs.append(records[-1].seconds)
        self.sign()

    def trained(self) -> None:
        """The last epoch ended: what follows takes as long as it takes."""
        self._epochs.clear()
        self.sign()

    def sign(self) -> None:
        """Something went forward."""
        self._asked_at = self._clock()
        self.silent_seconds = 0.0

    def is_over(self) -> bool:
        """Tell whether there was no progress for too long."""
        now = self._clock()
        self.silent_seconds += min(now - self._asked_at, self._most)
        self._asked_at = now
        return self.silent_seconds > self.seconds

    @property
    def seconds(self) -> float:
        """How long it waits at the moment."""
        if not self._epochs:
            return self._patience.unknown_seconds
        usual = self._patience.epochs * median(self._epochs)
        return max(usual, self._patience.least_seconds)
