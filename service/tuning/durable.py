"""How much of a tune an interruption does not cost: epochs that need not be trained again."""

from __future__ import annotations

from collections.abc import Iterable

from service.domain.tune.results import TrialResult

Key = tuple[int, int]


class Durable:
    """The epochs of a tune's fits that are in results or checkpoints; the count never falls.

    After a resume the checkpoints of an earlier attempt are there, but which of them are of what
    epoch is known only once their cohorts train: until then the count stands still.
    """

    def __init__(self, results: Iterable[TrialResult], told: int) -> None:
        """`told` is the count that an earlier attempt told, 0 without one."""
        self._epochs = {(each.trial, each.fold): each.epochs_run for each in results}
        self._ended = set(self._epochs)
        self._most = told

    def ended(self, results: Iterable[TrialResult]) -> None:
        """Count fits that have ended, whose results are kept."""
        for each in results:
            self._epochs[each.trial, each.fold] = each.epochs_run
            self._ended.add((each.trial, each.fold))

    def kept(self, fits: Iterable[Key], epoch: int) -> int:
        """Count a checkpoint of fits that train together, and return the epochs of all fits."""
        for key in fits:
            if key not in self._ended:
                self._epochs[key] = epoch
        self._most = max(self._most, sum(self._epochs.values()))
        return self._most
