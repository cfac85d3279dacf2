"""Who leads a tune that runs, kept up to date result by result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.domain.tune.candidates import Candidate
from service.domain.tune.ranking import Ranked, leader_of, summary
from service.domain.tune.results import TrialResult, scores_of, trials_of


class Leading:
    """The leader by one metric: at any time the first row of `ranked` that has an estimate.

    Only the candidates that have a new result are summed up again.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._results: dict[int, list[TrialResult]] = {}
        self._rows: dict[int, Ranked] = {}

    def add(self, results: Iterable[TrialResult], candidates: Mapping[int, Candidate]) -> None:
        """Take in new results; `candidates` has theirs by trial."""
        changed = set()
        for each in results:
            self._results.setdefault(each.trial, []).append(each)
            changed.add(each.trial)
        for number in changed:
            self._rows[number] = self._summed(candidates[number], self._results[number])

    def row(self) -> dict[str, Any] | None:
        """Return the leader's row as `show_best` has it; None as long as nobody was judged."""
        leader = leader_of(self._rows.values())
        return None if leader is None else leader.as_row()

    def _summed(self, candidate: Candidate, results: Sequence[TrialResult]) -> Ranked:
        (trial,) = trials_of([candidate], results)
        estimates = [
            score.estimate
            for score in scores_of(results)
            if score.metric == self._metric and score.estimate is not None
        ]
        return summary(trial, self._metric, estimates)
