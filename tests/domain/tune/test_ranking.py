"""Which candidate is best, and which one the rules of tune choose."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.errors import Conflict, InvalidSpec
from service.domain.metric_names import (
    CLASSIFICATION_METRICS,
    REGRESSION_METRICS,
    direction_of,
)
from service.domain.tune.ranking import Ranked, Score, Trial, ranked, show_best
from service.domain.tune.selecting import select
from service.domain.tune.spec import Rule


def trial(number: int, /, **fields: Any) -> Trial:
    values = fields.pop("values", {"hidden_units": number})
    return Trial(trial=number, config=f"Preprocessor1_Model{number}", values=values, **fields)


def scores(metric: str, *by_trial: Sequence[float | None]) -> list[Score]:
    return [
        Score(trial=at, fold=fold, metric=metric, estimate=estimate)
        for at, own in enumerate(by_trial, start=1)
        for fold, estimate in enumerate(own, start=1)
    ]


def order(rows: tuple[Ranked, ...]) -> list[int]:
    return [row.trial.trial for row in rows]


def test_a_row_is_flat_and_has_tune_s_mean_and_standard_error() -> None:
    found = ranked(
        scores("accuracy", [0.8, 0.9, 1.0]), [trial(1, values={"penalty": 0.1})], "accuracy"
    )
    row = found[0].as_row()
    assert list(row) == ["trial", "config", "penalty", "metric", "mean", "n", "std_err"]
    assert row["mean"] == pytest.approx(0.9, abs=1e-15)
    # sd(c(.8, .9, 1)) / sqrt(3) in R.
    assert row["std_err"] == pytest.approx(0.05773502691896257, abs=1e-15)
    assert row["n"] == 3


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
@settings(deadline=None)
def test_the_standard_error_is_the_sample_s_over_the_root_of_n(own: list[float]) -> None:
    (row,) = ranked(scores("rmse", [*own]), [trial(1)], "rmse")
    assert row.mean == pytest.approx(statistics.fmean(own), rel=1e-12, abs=1e-9)
    assert row.std_err == pytest.approx(
        statistics.stdev(own) / math.sqrt(len(own)), rel=1e-9, abs=1e-9
    )


def test_one_resample_has_no_standard_error_and_pruned_and_note_are_told_where_they_are() -> None:
    trials = [trial(1, pruned_at=6), trial(2, note="why")]
    rows = [row.as_row() for row in ranked(scores("accuracy", [0.5]), trials, "accuracy")]
    assert rows[0]["std_err"] is None
    assert rows[0]["pruned_at"] == 6
    assert "note" not in rows[0]
    assert rows[1]["note"] == "why"
    assert (rows[1]["mean"], rows[1]["n"], rows[1]["std_err"]) == (None, 0, None)


@pytest.mark.parametrize(
    ("metric", "expected"), [("accuracy", [2, 3, 1]), ("rmse", [1, 3, 2]), ("msd", [3, 1, 2])]
)
def test_the_best_comes_first_by_the_metric_s_direction(metric: str, expected: list[int]) -> None:
    found = scores(metric, [-0.4], [0.9], [0.2])
    assert order(ranked(found, [trial(1), trial(2), trial(3)], metric)) == expected


def test_every_metric_has_yardstick_s_direction() -> None:
    losses = {"mn_log_loss", "brier_class", "huber_loss"}
    minimized = {*losses, "rmse", "mae", "mape", "smape", "mase"}
    for name in (*CLASSIFICATION_METRICS, *REGRESSION_METRICS):
        expected = "zero" if name == "msd" else "minimize" if name in minimized else "maximize"
        assert direction_of(name) == expected


def test_equal_means_are_in_the_order_of_trials_and_the_rest_comes_after() -> None:
    trials = [
        trial(1, note="invalid"),
        trial(2, pruned_at=2),
        trial(3),
        trial(4),
        trial(5, pruned_at=6),
        trial(6),
        trial(7),
    ]
    found = scores("accuracy", [], [0.99], [0.5, 0.5], [0.7, 0.7], [0.6], [0.7, 0.7], [0.98, None])
    assert order(ranked(found, trials, "accuracy")) == [4, 6, 3, 7, 5, 2, 1]
    assert order(show_best(found, trials, "accuracy", 2)) == [4, 6]
    assert order(show_best(found, trials, "accuracy", 100)) == [4, 6, 3, 7, 5, 2]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_order_does_not_depend_on_the_order_of_what_came_in(seed: int) -> None:
    source = random.Random(seed)
    found = scores("rmse", *([source.choice([0.1, 0.2, None]) for _ in range(3)] for _ in range(8)))
    trials = [trial(at, pruned_at=source.choice([None, None, 2])) for at in range(1, 9)]
    first = ranked(found, trials, "rmse")
    mixed, mixed_trials = [*found], [*trials]
    source.shuffle(mixed)
    source.shuffle(mixed_trials)
    assert ranked(mixed, mixed_trials, "rmse") == first


def test_a_metric_that_was_not_asked_for_is_refused_with_those_that_were() -> None:
    found = [*scores("accuracy", [0.5]), *scores("roc_auc", [0.5])]
    with pytest.raises(InvalidSpec, match=r"accuracy, roc_auc\. Received 'acuracy'\. Did you mean"):
        ranked(found, [trial(1)], "acuracy")
    # Nothing came yet: nothing is best, and nothing is wrong.
    assert show_best([], [trial(1)], "accuracy") == ()


# Means, standard errors and the choice of tune 1.2's rules, worked out by hand.
TABLE = (
    ("accuracy", [0.90, 0.92], {"hidden_units": 5, "penalty": 0.1}),  # mean .91, se .010
    ("accuracy", [0.93, 0.97], {"hidden_units": 50, "penalty": 0.0}),  # mean .95, se .020
    ("accuracy", [0.93, 0.94], {"hidden_units": 10, "penalty": 0.0}),  # mean .935, se .005
    ("accuracy", [0.94, 0.95], {"hidden_units": 20, "penalty": 0.1}),  # mean .945, se .005
    ("accuracy", [0.70, 0.80], {"hidden_units": 100, "penalty": 0.1}),  # mean .75
)


def table(metric: str = "accuracy", sign: float = 1.0) -> tuple[Ranked, ...]:
    trials = [trial(at, values=values) for at, (_, _, values) in enumerate(TABLE, start=1)]
    found = scores(metric, *([sign * each for each in own] for _, own, _ in TABLE))
    return ranked(found, trials, metric)


@pytest.mark.parametrize(
    ("by", "sort", "limit", "expected"),
    [
        ("best", None, 2.0, 2),
        # Within .95 - .02: trials 2, 3 and 4.
        ("one_std_err", "hidden_units", 2.0, 3),
        ("one_std_err", "-hidden_units", 2.0, 2),
        ("one_std_err", "-penalty", 2.0, 4),
        ("one_std_err", "penalty,-hidden_units", 2.0, 2),
        ("one_std_err", "penalty, hidden_units", 2.0, 3),
        # Losses in percent: 4.21, 0, 1.58, .53, 21.05; more complex ones than the best are out.
        ("pct_loss", "hidden_units", 2.0, 3),
        ("pct_loss", "hidden_units", 1.0, 4),
        ("pct_loss", "hidden_units", 5.0, 1),
        ("pct_loss", "hidden_units", 0.1, 2),
        ("pct_loss", "-hidden_units", 50.0, 5),
        ("pct_loss", "-hidden_units", 5.0, 2),
    ],
)
def test_a_rule_chooses_as_in_tune(by: Rule, sort: str | None, limit: float, expected: int) -> None:
    assert select(table(), by, sort=sort, limit=limit).trial.trial == expected
    # What is minimized is chosen alike.
    assert select(table("rmse", -1.0), by, sort=sort, limit=limit).trial.trial == expected


def test_one_resample_has_no_rule_of_one_standard_error() -> None:
    rows = ranked(scores("accuracy", [0.5], [0.6]), [trial(1), trial(2)], "accuracy")
    with pytest.raises(Conflict, match=r"trial 2\), which has none. Use more resamples"):
        select(rows, "one_std_err", sort="hidden_units")
    assert select(rows, "pct_loss", sort="hidden_units", limit=20).trial.trial == 1


def test_a_best_of_zero_has_no_percentage() -> None:
    rows = ranked(scores("rmse", [0.0], [0.6]), [trial(1), trial(2)], "rmse")
    with pytest.raises(Conflict, match="is 0"):
        select(rows, "pct_loss", sort="hidden_units")


def test_nothing_is_chosen_of_nothing_of_stopped_ones_and_of_ones_that_lack_resamples() -> None:
    with pytest.raises(Conflict, match="There is none yet"):
        select(())
    trials = [trial(1, pruned_at=2), trial(2), trial(3)]
    rows = ranked(scores("accuracy", [0.9, 0.9], [0.5, 0.5], [0.8, None]), trials, "accuracy")
    assert select(rows).trial.trial == 2
    assert select(rows, "pct_loss", sort="-hidden_units", limit=99).trial.trial == 2


@pytest.mark.parametrize("by", ["one_std_err", "pct_loss"])
@pytest.mark.parametrize(
    ("sort", "words"),
    [
        (None, "Expected `sort`"),
        ("", "Expected ids in `sort`"),
        ("penalty,,hidden_units", "Expected ids in `sort`"),
        ("-", "Expected ids in `sort`"),
        ("penalt", "Did you mean 'penalty'"),
    ],
)
def test_a_sort_by_what_is_not_there_is_refused(by: Rule, sort: str | None, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        select(table(), by, sort=sort)


def test_layers_text_and_nothing_have_an_order_too() -> None:
    cells = [None, [8, 4], "relu", [16], "elu", True, 0.5]
    trials = [trial(at, values={"x": cell}) for at, cell in enumerate(cells, start=1)]
    rows = ranked(scores("rmse", *([0.5, 0.5] for _ in cells)), trials, "rmse")
    simplest = []
    while rows:
        simplest.append(select(rows, "one_std_err", sort="x"))
        rows = tuple(row for row in rows if row is not simplest[-1])
    assert [row.trial.values["x"] for row in simplest] == [
        0.5, True, "elu", "relu", [16], [8, 4], None,
    ]  # fmt: skip
