"""Random and space-filling grids: points in a cube, and the values that they stand for."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.tune.candidates import candidates
from service.domain.tune.designs import independent, space_filling
from service.domain.tune.dimensions import Dimension
from service.domain.tune.grid import Scale
from tests.domain.tune.tuned import tune

SEEDS = st.integers(0, 2**31 - 1)


@given(size=st.integers(1, 40), axes=st.integers(1, 5), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_along_each_axis_every_part_has_one_point(size: int, axes: int, seed: int) -> None:
    points = space_filling(size, axes, seed)
    assert len(points) == size
    for axis in range(axes):
        parts = sorted(int(point[axis] * size) for point in points)
        assert parts == list(range(size))


def closest(points: Any) -> float:
    return min(math.dist(one, other) for one, other in itertools.combinations(points, 2))


def test_the_points_of_a_space_filling_design_lie_farther_apart_than_independent_ones() -> None:
    for seed in range(20):
        assert closest(space_filling(20, 3, seed)) > closest(independent(20, 3, seed))


def test_a_seed_gives_the_same_points_for_ever() -> None:
    # Recorded once: a job from last year, on another machine, has the candidates that it had.
    assert independent(2, 2, 102030) == (
        (0.14179764397461103, 0.48731426027374325),
        (0.2891040983586629, 0.6740805594941287),
    )
    assert space_filling(3, 2, 102030) == (
        (0.5, 0.8333333333333334),
        (0.8333333333333334, 0.5),
        (0.16666666666666666, 0.16666666666666666),
    )
    assert space_filling(3, 2, 102031) != space_filling(3, 2, 102030)


def test_many_points_take_a_bounded_time() -> None:
    assert len(set(space_filling(10_000, 4, 1))) == 10_000


AXES = st.builds(
    lambda low, width, scale, kind: Dimension(
        id="x", kind=kind, low=low, high=low + width, scale=scale
    ),
    st.floats(-3, 3),
    st.floats(0.5, 4),
    st.sampled_from(["identity", "log10", "log2", "log"]),
    st.sampled_from(["integer", "double"]),
)
NATURAL: dict[Scale, Any] = {
    "identity": lambda x: x,
    "log10": lambda x: 10**x,
    "log2": lambda x: 2**x,
    "log": math.exp,
}


@given(axis=AXES, u=st.floats(0, 1, exclude_max=True))
@settings(max_examples=300, deadline=None)
def test_a_value_lies_in_its_range(axis: Dimension, u: float) -> None:
    low, high = (NATURAL[axis.scale](end) for end in (axis.low, axis.high))
    if axis.kind == "integer" and math.floor(high) < math.ceil(low):
        return
    for value in (axis.at(u), axis.sample(u), *axis.sequence(5)):
        assert isinstance(value, int if axis.kind == "integer" else float)
        # Whole numbers are rounded down, as dials does, also at the lower end.
        slack = 1 if axis.kind == "integer" else 1e-9 * abs(high)
        assert low - slack <= value <= high + slack


@given(axis=AXES, u=st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_number_is_found_again_where_it_lies(axis: Dimension, u: float) -> None:
    if axis.kind == "double":
        assert axis.unit_of(axis.at(u)) == pytest.approx(u, abs=1e-9)


def test_whole_numbers_and_choices_are_equally_likely() -> None:
    units = [(at + 0.5) / 1000 for at in range(1000)]
    numbers = Dimension(id="x", kind="integer", low=1, high=10)
    assert set(Counter(map(numbers.sample, units)).values()) == {100}
    choice = Dimension(id="x", kind="choice", values=("a", "b", "c", "d"))
    assert set(Counter(map(choice.sample, units)).values()) == {250}
    # dials cuts [0, 1] into parts that are closed on the right.
    assert [choice.at(u) for u in (0.0, 0.25, 0.2501, 0.5, 1.0)] == ["a", "a", "b", "b", "d"]
    assert [choice.at(choice.unit_of(each)) for each in choice.values] == list(choice.values)


def test_equal_draws_count_once_and_others_follow_their_scale() -> None:
    grid = {"kind": "random", "size": 200, "seed": 5}
    found = candidates(tune(grid, model={"hidden_units": {"tune": True}}))
    assert sorted(str(each.values["hidden_units"]) for each in found) == sorted(
        str(n) for n in range(1, 11)
    )
    assert [each.trial for each in found] == list(range(1, 11))
    spread = candidates(tune(grid, model={"penalty": {"tune": True}}))
    decades = Counter(math.floor(math.log10(float(str(each.values["penalty"])))) for each in spread)
    assert len(spread) == 200
    assert set(decades) == set(range(-10, 0))


def test_a_space_filling_grid_covers_each_range_evenly() -> None:
    grid = {"kind": "space_filling", "size": 10, "seed": 1}
    found = candidates(
        tune(grid, model={"penalty": {"tune": True}, "hidden_units": {"tune": True}})
    )
    exponents = sorted(math.log10(float(str(each.values["penalty"]))) for each in found)
    assert exponents == pytest.approx([at - 9.5 for at in range(10)])
    units = [int(str(each.values["hidden_units"])) for each in found]
    assert min(units) == 1
    assert max(units) == 10
