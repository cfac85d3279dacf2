"""Permutation importance as bars, the most important column on top."""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.engine.judging.permutation import Importance
from service.engine.plots.canvas import (
    BLUE,
    INK,
    MUTED,
    PictureFormat,
    counted,
    dress,
    figure,
    labels,
    message,
    render,
)


def importance_bars(
    columns: Sequence[Importance],
    metric: str,
    *,
    n: int,
    times: int,
    title: str = "",
    fmt: PictureFormat = "svg",
) -> bytes:
    """Return bars of how much worse the metric is with a column shuffled, and standard errors.

    Equal arguments give equal bytes.

    Args:
        columns: in the order to show.
        metric: the metric's name.
        n: how many rows were shuffled.
        times: how often each column was shuffled.
        title: what was judged on what.
        fmt: "svg" or "png".
    """
    words = f"{counted(n, 'row')}, each column shuffled {counted(times, 'time')}"
    drawn = figure(
        1.5 + 0.26 * max(len(columns), 2),
        title="Permutation importance",
        subtitle=f"{title}: {words}" if title else words,
    )
    axes = drawn.add_subplot()
    if not columns:
        message(axes, "The model reads no column.")
        return render(drawn, fmt)
    dress(axes, x_label=f"{metric}, worse by", grid="x")
    widths = [0.0 if math.isnan(each.importance) else each.importance for each in columns]
    errors = [0.0 if math.isnan(each.std_err) else each.std_err for each in columns]
    places = list(range(len(columns)))
    axes.barh(places, widths, height=0.72, color=BLUE)
    if any(errors):
        axes.errorbar(
            widths, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2
        )
    axes.set_yticks(places, labels([each.column for each in columns]))
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.invert_yaxis()
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.locator_params(axis="x", nbins=7)
    return render(drawn, fmt)
