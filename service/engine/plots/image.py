"""One row's numeric predictors as a grey picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from service.domain.errors import FieldError, InvalidSpec, MissingValues
from service.domain.names import did_you_mean
from service.engine.plots.canvas import PictureFormat

MAX_SIDE = 4096
MAX_SVG_PIXELS = 65_536


def image(
    pixels: Mapping[str, float | None],
    width: int,
    height: int,
    overrides: Mapping[str, float] | None = None,
    *,
    maximum: float | None = None,
    zoom: int = 1,
    fmt: PictureFormat = "png",
) -> bytes:
    """Return a row as a PNG of `width` x `height` pixels, 8-bit grey (Pillow's mode "L"), or SVG.

    The k-th column (1-based) is pixel ((k-1) // width, (k-1) % width): x runs fastest, the top row
    first, as the chapter's x1..x784. One value is one pixel; `zoom` repeats each pixel zoom x zoom
    times without smoothing, so that it stays sharp when enlarged.

    Grey is linear, as R's `image(col = gray(...))` with `zlim = c(low, maximum)`:
    `round(255 * (value - low) / (maximum - low))`, where `low` is 0, or the row's lowest value if
    that is negative, and `maximum` is the given one (a caller gives the dataset's, so that
    pictures of one dataset can be compared and MNIST's 0..255 are the pixels' own values) or else
    the row's largest. An overridden value outside of that is cut to black or white.

    Args:
        pixels: the row's values by column name, in the table's order; None where missing.
        width: pixels in a row of the picture, 1..4096.
        height: rows of the picture, 1..4096.
        overrides: values to show instead, by column name.
        maximum: the value that is white; default: the row's largest after overriding.
        zoom: the side of the square that shows one value, in pixels.
        fmt: "png", or "svg" of at most `MAX_SVG_PIXELS` values, which stays sharp by itself.

    Raises:
        InvalidSpec: width x height is not the number of values, an override is no column or no
            finite number, a size is out of range.
        MissingValues: a value is missing and not overridden.
    """
    _sizes(len(pixels), width, height, zoom)
    values = dict(pixels)
    for name, value in (overrides or {}).items():
        if name not in values:
            raise _refused(name, "a numeric predictor", did_you_mean(name, values))
        if not math.isfinite(value):
            raise _refused(name, "a finite number")
        values[name] = value
    missing = next((name for name, value in values.items() if not _shown(value)), None)
    if missing is not None:
        raise MissingValues(
            f"Expected a value in each of the row's {len(values)} numeric columns. Received none "
            f"in '{missing[:64]}'. Give one, such as ?{missing[:64]}=0."
        )
    grey = _grey(np.array(list(values.values()), dtype=np.float64), maximum).reshape(height, width)
    if fmt == "svg":
        return _svg(grey, zoom)
    picture = np.repeat(np.repeat(grey, zoom, axis=0), zoom, axis=1)

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def _svg(grey: np.ndarray[Any, np.dtype[np.uint8]], zoom: int) -> bytes:
    """Return an SVG with one rectangle for each run of equal shades that is not black."""
    height, width = grey.shape
    if grey.size > MAX_SVG_PIXELS:
        raise _refused(
            "width", f"at most {MAX_SVG_PIXELS:,} values in an SVG; a PNG has no such limit",
            received=f"{width} x {height}",
        )  # fmt: skip
    rectangles = [f'<rect width="{width}" height="{height}" fill="#000000"/>']
    for y, row in enumerate(grey):
        starts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist()]
        for x, end in zip(starts, [*starts[1:], width], strict=True):
            if shade := int(row[x]):
                rectangles.append(
                    f'<rect x="{x}" y="{y}" width="{end - x}" height="1" '
                    f'fill="#{shade:02x}{shade:02x}{shade:02x}"/>'
                )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * zoom}" height="{height * zoom}" '
        f'viewBox="0 0 {width} {height}" shape-rendering="crispEdges">'
    )
    return "\n".join([head, *rectangles, "</svg>", ""]).encode()


def _grey(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], maximum: float | None
) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    low = min(0.0, float(values.min()))
    high = float(values.max()) if maximum is None else maximum
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    # Halves first: the difference of two finite doubles may be infinite.
    share = (values / 2 - low / 2) / (high / 2 - low / 2)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def _shown(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _sizes(n: int, width: int, height: int, zoom: int) -> None:
    for name, size in (("width", width), ("height", height), ("zoom", zoom)):
        if not 1 <= size <= MAX_SIDE:
            raise _refused(name, f"{name} to be 1 to {MAX_SIDE}", received=str(size))
    if max(width, height) * zoom > MAX_SIDE:
        raise _refused("zoom", f"a picture of at most {MAX_SIDE} pixels a side", received=str(zoom))
    if width * height != n:
        raise _refused(
            "width",
            f"width x height to be {n}, the number of the row's numeric predictors",
            received=f"{width} x {height} = {width * height}",
        )


def _refused(
    name: str, expected: str, hint: str = "", *, received: str | None = None
) -> InvalidSpec:
    shown = name[:64] if received is None else received
    return InvalidSpec(
        f"Expected {expected}. Received '{shown}'.{hint}",
        errors=[FieldError(loc=("query", name[:64]), msg=f"Expected {expected}.", received=shown)],
    )
