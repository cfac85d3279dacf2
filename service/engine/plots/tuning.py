"""What a tune found: the metric against each hyperparameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from service.domain.tune.ranking import Ranked
from service.engine.plots.candidate_words import (
    LINEAR_RATIO,
    is_number,
    key_of,
    nothing_to_compare,
    order_of,
    text_of,
    varied_ids,
    words_of,
)
from service.engine.plots.canvas import (
    BLUE,
    INK,
    MUTED,
    PictureFormat,
    dress,
    figure,
    labels,
    message,
    render,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = 2.7
# More colours cannot be told apart: then all points have one.
MOST_COLOURS = 8
COLOURS = (BLUE, "#d9722b", "#3f8f5b", "#8d5fb0", "#b8433f", "#3b9aa8", "#8a6d3b", "#5c6670")


def tuning(rows: Sequence[Ranked], *, title: str = "Tune", fmt: PictureFormat = "svg") -> bytes:
    """Return the metric's mean of every judged candidate as SVG or PNG bytes, a panel an id.

    As tune::autoplot(): a panel for each hyperparameter that has more than one value. Of the other
    ones, the one with the fewest values gives the colours, where it has at most `MOST_COLOURS`;
    points of one colour are joined. Bars are one standard error. A candidate that a race stopped is
    hollow. Equal arguments give equal bytes.

    Args:
        rows: candidates of one metric, as `ranked` returns them.
        title: the headline.
        fmt: "svg" or "png".
    """
    judged = [row for row in rows if row.mean is not None]
    varied, words = varied_ids(rows, judged), words_of(rows, judged)
    if not varied:
        drawn = figure(2.2, title=title, subtitle=words)
        message(drawn.add_subplot(), nothing_to_compare(judged))
        return render(drawn, fmt)
    drawn = figure(0.95 + PANEL_INCHES * len(varied), title=title, subtitle=words)
    panels = drawn.subplots(len(varied), 1, squeeze=False)[:, 0]
    for axes, name in zip(panels, varied, strict=True):
        _panel(axes, judged, name, _colouring(judged, varied, name))
    return render(drawn, fmt)


def _colouring(judged: Sequence[Ranked], varied: Sequence[str], name: str) -> str | None:
    counts = {
        other: len({key_of(row, other) for row in judged}) for other in varied if other != name
    }
    fewest = min(counts, key=lambda other: counts[other], default=None)
    return fewest if fewest is not None and counts[fewest] <= MOST_COLOURS else None


def _panel(axes: Axes, judged: Sequence[Ranked], name: str, colouring: str | None) -> None:
    place = _scale(axes, judged, name)
    groups: dict[str, list[Ranked]] = {}
    order = sorted(judged, key=lambda row: order_of(row.trial.values[colouring or name]))
    for row in order:
        groups.setdefault(key_of(row, colouring) if colouring else "", []).append(row)
    for (key, own), colour in zip(groups.items(), COLOURS, strict=False):
        own = sorted(own, key=place)
        x, y = [place(row) for row in own], [row.mean or 0.0 for row in own]
        if colouring is not None:
            axes.plot(x, y, color=colour, linewidth=1.2, alpha=0.75, label=key)
        errors = [row.std_err or 0.0 for row in own]
        if any(errors):
            axes.errorbar(x, y, errors, fmt="none", ecolor=MUTED, elinewidth=0.9, capsize=2)
        faces = ["white" if row.trial.pruned_at is not None else colour for row in own]
        axes.scatter(x, y, s=24, c=faces, edgecolors=colour, linewidths=1.2, zorder=3)
    dress(axes, x_label=name, y_label=judged[0].metric)
    if colouring is not None:
        told = axes.legend(
            title=labels([colouring])[0],
            frameon=False,
            fontsize=8.5,
            title_fontsize=9,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            labelcolor=INK,
        )
        told.get_title().set_color(INK)


def _scale(axes: Axes, judged: Sequence[Ranked], name: str) -> Callable[[Ranked], float]:
    """Set the axis that suits the values of an id; return where each candidate stands on it."""
    cells = [row.trial.values[name] for row in judged]
    numbers = [float(cell) for cell in cells if is_number(cell)]
    if len(numbers) == len(cells):
        if min(numbers) > 0 and max(numbers) / min(numbers) > LINEAR_RATIO:
            axes.set_xscale("log")
            axes.minorticks_off()
        return lambda row: float(row.trial.values[name])  # type: ignore[arg-type]
    known = sorted(dict.fromkeys(map(text_of, cells)))
    axes.set_xticks(range(len(known)), labels(known))
    return lambda row: float(known.index(text_of(row.trial.values[name])))
