"""What a regression leaves unexplained: residuals against estimates, and how they are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.engine.judging.curve_points import Curve
from service.engine.plots.canvas import (
    BLUE,
    MUTED,
    PictureFormat,
    counted,
    dress,
    figure,
    message,
    number,
    render,
)

MOST_OUTCOMES = 6


def residual_dots(curves: Sequence[Curve], *, title: str = "", fmt: PictureFormat = "svg") -> bytes:
    """Return each outcome's residuals (truth - estimate) against its estimates, and their counts.

    Equal arguments give equal bytes; of more outcomes than `MOST_OUTCOMES` the first are drawn.

    Args:
        curves: as `residuals` gives them.
        title: what was judged on what.
        fmt: "svg" or "png".
    """
    shown = curves[:MOST_OUTCOMES]
    drawn = figure(0.9 + 3.4 * max(len(shown), 1), title="Residuals", subtitle=title)
    if not shown or not len(shown[0].columns["row"]):
        message(drawn.add_subplot(), "There are no rows.")
        return render(drawn, fmt)
    panels = drawn.subplots(
        len(shown), 2, squeeze=False, width_ratios=[4, 1], sharey="row", sharex=False
    )
    for (left, right), curve in zip(panels, shown, strict=True):
        columns = curve.columns
        dress(left, x_label=f"estimate of {curve.name[:30]}", y_label="truth - estimate")
        dress(right, x_label="rows")
        dots = len(columns["row"])
        left.scatter(
            columns["estimate"],
            columns["residual"],
            s=16 if dots <= 500 else 6,
            color=BLUE,
            alpha=0.55,
            linewidths=0,
            rasterized=dots > 2000,
        )
        for axes in (left, right):
            axes.axhline(0, color=MUTED, linewidth=1.0, linestyle=":")
        error = columns["residual"]
        # Of nearly equal residuals bins would have no width.
        is_spread = np.ptp(error) > 1e-9 * np.abs(error).max()
        right.hist(error, bins=30 if is_spread else 1, orientation="horizontal", color=BLUE)
        right.locator_params(axis="x", nbins=3)
        of = "" if dots == curve.n else f"{dots:,} of "
        mean, sd = number(curve.summary["mean"]), number(curve.summary["sd"])
        left.set_title(
            f"{of}{counted(curve.n, 'row')}, mean {mean}, sd {sd}", size=9, color=MUTED, loc="left"
        )
    return render(drawn, fmt)
