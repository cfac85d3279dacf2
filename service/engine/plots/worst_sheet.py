"""The rows that a model is most wrong about, as a sheet of small pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine.plots.canvas import (
    MUTED,
    ORANGE,
    PictureFormat,
    counted,
    figure,
    labels,
    message,
    render,
)

IN_A_ROW = 5


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Square pictures, (pictures, pixels) with `x` running fastest, and what is said of each.

    `rows` are 1-based; `brightest` is the value that is white, None for each picture's own largest.
    """

    pixels: NDArray[np.float64]
    rows: tuple[int, ...]
    truth: tuple[str, ...]
    estimate: tuple[str, ...]
    brightest: float | None = None


def worst_sheet(sheet: Sheet, *, title: str = "", fmt: PictureFormat = "svg") -> bytes:
    """Return the pictures with the row's number, its truth and what the model says.

    Equal arguments give equal bytes.
    """
    n = len(sheet.rows)
    deep = max(1, -(-n // IN_A_ROW))
    words = f"{counted(n, 'row')}, the worst first: truth, then the prediction in orange"
    drawn = figure(
        0.8 + 1.75 * deep, title="Worst rows", subtitle=f"{title}: {words}" if title else words
    )
    if not n:
        message(drawn.add_subplot(), "There are no rows.")
        return render(drawn, fmt)
    side = math.isqrt(sheet.pixels.shape[1])
    panels = drawn.subplots(deep, IN_A_ROW, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    texts = zip(labels(sheet.truth, 10), labels(sheet.estimate, 10), strict=True)
    for at, (axes, (truth, estimate)) in enumerate(zip(panels, texts, strict=False)):
        picture = np.nan_to_num(sheet.pixels[at].reshape(side, side))
        high = float(picture.max()) if sheet.brightest is None else sheet.brightest
        low = min(0.0, float(picture.min()))
        axes.imshow(
            picture, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest"
        )
        place = axes.transAxes
        axes.text(0.0, 1.03, truth, transform=place, size=10, weight="bold", va="bottom")
        axes.text(
            0.5, 1.03, estimate, transform=place, size=10, color=ORANGE, va="bottom", ha="center"
        )
        axes.text(
            1.0,
            1.03,
            f"row {sheet.rows[at]:,}",
            transform=place,
            size=7.5,
            color=MUTED,
            va="bottom",
            ha="right",
        )
    return render(drawn, fmt)
