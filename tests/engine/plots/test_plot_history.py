"""The learning curve: what is drawn, what is marked, what a diverged fit looks like."""

from __future__ import annotations

import math
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from service.domain.history import EpochRecord
from service.engine.plots.canvas import BLUE, INK, MUTED, ORANGE
from service.engine.plots.history import history

Texts = Callable[[bytes], list[str]]


def record(epoch: int, **values: float) -> EpochRecord:
    return EpochRecord(epoch=epoch, values=values, seconds=0.1, samples_per_second=1e5)


FIFTEEN = [
    record(
        epoch,
        loss=1 / epoch,
        accuracy=1 - 0.5 / epoch,
        val_loss=0.9 / epoch + 0.01 * epoch,
        val_accuracy=0.9 - 0.4 / epoch,
    )
    for epoch in range(1, 16)
]


def strokes(svg: bytes, colour: str) -> list[str]:
    """Return the paths drawn as lines in a colour, legend and marks included."""
    return [
        path.get("d", "")
        for path in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
        if f"stroke: {colour}" in path.get("style", "") and "fill: none" in path.get("style", "")
    ]


def points(path: str) -> int:
    """Return how many points a path joins."""
    return sum(path.count(letter) for letter in "ML")


def test_each_value_has_a_panel_with_training_and_validation(texts: Texts) -> None:
    svg = history(FIFTEEN, 9, 15, title="relu-30")
    words = texts(svg)
    assert {"loss", "accuracy", "training", "validation", "epoch", "relu-30"} <= set(words)
    assert "val loss" not in words
    assert [points(path) for path in strokes(svg, BLUE)].count(15) == 2
    assert [points(path) for path in strokes(svg, ORANGE)].count(15) == 2


def test_best_and_stopped_epoch_are_marked_and_told(texts: Texts) -> None:
    svg = history(FIFTEEN, 9, 15)
    assert {"15 epochs, best 9, stopped early at 15", "best epoch", "stopped early"} <= set(
        texts(svg)
    )
    # One upright in each of the two panels and one stroke in the legend.
    assert len(strokes(svg, INK)) == len(strokes(svg, MUTED)) == 3


def test_without_best_epoch_and_validation_nothing_is_marked(texts: Texts) -> None:
    svg = history([record(1, loss=0.5), record(2, loss=0.4)])
    assert not {"best epoch", "stopped early", "validation"} & set(texts(svg))
    assert strokes(svg, ORANGE) == strokes(svg, INK) == []


def test_values_that_are_not_finite_break_the_line(texts: Texts) -> None:
    losses = [0.5, 0.4, math.nan, 0.3, math.inf, 0.2, 0.1]
    svg = history([record(epoch, loss=loss) for epoch, loss in enumerate(losses, start=1)])
    assert "7 epochs, 2 with a value that is not finite" in texts(svg)
    line = max(strokes(svg, BLUE), key=points)
    assert (points(line), line.count("M")) == (5, 3)


def test_a_fit_without_one_finite_value_says_so(texts: Texts) -> None:
    assert "no finite value" in texts(history([record(1, loss=math.nan)], fmt="svg"))


@pytest.mark.parametrize("losses", [[1e38, 3.4e38], [-3e38, 3e38], [1e-320, 3e38], [0.0, 0.0]])
def test_extreme_losses_of_float32_are_drawn(losses: list[float]) -> None:
    svg = history([record(epoch, loss=loss) for epoch, loss in enumerate(losses, start=1)])
    assert max(map(points, strokes(svg, BLUE))) >= 2


def test_a_loss_beyond_what_can_be_drawn_is_left_out(texts: Texts) -> None:
    assert "no finite value" in texts(history([record(1, loss=1e308), record(2, loss=1.7e308)]))


def test_a_job_before_its_first_epoch_has_a_picture(texts: Texts) -> None:
    assert "No epoch has ended yet." in texts(history([]))


def test_one_epoch_is_a_whole_number_on_the_axis(texts: Texts) -> None:
    assert "1" in texts(history([record(1, loss=0.5, val_loss=0.4)], 1))


def test_equal_records_give_equal_bytes() -> None:
    assert history(FIFTEEN, 9, 15) == history(list(FIFTEEN), 9, 15)
    assert history(FIFTEEN, 9, 15, fmt="png") == history(FIFTEEN, 9, 15, fmt="png")
    assert history(FIFTEEN, 9, 15) != history(FIFTEEN, 8, 15)
