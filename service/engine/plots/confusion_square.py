"""The confusion of classes as a coloured square: predictions in rows, truth in columns."""

from __future__ import annotations

import numpy as np

from service.domain.evaluations import Confusion
from service.engine.plots.canvas import (
    BLUE,
    INK,
    PictureFormat,
    counted,
    figure,
    labels,
    message,
    render,
)

# Up to so many levels the counts fit into the cells; up to so many the names fit beside them.
MOST_NUMBERS = 20
MOST_LABELS = 50
# An SVG of more levels holds its cells as one picture: as shapes they would be megabytes.
MOST_SHAPES = 100


def confusion_square(confusion: Confusion, *, title: str = "", fmt: PictureFormat = "svg") -> bytes:
    """Return a picture of counts, coloured by the share of each true class (each column sums to 1).

    Equal arguments give equal bytes.

    Args:
        confusion: counts with predictions in rows and truth in columns.
        title: what was judged on what.
        fmt: "svg" or "png".
    """
    k = len(confusion.levels)
    counts = np.array(confusion.counts, dtype=np.int64).reshape(k, k)
    n = int(counts.sum())
    size = 9 if k <= MOST_NUMBERS else 6
    step = max(1, -(-k // MOST_LABELS))
    names = labels(confusion.levels[::step], 18)
    # Inches: a character of the type is about 0.6 of its height wide, a point is 1 / 72.
    beside = max(map(len, names), default=0) * size * 0.62 / 72
    upright = k > 3 and beside > 0.3
    side = min(max(0.5 * k, 2.0), 7.5)
    words = f"{counted(n, 'row')}, {counted(int(np.trace(counts)), 'row')} on the diagonal"
    drawn = figure(
        side + (beside if upright else 0.2) + 1.4,
        title="Confusion",
        subtitle=f"{title}: {words}" if title else words,
        width=max(side + beside + 1.5, 5.6),
    )
    axes = drawn.add_subplot()
    if not k or not n:
        message(axes, "There are no rows.")
        return render(drawn, fmt)
    from matplotlib.colors import LinearSegmentedColormap

    totals = counts.sum(axis=0)
    share = counts / np.where(totals > 0, totals, 1)
    mesh = axes.pcolormesh(
        share,
        cmap=LinearSegmentedColormap.from_list("share", ["white", BLUE]),
        vmin=0,
        vmax=1,
        edgecolors="white" if k <= MOST_LABELS else "face",
        linewidth=0.6 if k <= MOST_LABELS else 0,
        rasterized=k > MOST_SHAPES,
    )
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.tick_params(length=0, labelsize=size, labelcolor=INK)
    places = [place + 0.5 for place in range(0, k, step)]
    axes.set_xticks(places, names, rotation=90 if upright else 0)
    axes.set_yticks(places, names)
    axes.set_xlabel("truth", size=9.5, color=INK)
    axes.set_ylabel("prediction", size=9.5, color=INK)
    axes.spines[:].set_visible(False)
    if k <= MOST_NUMBERS:
        largest = max(len(f"{counts.max():,}"), 1)
        digits = min(9.0, 30 / largest)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                ink = "white" if share[row, column] > 0.6 else INK
                axes.text(
                    column + 0.5,
                    row + 0.5,
                    f"{count:,}",
                    ha="center",
                    va="center",
                    size=digits,
                    color=ink,
                )
    bar = drawn.colorbar(mesh, ax=axes, shrink=0.7, ticks=[0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    bar.set_label("share of the true class", size=8, color=INK)
    return render(drawn, fmt)
