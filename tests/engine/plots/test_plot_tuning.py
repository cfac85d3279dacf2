"""A tune's picture: a panel for each id that varies, every judged candidate in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any
from xml.etree import ElementTree

import pytest

from service.domain.tune.grid import Cell
from service.domain.tune.ranking import Ranked, Trial
from service.engine.plots.tuning import COLOURS, MOST_COLOURS, tuning

Texts = Callable[[bytes], list[str]]


def row(number: int, mean: float | None, std_err: float | None = None, **values: Cell) -> Ranked:
    return Ranked(
        trial=Trial(trial=number, config=f"Model{number}", values=values),
        metric="accuracy",
        mean=mean,
        n=0 if mean is None else 1,
        std_err=std_err,
    )


def stopped(ranked: Ranked, epoch: int) -> Ranked:
    trial = ranked.trial.model_copy(update={"pruned_at": epoch})
    return Ranked(
        trial=trial, metric=ranked.metric, mean=ranked.mean, n=ranked.n, std_err=ranked.std_err
    )


# The chapter's grid; the values are made up.
CHAPTER = sorted(
    (
        row(at, 0.9 + 0.001 * units - 0.5 * penalty, hidden_units=units, penalty=penalty)
        for at, (units, penalty) in enumerate(
            product([5, 10, 20, 30, 50, 100], [1e-5, 1e-4, 1e-2, 1e-1]), 1
        )
    ),
    key=lambda each: -(each.mean or 0),
)


def drawn(svg: bytes, kind: str) -> list[Any]:
    """Return the groups of an SVG whose id begins with a kind of matplotlib's."""
    return [
        group
        for group in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}g")
        if group.get("id", "").startswith(kind)
    ]


def points(svg: bytes) -> list[str]:
    """Return the styles of all points: those of scatter plots."""
    found = []
    for group in drawn(svg, "PathCollection_"):
        for used in group.iter("{http://www.w3.org/2000/svg}use"):
            found.append(used.get("style", ""))
    return found


def test_the_chapter_s_grid_has_two_panels_with_all_points(texts: Texts) -> None:
    svg = tuning(CHAPTER, title="grid")
    words = texts(svg)
    assert words[-2:] == ["grid", words[-1]]
    assert words[-1].startswith("24 of 24 candidates judged, best accuracy 1 at hidden_units 100, ")
    assert len(drawn(svg, "axes_")) == 2
    assert len(points(svg)) == 48
    for name in ("hidden_units", "penalty", "accuracy"):
        assert name in words
    # Of penalty's panel the legend: six widths; of the other one: four penalties.
    for value in ("5", "100", "1e-05", "0.1"):
        assert value in words


def test_equal_arguments_give_equal_bytes() -> None:
    assert tuning(CHAPTER) == tuning(list(CHAPTER))
    assert tuning(CHAPTER, fmt="png") == tuning(CHAPTER, fmt="png")
    assert tuning(CHAPTER, fmt="png").startswith(b"\x89PNG")


def test_values_that_span_much_stand_on_a_logarithmic_scale() -> None:
    wide = [row(n, 0.5 + n / 10, penalty=10.0**-n) for n in range(1, 5)]
    narrow = [row(n, 0.5 + n / 10, dropout=n / 10) for n in range(1, 5)]
    with_zero = [*wide, row(5, 0.4, penalty=0.0)]
    # Powers are written with a raised part.
    assert b"tspan" in tuning(wide)
    for rows in (narrow, with_zero):
        assert b"tspan" not in tuning(rows)


def test_what_does_not_vary_has_no_panel(texts: Texts) -> None:
    svg = tuning([row(n, n / 10, epochs=20, hidden_units=n) for n in range(1, 4)])
    assert len(drawn(svg, "axes_")) == 1
    assert "hidden_units" in texts(svg)
    assert "epochs" not in texts(svg)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "No candidate was judged yet."),
        ([row(1, None, penalty=1.0), row(2, None, penalty=2.0)], "No candidate was judged yet."),
        ([row(1, 0.5)], "One candidate: nothing varies."),
        ([row(1, 0.5, penalty=1.0)], "One candidate: nothing varies."),
    ],
)
def test_without_anything_to_compare_it_says_so(
    texts: Texts, rows: Sequence[Ranked], words: str
) -> None:
    assert words in texts(tuning(rows))


def test_a_candidate_without_an_estimate_is_counted_and_not_drawn(texts: Texts) -> None:
    rows = [row(1, 0.5, dropout=0.1), row(2, 0.4, dropout=0.2), row(3, None, dropout=0.3)]
    svg = tuning(rows)
    assert len(points(svg)) == 2
    assert any("2 of 3 candidates judged" in word for word in texts(svg))


def test_text_lists_switches_and_nothing_are_places_on_an_axis(texts: Texts) -> None:
    cells: list[Cell] = ["relu", [8, 4], True, None, 3]
    svg = tuning([row(n, n / 10, value=cell) for n, cell in enumerate(cells, 1)])
    words = texts(svg)
    for told in ("relu", "8-4", "true", "none", "3"):
        assert told in words
    assert len(points(svg)) == 5


def test_a_candidate_that_a_race_stopped_is_hollow() -> None:
    rows = [row(1, 0.5, dropout=0.1), stopped(row(2, 0.4, dropout=0.2), 3)]
    styles = points(tuning(rows))
    assert sorted("#ffffff" in style for style in styles) == [False, True]


def test_standard_errors_are_bars() -> None:
    plain = [row(n, n / 10, dropout=n / 10) for n in range(1, 4)]
    barred = [row(n, n / 10, 0.02, dropout=n / 10) for n in range(1, 4)]
    assert not drawn(tuning(plain), "LineCollection_")
    assert drawn(tuning(barred), "LineCollection_")


@pytest.mark.parametrize("others", [MOST_COLOURS, MOST_COLOURS + 1])
def test_so_many_values_that_colours_cannot_be_told_apart_have_one(others: int) -> None:
    rows = [
        row(a * 100 + b, 0.5, left=a, right=b)
        for a in range(others)
        for b in range(MOST_COLOURS + 1)
    ]
    svg = tuning(rows)
    legends = drawn(svg, "legend_")
    assert len(legends) == (1 if others == MOST_COLOURS else 0)
    assert len(points(svg)) == 2 * len(rows)


def test_names_and_values_are_words_and_not_formulas(texts: Texts) -> None:
    cells: list[dict[str, Any]] = [{"a$b$": "x_1$"}, {"a$b$": "y^2$"}]
    rows = [row(n, n / 10, **cell) for n, cell in enumerate(cells, 1)]
    words = texts(tuning(rows, title="$\\frac{1}{2}$"))
    for told in ("a$b$", "x_1$", "y^2$", "$\\frac{1}{2}$"):
        assert told in words


def test_every_group_has_a_colour_of_its_own() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == MOST_COLOURS


def test_means_that_are_huge_or_equal_are_drawn() -> None:
    for mean in (1e30, -5.0, 0.0):
        rows = [row(n, mean, math.nan if mean < 0 else None, size=n) for n in (1, 2)]
        assert len(points(tuning(rows[:2]))) == 2
