"""What a tune found in parallel coordinates: an axis an id and one for the metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.metric_names import direction_of
from service.domain.tune.grid import Cell
from service.domain.tune.ranking import Ranked
from service.engine.plots.candidate_words import (
    LINEAR_RATIO,
    is_number,
    nothing_to_compare,
    order_of,
    text_of,
    varied_ids,
    words_of,
)
from service.engine.plots.canvas import (
    AXIS,
    BLUE,
    INK,
    MUTED,
    ORANGE,
    WIDTH,
    PictureFormat,
    figure,
    labels,
    message,
    render,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 4.4
AXIS_INCHES = 1.25
# Where 0 stands below the powers of a logarithmic axis.
ZERO_GAP = 0.12
# More values than this have no label each, nor have those that stand closer than this.
MOST_TICKS = 8
CLOSEST = 0.045
# So many lines let each other shine through.
MANY = 60
# From the worst to the best: pale to strong.
GRADIENT = ("#cfe0ee", BLUE, "#0f2f57")
PALE = "#c9ced4"


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """One axis: where a value stands, 0 to 1 from its lower end, and its ticks."""

    name: str
    place: Callable[[Cell], float]
    ticks: tuple[tuple[float, str], ...]


def parallel(
    rows: Sequence[Ranked],
    *,
    logarithmic: Collection[str] = (),
    title: str = "Tune",
    fmt: PictureFormat = "svg",
) -> bytes:
    """Return every judged candidate as a line over one axis an id, as SVG or PNG bytes.

    Ids that do not vary have no axis; the last axis is the metric's mean. A line is the stronger
    the better its mean, the best one is orange; one that a race stopped is grey and dashed.
    Equal arguments give equal bytes.

    Args:
        rows: candidates of one metric, best first, as `ranked` returns them.
        logarithmic: ids whose axis is logarithmic; 0 stands below its powers. So is the metric's
            where means are positive and span more than a factor of `LINEAR_RATIO`.
        title: the headline.
        fmt: "svg" or "png".
    """
    judged = [row for row in rows if row.mean is not None]
    varied, words = varied_ids(rows, judged), words_of(rows, judged)
    if not varied:
        drawn = figure(2.2, title=title, subtitle=words)
        message(drawn.add_subplot(), nothing_to_compare(judged))
        return render(drawn, fmt)
    coordinates = [
        coordinate(name, [row.trial.values[name] for row in judged], name in logarithmic)
        for name in varied
    ]
    means = [row.mean for row in judged if row.mean is not None]
    spans = min(means) > 0 and max(means) / min(means) > LINEAR_RATIO
    coordinates.append(coordinate(judged[0].metric, means, spans))
    width = max(WIDTH, AXIS_INCHES * len(coordinates))
    drawn = figure(HEIGHT, title=title, subtitle=words, width=width)
    axes = drawn.add_subplot()
    _lines(axes, judged, varied, coordinates)
    for at, each in enumerate(coordinates):
        _axis(axes, at, each, is_last=at == len(coordinates) - 1)
    axes.set_xlim(-0.35, len(coordinates) - 1 + 0.35)
    axes.set_ylim(-0.05, 1.05)
    axes.set_yticks([])
    axes.set_xticks(range(len(coordinates)), labels([each.name for each in coordinates]))
    axes.tick_params(axis="x", colors=INK, labelsize=9.5, length=0, pad=6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return render(drawn, fmt)


def coordinate(name: str, cells: Sequence[Cell], logarithmic: bool = False) -> Coordinate:
    """Return the axis that suits some values.

    Numbers stand where they are, or where their logarithms are; other values, and numbers beside
    them, at equal distances in the order of their labels.
    """
    if not all(map(is_number, cells)):
        known = {text_of(cell): cell for cell in cells}
        texts = sorted(known, key=lambda text: order_of(known[text]))
        places = {text: at / max(len(texts) - 1, 1) for at, text in enumerate(texts)}
        ticks = _apart([(place, text) for text, place in places.items()])
        return Coordinate(name=name, place=lambda cell: places[text_of(cell)], ticks=ticks)
    numbers = sorted({float(cell) for cell in cells})  # type: ignore[arg-type]
    positive = [number for number in numbers if number > 0]
    if logarithmic and positive and numbers[0] >= 0:
        place, told = _logarithms(positive, with_zero=numbers[0] == 0)
    else:
        place, told = _spread(numbers)
    if len(numbers) <= MOST_TICKS:
        told = numbers
    ticks = _apart([(place(number), text_of(number)) for number in told])
    return Coordinate(name=name, place=lambda cell: place(float(cell)), ticks=ticks)  # type: ignore[arg-type]


def _spread(numbers: Sequence[float]) -> tuple[Callable[[float], float], list[float]]:
    """Return where numbers stand on a linear axis, and what its ticks could be."""
    from matplotlib.ticker import MaxNLocator

    low, high = numbers[0], numbers[-1]
    width = high - low
    if not 0 < width < math.inf:
        return lambda _: 0.5, [low]
    told = [low, high]
    # Beyond these the locator's own arithmetic overflows.
    if 1e-200 < width < 1e200:
        told = [float(n) for n in MaxNLocator(5).tick_values(low, high) if low <= n <= high]
    return lambda number: (number - low) / width, told


def _logarithms(
    positive: Sequence[float], *, with_zero: bool
) -> tuple[Callable[[float], float], list[float]]:
    """Return where numbers stand on a logarithmic axis, 0 at its foot, and its ticks."""
    low, high = math.log10(positive[0]), math.log10(positive[-1])
    foot = ZERO_GAP if with_zero else 0.0

    def place(number: float) -> float:
        if number <= 0:
            return 0.0
        share = (math.log10(number) - low) / (high - low) if high > low else 1.0
        return foot + (1 - foot) * share

    powers = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
    told = powers if len(powers) > 1 else [positive[0], positive[-1]]
    every = max(1, math.ceil(len(told) / MOST_TICKS))
    return place, [*([0.0] if with_zero else []), *told[::every]]


def _apart(ticks: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """Return ticks whose labels do not touch, the lowest and the highest first of all."""
    kept: list[tuple[float, str]] = []
    for place, text in [*ticks[:1], *ticks[:0:-1]]:
        if all(abs(place - other) >= CLOSEST for other, _ in kept):
            kept.append((place, text))
    return tuple(sorted(kept))


def _lines(
    axes: Axes, judged: Sequence[Ranked], varied: Sequence[str], coordinates: Sequence[Coordinate]
) -> None:
    """Draw the candidates, those that a race stopped below the others, the best one on top."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("fitpoint", GRADIENT)
    upside_down = direction_of(judged[0].metric) == "minimize"
    x = range(len(coordinates))
    finished = [row for row in judged if row.trial.pruned_at is None]
    alpha = 0.9 if len(judged) <= MANY else 0.5
    for order, row in enumerate(reversed(judged)):
        cells = [*(row.trial.values[name] for name in varied), row.mean]
        y = [each.place(cell) for each, cell in zip(coordinates, cells, strict=True)]
        if row.trial.pruned_at is not None:
            axes.plot(x, y, color=PALE, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
        elif row is finished[0]:
            axes.plot(x, y, color=ORANGE, linewidth=2.4, zorder=2 + len(judged))
        else:
            strength = 1 - y[-1] if upside_down else y[-1]
            axes.plot(x, y, color=colours(strength), linewidth=1.3, alpha=alpha, zorder=2 + order)


def _axis(axes: Axes, at: int, each: Coordinate, *, is_last: bool) -> None:
    """Draw an axis with its ticks; the metric's labels stand on its right."""
    top = 1000
    axes.plot([at, at], [0, 1], color=AXIS, linewidth=1.2, zorder=top, solid_capstyle="butt")
    side = 1 if is_last else -1
    for place, text in each.ticks:
        axes.annotate(
            labels([text], longest=14)[0],
            (at, place),
            xytext=(5 * side, 0),
            textcoords="offset points",
            ha="left" if is_last else "right",
            va="center",
            size=8.5,
            color=MUTED,
            zorder=top + 1,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0},
        )
        axes.plot([at], [place], marker="_", markersize=6, color=AXIS, zorder=top)
