"""Parallel coordinates of a tune: an axis an id, a line a candidate, the best one on top."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.tune.grid import Cell
from service.domain.tune.ranking import Ranked, Trial
from service.engine.plots.canvas import ORANGE
from service.engine.plots.parallel import CLOSEST, GRADIENT, PALE, ZERO_GAP, coordinate, parallel

Texts = Callable[[bytes], list[str]]


def row(
    number: int,
    mean: float | None,
    metric: str = "accuracy",
    pruned_at: int | None = None,
    **values: Cell,
) -> Ranked:
    trial = Trial(trial=number, config=f"Model{number}", values=values, pruned_at=pruned_at)
    n = 0 if mean is None else 1
    return Ranked(trial=trial, metric=metric, mean=mean, n=n, std_err=None)


GRID = [
    row(at, 1 - at / 100, hidden_units=units, penalty=penalty, activation=activation)
    for at, (units, penalty, activation) in enumerate(
        product([5, 10, 100], [0.0, 1e-5, 1e-1], ["relu", "tanh"]), 1
    )
]


def lines(svg: bytes, colour: str) -> list[str]:
    """Return the paths that are drawn in a colour."""
    return [
        path.get("d", "")
        for path in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
        if f"stroke: {colour}" in path.get("style", "")
    ]


def corners(path: str) -> int:
    return len(re.findall("[ML]", path))


def test_each_candidate_is_a_line_over_an_axis_an_id_and_one_for_the_metric(texts: Texts) -> None:
    svg = parallel(GRID, logarithmic={"penalty"}, title="grid")
    words = texts(svg)
    for name in ("hidden_units", "penalty", "activation", "accuracy", "grid"):
        assert name in words
    for value in ("5", "100", "0", "1e-05", "0.1", "relu", "tanh"):
        assert value in words
    (best,) = lines(svg, ORANGE)
    assert corners(best) == 4
    drawn = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
    assert sum(corners(each.get("d", "")) == 4 for each in drawn) >= len(GRID)


def test_equal_arguments_give_equal_bytes() -> None:
    assert parallel(GRID) == parallel(list(GRID))
    assert parallel(GRID, fmt="png") == parallel(GRID, fmt="png")
    assert parallel(GRID, fmt="png").startswith(b"\x89PNG")


def test_what_does_not_vary_has_no_axis_and_one_id_is_two_axes(texts: Texts) -> None:
    svg = parallel([row(n, n / 10, epochs=20, hidden_units=n) for n in (3, 2, 1)])
    assert "epochs" not in texts(svg)
    assert corners(lines(svg, ORANGE)[0]) == 2


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "No candidate was judged yet."),
        ([row(1, None, penalty=1.0), row(2, None, penalty=2.0)], "No candidate was judged yet."),
        ([row(1, 0.5, penalty=1.0)], "One candidate: nothing varies."),
    ],
)
def test_without_anything_to_compare_it_says_so(
    texts: Texts, rows: Sequence[Ranked], words: str
) -> None:
    assert words in texts(parallel(rows))


def test_a_candidate_that_a_race_stopped_is_pale_and_not_the_best() -> None:
    stopped = row(3, 0.9, dropout=0.3, pruned_at=2)
    svg = parallel([row(1, 0.5, dropout=0.1), row(2, 0.4, dropout=0.2), stopped])
    assert len(lines(svg, PALE)) == len(lines(svg, ORANGE)) == 1
    only_stopped = parallel([row(n, 0.1 * n, dropout=n / 10, pruned_at=2) for n in (2, 1)])
    assert len(lines(only_stopped, PALE)) == 2
    assert not lines(only_stopped, ORANGE)


@pytest.mark.parametrize(
    ("metric", "means"), [("accuracy", [0.9, 0.5, 0.1]), ("rmse", [0.1, 0.5, 0.9])]
)
def test_the_worst_line_is_the_palest_whichever_way_the_metric_goes(
    metric: str, means: list[float]
) -> None:
    svg = parallel([row(n, mean, metric, units=n) for n, mean in enumerate(means)])
    assert len(lines(svg, GRADIENT[0])) == 1
    assert not lines(svg, GRADIENT[2])


def test_logarithms_stand_at_equal_distances_and_0_below_them() -> None:
    made = coordinate("penalty", [0.0, 1e-5, 1e-4, 1e-3], logarithmic=True)
    places = [made.place(each) for each in (0.0, 1e-5, 1e-4, 1e-3)]
    step = (1 - ZERO_GAP) / 2
    assert places == pytest.approx([0, ZERO_GAP, ZERO_GAP + step, 1], abs=1e-12)
    assert [text for _, text in made.ticks] == ["0", "1e-05", "0.0001", "0.001"]
    # No logarithm of a negative number.
    assert coordinate("x", [-1.0, 10.0], logarithmic=True).place(4.5) == pytest.approx(0.5)


def test_means_that_span_much_stand_on_a_logarithmic_axis(texts: Texts) -> None:
    svg = parallel([row(n, 10.0**n, "rmse", units=n) for n in range(4)])
    assert {"1", "10", "100", "1000"} <= set(texts(svg))


def test_text_lists_switches_and_nothing_are_places_in_order() -> None:
    cells: list[Cell] = ["relu", [8, 4], True, None, 3]
    made = coordinate("value", cells)
    assert [text for _, text in made.ticks] == ["3", "8-4", "none", "relu", "true"]
    assert [made.place(cells[at]) for at in (4, 1, 3)] == [0, 0.25, 0.5]


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(2**53), 2**53),
            st.text(max_size=3),
            st.booleans(),
            st.none(),
        ),
        min_size=1,
        max_size=40,
    ),
    st.booleans(),
)
def test_every_value_stands_on_its_axis_and_no_two_labels_touch(
    cells: list[Cell], logarithmic: bool
) -> None:
    made = coordinate("any", cells, logarithmic)
    assert all(0 <= made.place(each) <= 1 for each in cells)
    places = [place for place, _ in made.ticks]
    assert places == sorted(places)
    assert all(b - a >= CLOSEST for a, b in pairwise(places))


@settings(max_examples=200)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False, min_value=0), min_size=1, max_size=40
    ),
    st.booleans(),
)
def test_every_number_stands_on_its_axis(numbers: list[float], logarithmic: bool) -> None:
    made = coordinate("any", list(numbers), logarithmic)
    places = [made.place(each) for each in sorted(numbers)]
    assert all(0 <= each <= 1 for each in places)
    assert places == sorted(places)
    assert made.ticks


def test_names_and_values_are_words_and_not_formulas(texts: Texts) -> None:
    cells: list[dict[str, Cell]] = [{"a$b$": "x_1$"}, {"a$b$": "y^2$"}]
    rows = [row(n, n / 10, **cell) for n, cell in enumerate(cells, 1)]  # type: ignore[arg-type]
    words = texts(parallel(rows, title="$\\frac{1}{2}$"))
    for told in ("a$b$", "x_1$", "y^2$", "$\\frac{1}{2}$"):
        assert told in words
