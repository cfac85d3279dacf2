"""How the values of a numeric column are spread, as a histogram."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from service.engine.plots.canvas import BLUE, PictureFormat, counted, dress, figure, message, render

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BINS = 60
# Beyond this the width of the range, or the sum for the mean, may not be a double any more.
LARGEST = 1e300


def histogram(
    values: NDArray[np.float64], *, column: str = "", fmt: PictureFormat = "svg"
) -> bytes:
    """Return the histogram of a numeric column as SVG or PNG bytes.

    Missing values (NaN), and those beyond `LARGEST` on either side, are counted in the headline
    and not drawn. `bins_of` gives the bins. Equal arguments give equal bytes.

    Args:
        values: (rows,) numbers, NaN where missing.
        column: the column's name, for the headline.
        fmt: "svg" or "png".
    """
    finite = values[np.abs(values) <= LARGEST]
    missing = int(np.isnan(values).sum())
    words = counted(finite.size, "row")
    if finite.size:
        words += f", {finite.min():.6g} to {finite.max():.6g}, mean {finite.mean():.6g}"
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

    edges = bins_of(finite)
    counts, edges = np.histogram(finite, edges)
    widths = np.diff(edges)
    axes.bar(edges[:-1], counts, widths, align="edge", color=BLUE, edgecolor="white", linewidth=0.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    beside = widths[0] * (0.5 if len(counts) > 1 else 2)
    axes.set_xlim(edges[0] - beside, edges[-1] + beside)
    dress(axes, x_label=column, y_label="rows")
    axes.locator_params(axis="y", nbins=6, integer=True)
    return render(drawn, fmt)


def bins_of(finite: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of a histogram's bins, at most `MOST_BINS` bins.

    Whole numbers: bins of one equal whole width, centred on the numbers, so that no bar holds
    more of them than its neighbour. Other numbers: the narrower of the widths of Freedman and
    Diaconis (1981), `2 IQR / n^(1/3)`, and of Sturges (1926), `range / (log2(n) + 1)`.

    Args:
        finite: (rows,) at least one value, none beyond `LARGEST`.
    """
    low, high = float(finite.min()), float(finite.max())
    # Below this a float has no steps left for the edges of 60 bins.
    if high - low <= max(1e-12 * max(abs(low), abs(high)), 1e-300):
        pad = 0.5 * max(abs(low), 1.0)
        return np.array([low - pad, high + pad])
    if high - low < 1e6 and bool(np.all(finite == np.floor(finite))):
        width = -(-int(high - low + 1) // MOST_BINS)
        bins = -(-int(high - low + 1) // width)
        return low - 0.5 + width * np.arange(bins + 1, dtype=np.float64)
    quarter, three_quarters = np.quantile(finite, (0.25, 0.75))
    narrow = 2 * float(three_quarters - quarter) / finite.size ** (1 / 3)
    sturges = math.ceil(math.log2(finite.size)) + 1
    # Compared by multiplying: a narrow middle below a far outlier would overflow a quotient.
    many = MOST_BINS if narrow * MOST_BINS <= high - low else math.ceil((high - low) / narrow)
    return np.linspace(low, high, min(max(many, sturges), MOST_BINS) + 1)
