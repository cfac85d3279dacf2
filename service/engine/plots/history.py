"""The learning curve of a fit: each value by epoch, training and validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.domain.history import EpochRecord
from service.engine.plots.canvas import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PictureFormat,
    counted,
    dress,
    figure,
    message,
    note,
    render,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = 2.3
DASHES = (0, (4, 1.6))
# Up to so many epochs each value is also a dot.
DOTTED_EPOCHS = 60
# A value that grows or shrinks by more than this is drawn on a logarithmic scale.
LINEAR_RATIO = 1000
# Keras's float32 values end at 3.4e38; matplotlib's margins overflow near 1e308.
LARGEST = 1e100


def history(
    records: Sequence[EpochRecord],
    best_epoch: int | None = None,
    stopped_epoch: int | None = None,
    *,
    title: str = "Learning curve",
    fmt: PictureFormat = "svg",
) -> bytes:
    """Return the learning curve as SVG or PNG bytes: one panel a value, loss first.

    Training is a solid line, validation a dashed one in another colour. A value that is not finite
    (or beyond `LARGEST`) is left out and the line is broken there. Values that span more than
    `LINEAR_RATIO`, as of a loss that diverges, have a logarithmic scale. A dotted upright marks
    the best epoch, a dash-dotted one the epoch at which early stopping ended the fit. Equal
    arguments give equal bytes.

    Args:
        records: the epochs of one fit, ascending.
        best_epoch: the epoch with the best monitored value, or None.
        stopped_epoch: the epoch at which early stopping ended the fit, or None.
        title: the headline.
        fmt: "svg" or "png".
    """
    names = _values_of(records)
    drawn = figure(
        0.95 + PANEL_INCHES * max(len(names), 1),
        title=title,
        subtitle=_words(records, best_epoch, stopped_epoch),
    )
    if not names:
        message(drawn.add_subplot(), "No epoch has ended yet.")
        return render(drawn, fmt)
    from matplotlib.ticker import MaxNLocator

    panels = drawn.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, names, strict=True):
        _panel(axes, records, name)
        _marks(axes, best_epoch, stopped_epoch)
    epochs = [record.epoch for record in records]
    first, last = epochs[0], epochs[-1]
    pad = max((last - first) * 0.02, 0.4)
    panels[0].set_xlim(first - pad, last + pad)
    panels[-1].set_xlabel("epoch", size=9.5, color=INK)
    panels[-1].xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    drawn.align_ylabels(panels)
    _legend(panels[0], records, best_epoch, stopped_epoch)
    return render(drawn, fmt)


def _values_of(records: Sequence[EpochRecord]) -> list[str]:
    """Return the names of the training values in order of appearance, `val_` ones folded in."""
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(name.removeprefix("val_") for name in record.values))
    return list(names)


def _words(
    records: Sequence[EpochRecord], best_epoch: int | None, stopped_epoch: int | None
) -> str:
    words = counted(len(records), "epoch")
    if best_epoch is not None:
        words += f", best {best_epoch}"
    if stopped_epoch is not None:
        words += f", stopped early at {stopped_epoch}"
    lost = sum(record.diverged for record in records)
    if lost:
        words += f", {lost:,} with a value that is not finite"
    return words


def _panel(axes: Axes, records: Sequence[EpochRecord], name: str) -> None:
    dress(axes, y_label=name.replace("_", " "))
    dots = "o" if len(records) <= DOTTED_EPOCHS else "None"
    drawn: list[float] = []
    for value, colour, dashes in ((name, BLUE, "-"), (f"val_{name}", ORANGE, DASHES)):
        points = [record.values.get(value, math.nan) for record in records]
        points = [point if abs(point) <= LARGEST else math.nan for point in points]
        finite = [point for point in points if not math.isnan(point)]
        drawn += finite
        if finite:
            axes.plot(
                [record.epoch for record in records],
                points,
                color=colour,
                linestyle=dashes,
                linewidth=1.8,
                marker=dots,
                markersize=3.6,
                markeredgewidth=0,
            )
    if not drawn:
        axes.set_yticks([])
        note(axes, "no finite value")
    elif 0 < min(drawn) < max(drawn) / LINEAR_RATIO:
        axes.set_yscale("log")
        axes.minorticks_off()
    else:
        axes.locator_params(axis="y", nbins=6)


def _marks(axes: Axes, best_epoch: int | None, stopped_epoch: int | None) -> None:
    if best_epoch is not None:
        axes.axvline(best_epoch, color=INK, linewidth=1.1, linestyle=":", zorder=1.5)
    if stopped_epoch is not None:
        axes.axvline(stopped_epoch, color=MUTED, linewidth=1.1, linestyle="-.", zorder=1.5)


def _legend(
    axes: Axes,
    records: Sequence[EpochRecord],
    best_epoch: int | None,
    stopped_epoch: int | None,
) -> None:
    from matplotlib.lines import Line2D

    entries = [Line2D([], [], color=BLUE, linewidth=1.8, label="training")]
    if any(name.startswith("val_") for record in records for name in record.values):
        entries.append(
            Line2D([], [], color=ORANGE, linewidth=1.8, linestyle=DASHES, label="validation")
        )
    if best_epoch is not None:
        entries.append(Line2D([], [], color=INK, linewidth=1.1, linestyle=":", label="best epoch"))
    if stopped_epoch is not None:
        entries.append(
            Line2D([], [], color=MUTED, linewidth=1.1, linestyle="-.", label="stopped early")
        )
    axes.legend(
        handles=entries,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(entries),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=2.4,
        borderaxespad=0.2,
    )
