"""What a search is told of its results, and when it proposes the next candidates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.domain.tune.candidates import candidates
from service.domain.tune.proposals import Proposal, proposed_candidates
from service.domain.tune.resolving import Contender, ResolvedTune
from service.domain.tune.results import TrialResult
from service.domain.tune.spec import Finalize
from service.tuning.searching import judged, next_round
from tests.domain.tune.tuned import tune

OPEN = {"tune": True}
GRID: dict[str, Any] = {"kind": "bayes", "initial": 4, "size": 10, "seed": 3}


def resolved(*proposals: Proposal, metric: str = "accuracy", **grid: Any) -> ResolvedTune:
    """Return a tune by its candidates alone, as far as searching looks at it."""
    spec = tune({**GRID, **grid}, model={"penalty": OPEN, "hidden_units": OPEN})
    first = candidates(spec)
    known = (*first, *proposed_candidates(spec, len(first), proposals))
    return ResolvedTune(
        spec=spec,
        mode="classification",
        metrics=(metric, "roc_auc"),
        contenders=tuple(Contender(candidate=each, found=None, note=None) for each in known),
        resamples=2,
        initial=len(first),
        trials=GRID["size"],
    )


def result(trial: int, fold: int, score: float | None, metric: str = "accuracy") -> TrialResult:
    return TrialResult(
        trial=trial, fold=fold, ending="completed", scores={metric: score, "roc_auc": 0.5}
    )


def told(metric: str, *scores: float | None) -> list[float | None]:
    results = [
        result(trial, fold, score, metric)
        for trial, score in enumerate(scores, 1)
        for fold in (1, 2)
    ]
    return [each.badness for each in judged(resolved(metric=metric), results)]


def test_the_better_candidate_is_told_as_the_lower_number() -> None:
    assert told("accuracy", 0.5, 0.75, 0.25, 1.0) == [-0.5, -0.75, -0.25, -1.0]
    assert told("mn_log_loss", 0.5, 0.75, 0.25, 1.0) == [0.5, 0.75, 0.25, 1.0]


def test_the_metric_that_the_best_is_chosen_by_is_the_one_that_is_told() -> None:
    found = resolved()
    spec = found.spec.model_copy(update={"finalize": Finalize(metric="roc_auc")})
    results = [result(trial, 1, trial / 10) for trial in range(1, 5)]
    assert [each.badness for each in judged(found, results)] == [-0.1, -0.2, -0.3, -0.4]
    chosen = judged(replace(found, spec=spec), results)
    assert [each.badness for each in chosen] == [-0.5] * 4
    without = found.spec.model_copy(update={"finalize": Finalize()})
    assert judged(replace(found, spec=without), results) == judged(found, results)


def test_candidates_are_told_in_their_order_with_their_values() -> None:
    found = resolved()
    results = [result(trial, 1, 0.1 * trial) for trial in (4, 2, 3, 1)]
    told = judged(found, results)
    assert [each.values for each in told] == [c.candidate.values for c in found.contenders]
    assert [each.badness for each in told] == [pytest.approx(-0.1 * trial) for trial in range(1, 5)]


def test_a_candidate_that_was_not_judged_on_every_fold_is_told_as_a_failure() -> None:
    results = [
        *(result(1, fold, 0.5) for fold in (1, 2)),
        # The one fold that did not fail flatters it.
        result(2, 1, 0.99),
        TrialResult(trial=2, fold=2, ending="diverged", note="not finite"),
        *(result(3, fold, None) for fold in (1, 2)),
        TrialResult(trial=4, fold=1, ending="failed", note="refused"),
    ]
    assert [each.badness for each in judged(resolved(), results)] == [-0.5, None, None, None]


def everything(tune: ResolvedTune) -> list[TrialResult]:
    return [
        result(trial, fold, 1 / (1 + trial))
        for trial in range(1, len(tune.contenders) + 1)
        for fold in (1, 2)
    ]


def test_rounds_are_as_large_as_the_first_until_the_size_is_reached() -> None:
    found, rounds = resolved(), []
    proposals: list[Proposal] = []
    while more := next_round(found, everything(found), lambda: False):
        rounds.append([each.trial for each in more])
        proposals += more
        found = resolved(*proposals)
    assert rounds == [[5, 6, 7, 8], [9, 10]]
    values = [dict(each.candidate.values) for each in found.contenders]
    assert len({str(each) for each in values}) == 10
    assert all(list(each) == ["penalty", "hidden_units"] for each in values)


def test_a_round_is_the_same_for_the_same_results_in_any_order_and_another_for_others() -> None:
    found = resolved()
    results = everything(found)
    first = next_round(found, results, lambda: False)
    assert next_round(found, results[::-1], lambda: False) == first
    best_last = [
        each.model_copy(update={"scores": {"accuracy": each.trial / 10}}) for each in results
    ]
    assert next_round(found, best_last, lambda: False) != first
    assert next_round(resolved(seed=4), results, lambda: False) != first


def test_a_grid_that_is_known_before_has_no_next_round() -> None:
    spec = tune({"kind": "random", "size": 3, "seed": 1}, model={"penalty": OPEN})
    found = resolved()
    other = replace(found, spec=spec, trials=4)
    assert next_round(other, everything(other), lambda: False) == ()


def test_a_search_that_is_stopped_has_no_next_round_yet() -> None:
    found = resolved()
    assert next_round(found, everything(found), lambda: True) is None
