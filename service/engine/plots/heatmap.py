"""A matrix of correlations as a coloured square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from service.engine.plots.canvas import (
    BLUE,
    GRID,
    INK,
    ORANGE,
    PictureFormat,
    counted,
    figure,
    labels,
    message,
    render,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Up to so many columns the numbers fit into the cells; up to so many the names fit beside them.
MOST_NUMBERS = 14
MOST_LABELS = 50
# An SVG of more columns holds its cells as one picture: as shapes they would be megabytes.
MOST_SHAPES = 100


def heatmap(
    r: NDArray[np.float64],
    columns: Sequence[str],
    *,
    title: str = "Correlation",
    fmt: PictureFormat = "svg",
) -> bytes:
    """Return a picture of correlations, -1 orange, 0 white, 1 blue, undefined ones grey.

    Args:
        r: (k, k) correlations, NaN where undefined.
        columns: the k names.
        title: the headline.
        fmt: "svg" or "png". Equal arguments give equal bytes.
    """
    k = len(columns)
    size = 9 if k <= 20 else 6
    step = max(1, -(-k // MOST_LABELS))
    names = labels(columns[::step], 18)
    # Inches: a character of the type is about 0.6 of its height wide, a point is 1 / 72.
    beside = max(map(len, names), default=0) * size * 0.62 / 72
    below = beside if k > 3 else 0.2
    side = min(max(0.52 * k, 1.0), 7.5)
    words = f"Pearson, {counted(k, 'numeric column')}, rows with both values"
    width = max(side + beside + 1.1, 4.8)
    drawn = figure(side + below + 1.1, title=title, subtitle=words, width=width)
    axes = drawn.add_subplot()
    if not k:
        message(axes, "There is no numeric column.")
        return render(drawn, fmt)
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list(
        "correlation", [ORANGE, "white", BLUE]
    ).with_extremes(bad=GRID)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(r),
        cmap=colours,
        vmin=-1,
        vmax=1,
        edgecolors="white" if k <= MOST_LABELS else "face",
        linewidth=0.6 if k <= MOST_LABELS else 0,
        rasterized=k > MOST_SHAPES,
    )
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.tick_params(length=0, labelsize=size, labelcolor=INK)
    places = [place + 0.5 for place in range(0, k, step)]
    axes.set_xticks(places, names, rotation=90 if k > 3 else 0)
    axes.set_yticks(places, names)
    axes.spines[:].set_visible(False)
    if k <= MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(r):
            text = "NA" if np.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00")
            ink = "white" if abs(value) > 0.6 else INK
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", size=8, color=ink)
    bar = drawn.colorbar(mesh, ax=axes, shrink=0.7, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    return render(drawn, fmt)
