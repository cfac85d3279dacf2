"""What a tune's fits warned of is told once, with who said it."""

from __future__ import annotations

import pytest

from service.domain.tune.fit_warnings import MAX_LINES, named, told_once
from service.domain.tune.results import TrialResult


def fit(trial: int, fold: int, *warnings: str) -> TrialResult:
    return TrialResult(trial=trial, fold=fold, ending="completed", warnings=warnings)


def test_a_line_that_all_fits_said_is_told_once() -> None:
    results = [fit(trial, fold, "flat") for fold in (1, 2, 3) for trial in range(1, 1001)]
    assert told_once(results) == ("flat (trials 1-1000, folds 1-3)",)


def test_lines_are_in_the_order_of_those_who_said_them_first() -> None:
    results = [fit(2, 1, "b", "a"), fit(1, 2, "a"), fit(1, 1), fit(2, 2, "b")]
    assert told_once(results) == (
        "a (trial 1, fold 2; trial 2, fold 1)",
        "b (trial 2, folds 1-2)",
    )
    assert told_once([]) == ()


def test_more_lines_than_anybody_reads_are_counted() -> None:
    results = [fit(trial, 1, f"line {trial}") for trial in range(1, MAX_LINES + 4)]
    told = told_once(results)
    assert len(told) == MAX_LINES + 1
    assert told[-1] == "and 3 more warnings of fits"
    assert len(told_once(results[:MAX_LINES])) == MAX_LINES


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([(1, 1)], "trial 1, fold 1"),
        ([(3, 1), (1, 1), (2, 1), (7, 1)], "trials 1-3, 7, fold 1"),
        ([(1, 1), (1, 3), (2, 1), (2, 3)], "trials 1-2, folds 1, 3"),
        ([(trial, 1) for trial in range(1, 20, 2)], "trials 1, 3, 5, 7, 9 and 5 more runs, fold 1"),
        (
            [(trial, trial) for trial in range(1, 8)],
            "trial 1, fold 1; trial 2, fold 2; trial 3, fold 3; trial 4, fold 4; trial 5, fold 5; "
            "and 2 more groups",
        ),
    ],
)  # fmt: skip
def test_fits_are_named_by_runs(keys: list[tuple[int, int]], words: str) -> None:
    assert named(keys) == words
