"""One row's numeric predictors as a grey picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO

import numpy as np

from service.domain.errors import FieldError, InvalidSpec, MissingValues
from service.domain.names import did_you_mean

MAX_SIDE = 4096


def image(
    pixels: Mapping[str, float | None],
    width: int,
    height: int,
    overrides: Mapping[str, float] | None = None,
    *,
    maximum: float | None = None,
    zoom: int = 1,
) -> bytes:
    """Return a row as a PNG of `width` x `height` pixels, 8-bit grey (Pillow's mode "L").

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
    grey = _grey(np.array(list(values.values()), dtype=np.float64), maximum)
    picture = np.repeat(np.repeat(grey.reshape(height, width), zoom, axis=0), zoom, axis=1)

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


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
