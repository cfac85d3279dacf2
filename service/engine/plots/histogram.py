"""How the values of a numeric column are spread, as a histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from service.engine.plots.canvas import (
    BLUE,
    PictureFormat,
    counted,
    dress,
    figure,
    message,
    number,
    render,
)
from service.engine.tables.bins import LARGEST, bins_of, equal_bins
from service.engine.tables.tab import value_text

if TYPE_CHECKING:
    from numpy.typing import NDArray


def histogram(
    values: NDArray[np.float64],
    *,
    column: str = "",
    bins: int | None = None,
    kind: str = "numeric",
    fmt: PictureFormat = "svg",
) -> bytes:
    """Return the histogram of a numeric column as SVG or PNG bytes.

    Missing values (NaN), and those beyond `LARGEST` on either side, are counted in the headline
    and not drawn. `bins_of` gives the bins. Equal arguments give equal bytes.

    Args:
        values: (rows,) numbers, NaN where missing.
        column: the column's name, for the headline.
        bins: how many bins of equal width; default: as many as `bins_of` finds good.
        kind: the column's type; dates and times are labelled as such.
        fmt: "svg" or "png".
    """
    finite = values[np.abs(values) <= LARGEST]
    missing = int(np.isnan(values).sum())
    words = counted(finite.size, "row")
    if finite.size and kind in ("date", "datetime"):
        words += f", {value_text(finite.min(), kind)} to {value_text(finite.max(), kind)}"
    elif finite.size:
        words += f", {number(finite.min())} to {number(finite.max())}, mean {number(finite.mean())}"
    if missing:
        words += f", {missing:,} missing"
    if finite.size + missing < values.size:
        words += f", {values.size - finite.size - missing:,} beyond {LARGEST:g}"
    drawn = figure(3.9, title=column or "Values", subtitle=words)
    axes = drawn.add_subplot()
    if not finite.size:
        message(axes, "This column has no values.")
        return render(drawn, fmt)
    from matplotlib.ticker import FuncFormatter

    edges = bins_of(finite) if bins is None else equal_bins(finite, bins)
    counts, edges = np.histogram(finite, edges)
    widths = np.diff(edges)
    axes.bar(edges[:-1], counts, widths, align="edge", color=BLUE, edgecolor="white", linewidth=0.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    beside = widths[0] * (0.5 if len(counts) > 1 else 2)
    axes.set_xlim(edges[0] - beside, edges[-1] + beside)
    if kind in ("date", "datetime"):
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value, kind)[:10]))
    else:
        # Between whole numbers there is nothing to label.
        whole = bool(np.all(finite == np.floor(finite)))
        axes.locator_params(axis="x", integer=whole)
        if np.abs(edges).max() >= 10_000:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    dress(axes, x_label=column, y_label="rows")
    axes.locator_params(axis="y", nbins=6, integer=True)
    return render(drawn, fmt)
