"""Successive halving: when candidates are judged, and which go on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.metric_names import Direction
from service.domain.tune.halving import best, expected_epochs, pruned, rungs


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((2, 20, 3), (2, 6, 18)),
        ((1, 8, 2), (1, 2, 4)),
        ((2, 18, 3), (2, 6)),
        ((20, 20, 3), ()),
        ((1, 2, 3), (1,)),
        ((30, 20, 3), ()),
    ],
)
def test_rungs_grow_by_the_factor_and_end_before_the_last_epoch(
    asked: tuple[int, int, int], expected: tuple[int, ...]
) -> None:
    assert rungs(*asked) == expected


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("maximize", (1, 2, 4)), ("minimize", (2, 3, 5)), ("zero", (1, 3, 5))],
)
def test_the_best_of_a_rung_go_on_by_the_metric_s_direction(
    direction: Direction, expected: tuple[int, ...]
) -> None:
    scores = {1: -0.9, 2: 0.4, 3: 0.8, 4: 0.1, 5: 0.7}
    assert pruned(scores, 3, direction) == expected


def test_of_equal_ones_the_lower_trial_goes_on_and_what_diverged_stops() -> None:
    assert pruned({4: 0.5, 2: 0.5, 9: None, 7: 0.5}, 2, "maximize") == (7, 9)
    assert pruned({1: None, 2: None}, 3, "maximize") == (1, 2)
    assert pruned({}, 3, "maximize") == ()


def test_who_comes_later_is_compared_with_all_who_came_before() -> None:
    earlier = {1: 0.9, 2: 0.8, 3: 0.1}
    assert pruned({4: 0.85}, 3, "maximize", earlier) == ()
    assert pruned({5: 0.5}, 3, "maximize", {**earlier, 4: 0.85}) == (5,)
    # Who went on before is not called back.
    assert pruned({5: 0.99, 6: 0.95}, 3, "maximize", {**earlier, 4: 0.85}) == ()


SCORES = st.dictionaries(st.integers(1, 200), st.none() | st.floats(-1, 1), min_size=1, max_size=60)


@given(scores=SCORES, factor=st.integers(2, 5))
@settings(deadline=None)
def test_a_share_of_one_in_factor_rounded_up_goes_on(
    scores: dict[int, float | None], factor: int
) -> None:
    stopped = set(pruned(scores, factor, "maximize"))
    judged = {at: score for at, score in scores.items() if score is not None}
    kept = set(scores) - stopped
    assert len(kept) == -(-len(judged) // factor)
    assert kept <= set(judged)
    worst = min((judged[at] for at in kept), default=0.0)
    assert all(judged[at] <= worst for at in set(judged) - kept)


def test_the_chapter_s_grid_spends_a_quarter_of_its_epochs() -> None:
    alive, spent, before = dict.fromkeys(range(1, 25), 0.0), 0, 0
    alive = {at: float(at) for at in alive}
    for rung in (*rungs(2, 20, 3), 20):
        spent += len(alive) * (rung - before)
        before = rung
        if rung < 20:
            for at in pruned(alive, 3, "maximize"):
                del alive[at]
    assert set(alive) == {24}
    # 24 x 2 + 8 x 4 + 3 x 12 + 1 x 2 of 24 x 20.
    assert spent == 118


def test_the_best_are_told_in_their_order() -> None:
    assert best({3: 0.1, 1: 0.3, 2: None, 9: 0.2, 4: 0.3}, 2, "maximize") == (1, 4)
    assert best({3: 0.1, 1: 0.3, 9: 0.2}, 2, "minimize") == (3, 9)
    assert best({1: None}, 2, "maximize") == ()


def test_a_fit_is_expected_to_train_what_is_left_to_the_share_that_goes_on() -> None:
    # 2 to the first rung; a third of the fits 4 more, a ninth 12, a 27th the last 2.
    whole = 2 + 4 / 3 + 12 / 9 + 2 / 27
    assert expected_epochs(0, 20, (2, 6, 18), 3) == pytest.approx(whole, abs=1e-12)
    assert expected_epochs(1, 20, (2, 6, 18), 3) == pytest.approx(whole - 1, abs=1e-12)
    # Who stands at a rung was judged there, or will be without another epoch.
    assert expected_epochs(6, 20, (2, 6, 18), 3) == pytest.approx(12 + 2 / 3, abs=1e-12)
    assert expected_epochs(3, 5, (2, 6, 18), 3) == 2
    assert expected_epochs(3, 20, (), 1) == 17
    assert expected_epochs(20, 20, (2, 6, 18), 3) == 0
