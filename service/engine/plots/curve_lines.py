"""ROC, precision-recall, gain and lift curves: each level against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from service.engine.judging.curve_points import AXES, Curve, CurveKind
from service.engine.plots.canvas import (
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More lines than colours are drawn thin and grey, without a legend.
MOST_COLOURED = len(COLOURS)


class _Look(NamedTuple):
    title: str
    x_label: str
    y_label: str


_LOOKS: dict[CurveKind, _Look] = {
    "roc": _Look("ROC curve", "1 - specificity", "sensitivity"),
    "pr": _Look("Precision and recall", "recall", "precision"),
    "gain": _Look("Gain curve", "% tested", "% found"),
    "lift": _Look("Lift curve", "% tested", "lift"),
}


def curve_lines(
    curves: Sequence[Curve], kind: CurveKind, *, title: str = "", fmt: PictureFormat = "svg"
) -> bytes:
    """Return a picture of curves, and what a model without knowledge draws as a dotted line.

    The legend has each curve's area where it has one. Equal arguments give equal bytes.

    Args:
        curves: as `class_curves` gives them.
        kind: "roc", "pr", "gain" or "lift".
        title: what was judged on what.
        fmt: "svg" or "png".
    """
    look = _LOOKS[kind]
    levels = "" if len(curves) == 1 else f", {counted(len(curves), 'level')} against the rest"
    drawn = figure(5.6, title=f"{look.title}{levels}", subtitle=title)
    axes = drawn.add_subplot()
    if not any(len(column) for curve in curves for column in curve.columns.values()):
        message(axes, "There are no rows.")
        return render(drawn, fmt)
    dress(axes, x_label=look.x_label, y_label=look.y_label)
    _reference(axes, kind)
    few = len(curves) <= MOST_COLOURED
    for at, curve in enumerate(curves):
        x, y = (np.asarray(curve.columns[name], dtype=np.float64) for name in AXES[kind])
        axes.plot(
            1 - x if kind == "roc" else x,
            y,
            color=COLOURS[at] if few else MUTED,
            linewidth=1.7 if few else 0.6,
            alpha=1 if few else 0.5,
            label=_label(curve),
        )
    end = 100 if kind in ("gain", "lift") else 1
    axes.set_xlim(-0.01 * end, 1.01 * end)
    if kind != "lift":
        axes.set_ylim(-0.01 * end, 1.02 * end)
    else:
        axes.set_ylim(bottom=0)
    if few:
        axes.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=9,
            labelcolor=INK,
        )
    return render(drawn, fmt)


def _reference(axes: Axes, kind: CurveKind) -> None:
    ends = {"roc": ([0, 1], [0, 1]), "gain": ([0, 100], [0, 100]), "lift": ([0, 100], [1, 1])}
    if kind in ends:
        axes.plot(*ends[kind], color=MUTED, linewidth=1.0, linestyle=":")


def _label(curve: Curve) -> str:
    (name,) = labels([curve.name], 18)
    areas = [value for value in curve.summary.values() if np.isfinite(value)]
    return f"{name}   {areas[0]:.3f}" if areas else name
