"""The count of durable epochs: it grows with checkpoints and results, and never falls."""

from __future__ import annotations

from service.domain.tune.results import TrialResult
from service.tuning.durable import Durable


def result(trial: int, epochs: int, fold: int = 1) -> TrialResult:
    return TrialResult(trial=trial, fold=fold, ending="completed", epochs_run=epochs)


def test_it_is_the_sum_over_fits_of_their_checkpoints() -> None:
    durable = Durable([], 0)
    assert durable.kept([(1, 1), (2, 1)], 3) == 6
    assert durable.kept([(1, 2)], 2) == 8
    assert durable.kept([(1, 1), (2, 1)], 5) == 12


def test_a_fit_that_has_ended_counts_what_it_ran_whatever_its_cohort_keeps() -> None:
    durable = Durable([], 0)
    assert durable.kept([(1, 1), (2, 1)], 3) == 6
    durable.ended([result(1, 4)])
    assert durable.kept([(1, 1), (2, 1)], 9) == 4 + 9


def test_after_a_resume_it_does_not_fall_and_grows_again() -> None:
    first = Durable([], 0)
    first.kept([(1, 1), (2, 1)], 10)
    told = first.kept([(3, 1)], 4)
    assert told == 24
    again = Durable([result(1, 12)], told)
    # Nothing is known yet of the third candidate's cohort, whose checkpoint is there all the same.
    assert again.kept([(2, 1)], 11) == 24
    assert again.kept([(3, 1)], 5) == 12 + 11 + 5
