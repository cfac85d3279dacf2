"""Where candidates lie in a search's space, how many there are, and which are new."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.tune.dimensions import Dimension
from service.domain.tune.grid import Bayes, Cell
from service.domain.tune.search_space import (
    Axis,
    key_in,
    most_candidates,
    points_of,
    round_seed,
    unseen,
    values_at,
)


def axis(kind: Any, **fields: Any) -> Axis:
    return Axis.of(Dimension(id="x", kind=kind, **fields))


def choice(*values: Cell) -> Axis:
    return axis("choice", values=values)


REAL = axis("double", low=-5, high=-1, scale="log10")
WHOLE = axis("integer", low=2, high=9)
SCALED = axis("integer", low=-1, high=3, scale="log2")


def test_numbers_have_an_order_and_other_values_none() -> None:
    assert (REAL.kind, REAL.low, REAL.high, REAL.count) == ("real", -5, -1, None)
    assert (WHOLE.kind, WHOLE.low, WHOLE.high, WHOLE.count) == ("whole", 2, 9, 8)
    # 2^-1 is rounded to 0, of two equally near ones the even one.
    assert (SCALED.kind, SCALED.low, SCALED.high, SCALED.count) == ("real", -1, 3, 9)
    numbers = choice(64, 8, 0.5)
    assert (numbers.kind, numbers.cells, numbers.count) == ("whole", (0.5, 8, 64), 3)
    for values in (("relu", "elu"), (True, False), ([8], [16, 8]), (1, True), (None, 3)):
        assert choice(*values).kind == "place"
        assert choice(*values).cells == values


@pytest.mark.parametrize(
    ("given", "cells"),
    [
        (WHOLE, list(range(2, 10))),
        (SCALED, list(range(9))),
        (choice(64, 8, 0.5), [0.5, 8, 64]),
        (choice("relu", "elu"), ["relu", "elu"]),
        (choice(1, True, None, [1], "1"), [1, True, None, [1], "1"]),
    ],
)
def test_every_value_of_a_countable_axis_comes_back_from_its_point(
    given: Axis, cells: list[Cell]
) -> None:
    assert given.count == len(cells)
    for cell in cells:
        point = given.point(cell)
        assert given.low <= point <= given.high
        back = given.value(point)
        assert (back, type(back)) == (cell, type(cell))


@given(
    st.floats(0, 1), st.sampled_from([("identity", 0.0, 1.0), ("log10", -10, 0), ("log", -3, 2)])
)
def test_a_real_value_comes_back_from_its_point(u: float, given: tuple[Any, float, float]) -> None:
    scale, low, high = given
    real = axis("double", low=low, high=high, scale=scale)
    value = real.dimension.at(u)
    point = real.point(value)
    assert real.low <= point <= real.high
    # Rounding of a logarithm and its inverse, of exponents up to 10.
    assert real.value(point) == pytest.approx(value, rel=1e-13, abs=1e-15)


def test_points_and_values_of_a_candidate_go_by_id() -> None:
    axes = (
        Axis.of(Dimension(id="p", kind="double", low=-5, high=-1, scale="log10")),
        Axis.of(Dimension(id="a", kind="choice", values=("relu", "elu"))),
    )
    values = values_at(axes, {"a": 1, "p": -2.0})
    assert values == {"p": pytest.approx(0.01), "a": "elu"}
    assert list(values) == ["p", "a"]
    assert points_of(axes, {"a": "elu", "p": 0.01}) == {"p": pytest.approx(-2.0), "a": 1}
    assert key_in(axes, {"a": "elu", "p": 0.01}) == key_in(axes, {"p": 0.01, "a": "elu"})


@pytest.mark.parametrize(
    ("axes", "most"),
    [([REAL], 30), ([REAL, choice(1)], 30), ([WHOLE], 8), ([WHOLE, SCALED], 30), ([choice(1)], 1)],
)
def test_a_search_has_its_size_or_all_of_a_smaller_space(axes: list[Axis], most: int) -> None:
    assert most_candidates(Bayes(kind="bayes", size=30), axes) == most


def test_the_last_candidates_of_a_small_space_are_found_and_none_twice() -> None:
    axes = [
        Axis.of(Dimension(id="a", kind="choice", values=("relu", "elu", None))),
        Axis.of(Dimension(id="h", kind="integer", low=1, high=4)),
    ]
    seen: set[str] = set()
    source = random.Random(1)
    for _ in range(12):
        key = key_in(axes, unseen(axes, seen, source))
        assert key not in seen
        seen.add(key)
    assert len(seen) == 12


def test_in_a_large_space_a_new_candidate_is_drawn_from_all_of_it() -> None:
    wide = [Axis.of(Dimension(id="h", kind="integer", low=1, high=10**6))]
    source = random.Random(2)
    found = [unseen(wide, set(), source)["h"] for _ in range(200)]
    assert all(isinstance(each, int) and 1 <= each <= 10**6 for each in found)
    # The chance that 200 draws leave out a tenth at an end is 0.9^200.
    assert min(map(float, found)) < 10**5  # type: ignore[arg-type]
    assert max(map(float, found)) > 9 * 10**5  # type: ignore[arg-type]


def test_each_round_has_a_seed_of_its_own_that_depends_on_nothing_else() -> None:
    seeds = {round_seed(seed, known) for seed in range(50) for known in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= each < 2**32 for each in seeds)
