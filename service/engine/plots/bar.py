"""How often each level of a column occurs, as a bar chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.engine.plots.canvas import (
    BLUE,
    INK,
    PictureFormat,
    counted,
    dress,
    figure,
    labels,
    message,
    render,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Up to so many bars lie down when a label is long.
LYING_BARS = 60
# Digits of counts that fit side by side above the bars, in large and in small type.
LARGE_DIGITS, SMALL_DIGITS = 60, 100
# More labels than this cannot be read along one axis: only every k-th is written then.
MOST_LABELS = 40


def bar(
    counts: Sequence[int],
    levels: Sequence[str],
    *,
    column: str = "",
    missing: int = 0,
    fmt: PictureFormat = "svg",
) -> bytes:
    """Return the bar chart of a column's levels, in the order given, as SVG or PNG bytes.

    Every level is drawn, however many there are; with more than `MOST_LABELS` only every k-th is
    labelled. Bars lie down when the labels are long. Equal arguments give equal bytes.

    Args:
        counts: how often each level occurs, 0 or more.
        levels: the levels' names, as many as there are counts.
        column: the column's name, for the headline.
        missing: how many values are missing, told in the headline.
        fmt: "svg" or "png".
    """
    if len(counts) != len(levels):
        raise ValueError(f"Expected one count a level. Received {len(counts)} and {len(levels)}.")
    total = sum(counts)
    words = f"{counted(total, 'row')} in {counted(len(levels), 'level')}"
    if missing:
        words += f", {missing:,} missing"
    lying = len(levels) <= LYING_BARS and max(map(len, levels), default=0) > 9
    height = max(2.4, 1.3 + 0.28 * len(levels)) if lying else 3.9
    drawn = figure(height, title=column or "Counts", subtitle=words)
    axes = drawn.add_subplot()
    if not levels:
        message(axes, "This column has no values.")
    elif lying:
        _lying(axes, counts, labels(levels))
    else:
        _standing(axes, counts, labels(levels, 12))
    return render(drawn, fmt)


def _standing(axes: Axes, counts: Sequence[int], names: list[str]) -> None:
    from matplotlib.ticker import FuncFormatter

    positions = range(len(names))
    texts = [f"{count:,}" for count in counts]
    digits = len(texts) * max(map(len, texts))
    bars = axes.bar(positions, counts, width=0.78 if len(names) <= LYING_BARS else 1, color=BLUE)
    step = -(-len(names) // MOST_LABELS)
    axes.set_xticks(positions[::step], names[::step])
    # Two bars should not fill the whole width.
    spare = max(0, 5 - len(names)) / 2
    axes.set_xlim(-0.7 - spare, len(names) - 0.3 + spare)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    dress(axes, y_label="rows")
    axes.tick_params(axis="x", length=0, labelsize=10 if len(names) <= 12 else 8)
    if len(names) > 12 and max(map(len, names)) > 3:
        axes.tick_params(axis="x", rotation=90)
    axes.locator_params(axis="y", nbins=6, integer=True)
    if digits <= SMALL_DIGITS:
        size = 9 if digits <= LARGE_DIGITS else 7
        axes.bar_label(bars, texts, padding=2, size=size, color=INK)
        axes.margins(y=0.1)


def _lying(axes: Axes, counts: Sequence[int], names: list[str]) -> None:
    from matplotlib.ticker import FuncFormatter

    positions = range(len(names))
    bars = axes.barh(positions, counts, height=0.74, color=BLUE)
    axes.set_yticks(positions, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    dress(axes, x_label="rows", grid="x")
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=3, size=8.5, color=INK)
    axes.margins(x=0.1)
