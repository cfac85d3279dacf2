"""One row as a grey picture: places, shades, overrides and refusals."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.domain.errors import InvalidSpec, MissingValues
from service.engine.plots.image import image


def shades(png: bytes) -> NDArray[np.uint8]:
    picture = Image.open(BytesIO(png))
    assert picture.mode == "L"
    return np.asarray(picture)


def columns(values: NDArray[np.float64]) -> dict[str, float | None]:
    return {f"x{place}": float(value) for place, value in enumerate(values, start=1)}


def test_x_runs_fastest_and_overrides_land_where_the_chapter_says() -> None:
    # golden.md G16: x25, x29 and x784 are the positions (0, 24), (1, 0) and (27, 27).
    black = columns(np.zeros(784))
    drawn = shades(image(black, 28, 28, {"x25": 255, "x29": 255, "x784": 255}))
    assert sorted(zip(*np.nonzero(drawn), strict=True)) == [(0, 24), (1, 0), (27, 27)]
    assert set(drawn[np.nonzero(drawn)]) == {255}


def test_width_is_the_length_of_a_row() -> None:
    drawn = shades(image(columns(np.arange(6.0)), 3, 2, maximum=255))
    assert drawn.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_mnist_pixels_are_their_own_values(shared_data: Path) -> None:
    with np.load(shared_data / "mnist.npz") as arrays:
        third = arrays["x_train"][2]
    drawn = shades(image(columns(third.reshape(-1).astype(np.float64)), 28, 28, maximum=255))
    assert np.array_equal(drawn, third)


def test_without_a_maximum_the_largest_value_is_white() -> None:
    assert shades(image({"a": 0.0, "b": 8.0, "c": 16.0}, 3, 1)).tolist() == [[0, 128, 255]]


def test_negative_values_start_at_black() -> None:
    assert shades(image({"a": -1.0, "b": 0.0, "c": 1.0}, 3, 1)).tolist() == [[0, 128, 255]]


def test_an_override_beyond_the_scale_is_white_and_changes_no_other_pixel() -> None:
    drawn = shades(image({"a": 100.0, "b": 50.0}, 2, 1, {"b": 1e300}, maximum=255))
    assert drawn.tolist() == [[100, 255]]


def test_a_constant_row_is_black_and_huge_values_do_not_overflow() -> None:
    assert shades(image({"a": 0.0, "b": 0.0}, 2, 1)).tolist() == [[0, 0]]
    assert shades(image({"a": -1.7e308, "b": 1.7e308}, 2, 1)).tolist() == [[0, 255]]


def test_zoom_repeats_each_pixel_without_smoothing() -> None:
    drawn = shades(image({"a": 0.0, "b": 255.0}, 2, 1, zoom=3))
    assert drawn.tolist() == [[0, 0, 0, 255, 255, 255]] * 3


def test_equal_rows_give_equal_bytes() -> None:
    row = columns(np.arange(64.0))
    assert image(row, 8, 8) == image(dict(row), 8, 8)


@pytest.mark.parametrize(
    ("width", "height", "overrides", "zoom", "words"),
    [
        (28, 28, {}, 1, "width x height to be 4, .* Received '28 x 28 = 784'"),
        (0, 4, {}, 1, "width to be 1 to 4096"),
        (4, -1, {}, 1, "height to be 1 to 4096"),
        (2, 2, {}, 4096, "at most 4096 pixels a side"),
        (2, 2, {"X1": 1.0}, 1, "numeric predictor. Received 'X1'. Did you mean 'x1'"),
        (2, 2, {"x1": float("nan")}, 1, "finite number. Received 'x1'"),
        (2, 2, {"x1": float("inf")}, 1, "finite number. Received 'x1'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    width: int, height: int, overrides: dict[str, float], zoom: int, words: str
) -> None:
    with pytest.raises(InvalidSpec, match=words):
        image(columns(np.arange(4.0)), width, height, overrides, zoom=zoom)


def test_a_missing_value_is_refused_unless_overridden() -> None:
    with pytest.raises(MissingValues, match="none in 'b'"):
        image({"a": 1.0, "b": None}, 2, 1)
    assert shades(image({"a": 1.0, "b": None}, 2, 1, {"b": 0.0})).tolist() == [[255, 0]]


def test_an_svg_shows_the_shades_of_the_png() -> None:
    values = np.random.default_rng(9).choice(np.array([0.0, 85.0, 170.0, 255.0]), 12)
    svg = image(columns(values), 4, 3, {"x5": 255}, maximum=255, fmt="svg")
    expected = shades(image(columns(values), 4, 3, {"x5": 255}, maximum=255))
    drawn = np.zeros((3, 4), np.uint8)
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox") == "0 0 4 3"
    for each in list(root)[1:]:
        x, y, wide = (int(each.attrib[key]) for key in ("x", "y", "width"))
        drawn[y, x : x + wide] = int(each.attrib["fill"][1:3], 16)
    assert np.array_equal(drawn, expected)


def test_an_svg_of_very_many_values_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="values in an SVG"):
        image(columns(np.zeros(300 * 300)), 300, 300, fmt="svg")
