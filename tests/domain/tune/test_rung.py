"""A rung of a race: who stops there, what they are told, and whether it was decided before."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.tune.results import TrialResult
from service.domain.tune.rung import Verdict, is_decided, judge

AT = 6


def result(trial: int, accuracy: float | None = None, fold: int = 1, **fields: Any) -> TrialResult:
    given = {"ending": "paused", "epochs_run": AT, **fields}
    return TrialResult(trial=trial, fold=fold, scores={"accuracy": accuracy}, **given)


def ended(trial: int, accuracy: float | None = None, fold: int = 1, **fields: Any) -> TrialResult:
    return result(trial, accuracy, fold, **{"ending": "early_stopping", "epochs_run": 5, **fields})


def at_six(
    before: list[TrialResult], paused: list[TrialResult], metric: str = "accuracy"
) -> Verdict:
    return judge(AT, before, paused, factor=3, metric=metric)


def stopped(verdict: Verdict) -> list[tuple[int, int]]:
    return [(each.trial, each.fold) for each in verdict.stopped]


def test_all_but_the_best_third_stop_on_all_their_folds_and_keep_what_they_have() -> None:
    folds = {1: (0.5, 0.9), 2: (0.8, 0.8), 3: (0.9, 0.1), 4: (0.6, 0.7)}
    paused = [
        result(trial, score, fold, weights_sha256=f"{trial}.{fold}", best_epoch=4)
        for trial, scores in folds.items()
        for fold, score in enumerate(scores, 1)
    ]
    found = at_six([], paused)
    assert stopped(found) == [(3, 1), (3, 2), (4, 1), (4, 2)]
    first = found.stopped[0]
    note = (
        "Stopped by the race after epoch 6: its mean accuracy, 0.5, is not among the best 2 of 4, "
        "the last of which has 0.7."
    )
    assert first == result(
        3, 0.9, 1, weights_sha256="3.1", best_epoch=4, ending="pruned", pruned_at=6, note=note
    )
    assert found.line == (
        "rung of epoch 6: 4 judged by accuracy, 2 stopped; trial 2 leads with 0.8"
    )


def test_a_metric_that_is_to_be_small_keeps_the_smallest() -> None:
    paused = [
        TrialResult(trial=trial, fold=1, ending="paused", scores={"rmse": rmse}, epochs_run=AT)
        for trial, rmse in ((1, 3.0), (2, 1.0), (3, 2.0))
    ]
    assert stopped(at_six([], paused, "rmse")) == [(1, 1), (3, 1)]


def test_who_ended_before_is_compared_with_and_does_not_stop() -> None:
    found = at_six([ended(1, 0.9), ended(2, 0.1)], [result(3, 0.5), result(4, 0.8)])
    assert stopped(found) == [(3, 1)]
    better = at_six([ended(1, 0.9), ended(2, 0.95)], [result(3, 0.5), result(4, 0.8)])
    assert stopped(better) == [(3, 1), (4, 1)]


def test_of_a_candidate_that_ended_on_some_folds_only_the_others_stop() -> None:
    found = at_six(
        [ended(1, 0.2, 1), ended(2, 0.9, 1)],
        [result(1, 0.2, 2), result(2, 0.9, 2), result(3, 0.5, 1), result(3, 0.5, 2)],
    )
    assert stopped(found) == [(1, 2), (3, 1), (3, 2)]


def test_who_stopped_at_a_rung_before_is_out_of_the_race() -> None:
    out = [
        result(trial, 0.99, ending="pruned", epochs_run=2, pruned_at=2, note="n")
        for trial in range(1, 7)
    ]
    found = at_six(out, [result(7, 0.4), result(8, 0.5), result(9, 0.6)])
    assert stopped(found) == [(7, 1), (8, 1)]
    assert "best 1 of 3" in str(found.stopped[0].note)


def test_who_lacks_a_fold_that_others_have_stops() -> None:
    diverged = TrialResult(trial=1, fold=1, ending="diverged", epochs_run=1, note="not finite")
    found = at_six([diverged], [result(1, 1.0, 2), result(2, 0.1, 1), result(2, 0.1, 2)])
    assert stopped(found) == [(1, 2)]
    assert found.stopped[0].note == (
        "Stopped by the race after epoch 6: accuracy is not defined on all of its resamples."
    )
    # A fold that nobody has costs nobody anything.
    nobody = [ended(trial, fold=1, ending="failed", epochs_run=0) for trial in (1, 2)]
    assert stopped(at_six(nobody, [result(1, 0.9, 2), result(2, 0.1, 2)])) == [(2, 2)]


def test_while_nobody_has_a_score_nobody_stops() -> None:
    found = at_six([ended(3)], [result(1), result(2)])
    assert found.stopped == ()
    assert found.line == "rung of epoch 6: accuracy is defined for no candidate yet"


@pytest.mark.parametrize(
    ("results", "decided"),
    [
        ([], False),
        ([ended(1, epochs_run=AT)], False),
        ([result(1, ending="pruned", epochs_run=2, pruned_at=2)], False),
        ([result(1, ending="pruned", pruned_at=AT)], True),
        ([result(1, ending="pruned", epochs_run=18, pruned_at=18)], True),
        ([ended(1, epochs_run=AT + 1)], True),
        ([result(1), result(2, epochs_run=AT + 1)], True),
    ],
)
def test_a_rung_was_decided_when_some_stopped_there_or_trained_on(
    results: list[TrialResult], decided: bool
) -> None:
    assert is_decided(AT, results) is decided
