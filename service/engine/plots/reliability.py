"""Calibration: how often what was said to be likely is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.engine.judging.curve_points import Curve
from service.engine.plots.canvas import (
    AXIS,
    COLOURS,
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


class _Bin(NamedTuple):
    """The rows of all curves in one bin: where it is, how many, what was said and what was seen."""

    middle: float
    width: float
    n: int
    said: float
    seen: float


def reliability(curves: Sequence[Curve], *, title: str = "", fmt: PictureFormat = "svg") -> bytes:
    """Return the observed share of events against the mean probability, and how many rows each has.

    A calibrated model follows the dotted diagonal. Of several levels the line is of all of them,
    and a dot is as large as its rows are many. Equal arguments give equal bytes.

    Args:
        curves: as `class_curves` gives them for "calibration".
        title: what was judged on what.
        fmt: "svg" or "png".
    """
    levels = "" if len(curves) == 1 else f", {counted(len(curves), 'level')} against the rest"
    drawn = figure(6.4, title=f"Calibration{levels}", subtitle=title)
    if not any(len(curve.columns["n"]) for curve in curves):
        message(drawn.add_subplot(), "There are no rows.")
        return render(drawn, fmt)
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    dress(upper, y_label="observed share")
    dress(lower, x_label="predicted probability", y_label="rows")
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle=":")
    few, alone = len(curves) <= len(COLOURS), len(curves) == 1
    for at, curve in enumerate(curves):
        columns = curve.columns
        (name,) = labels([curve.name], 18)
        colour = COLOURS[at] if few else MUTED
        # Of several levels dots as large as their rows are many: lines would be a thicket.
        upper.scatter(
            columns["mean_probability"],
            columns["observed"],
            s=6 + 60 * np.sqrt(columns["n"] / max(columns["n"].max(), 1)),
            color=colour,
            alpha=0.9 if alone else 0.55,
            linewidths=0,
            label=f"{name}   {curve.summary['calibration_error']:.3f}",
        )
    bins = _pooled(curves)
    upper.plot(
        [each.said for each in bins],
        [each.seen for each in bins],
        color=COLOURS[0] if alone else INK,
        linewidth=1.6,
        label=None if alone else "all levels",
    )
    lower.bar(
        [each.middle for each in bins],
        [each.n for each in bins],
        width=0.9 * bins[0].width,
        color=AXIS,
    )
    lower.locator_params(axis="y", nbins=3)
    upper.set_xlim(-0.01, 1.01)
    upper.set_ylim(-0.02, 1.02)
    if few:
        upper.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            title="mean gap",
            title_fontsize=9,
        )
    return render(drawn, fmt)


def _pooled(curves: Sequence[Curve]) -> list[_Bin]:
    columns = {
        name: np.concatenate([curve.columns[name] for curve in curves])
        for name in ("low", "high", "n", "mean_probability", "observed")
    }
    found = []
    for low in np.unique(columns["low"]).tolist():
        here = columns["low"] == low
        n, high = columns["n"][here], float(columns["high"][here][0])
        said, seen = (np.average(columns[name][here], weights=n) for name in _SHARES)
        middle, width = (low + high) / 2, high - low
        found.append(_Bin(middle, width, int(n.sum()), float(said), float(seen)))
    return found


_SHARES = ("mean_probability", "observed")
