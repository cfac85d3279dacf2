"""The bar chart: every level drawn, hostile names as themselves, equal bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image

from service.engine.plots.bar import MOST_LABELS, bar
from service.engine.plots.canvas import PictureFormat

DIGITS = [str(digit) for digit in range(10)]
COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


Texts = Callable[[bytes], list[str]]


def test_levels_counts_and_headline_can_be_read(texts: Texts) -> None:
    words = texts(bar(COUNTS, DIGITS, column="y"))
    assert [word for word in words if word in DIGITS][:10] == DIGITS
    assert {f"{count:,}" for count in COUNTS} <= set(words)
    assert "60,000 rows in 10 levels" in words
    assert "y" in words


@pytest.mark.parametrize("fmt", ["svg", "png"])
def test_equal_arguments_give_equal_bytes_from_many_threads(fmt: PictureFormat) -> None:
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: bar(COUNTS, DIGITS, column="y", fmt=fmt), range(6)))
    assert len(set(drawn)) == 1
    assert bar(COUNTS[::-1], DIGITS, column="y", fmt=fmt) != drawn[0]


def test_a_png_is_a_picture() -> None:
    picture = Image.open(BytesIO(bar(COUNTS, DIGITS, fmt="png")))
    assert picture.format == "PNG"
    assert picture.width > 900


def test_hostile_levels_are_drawn_as_text(texts: Texts) -> None:
    hostile = ["<script>alert(1)</script>", "$\\frac{", "a\"&'", "nul\x00", "lone\ud800", "日本語"]
    words = texts(bar([1, 2, 3, 4, 5, 6], hostile, column="<b>$x$"))
    assert any(word.startswith("<script>al") for word in words)
    assert {"$\\frac{", "a\"&'", "nul\ufffd", "lone\ufffd", "日本語", "<b>$x$"} <= set(words)


def test_three_hundred_levels_all_have_a_bar_and_some_a_label(texts: Texts) -> None:
    svg = bar(range(1, 301), [f"level {i}" for i in range(300)], column="many")
    bars = re.findall(rb'style="fill: #2f6db3"', svg)
    assert len(bars) == 300
    assert 20 <= sum(word.startswith("level ") for word in texts(svg)) <= MOST_LABELS


def test_missing_values_are_told(texts: Texts) -> None:
    assert "3 rows in 1 level, 2 missing" in texts(bar([3], ["a"], missing=2))


def test_a_column_without_values_says_so(texts: Texts) -> None:
    assert "This column has no values." in texts(bar([], []))


def test_counts_and_levels_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one count a level"):
        bar([1, 2], ["a"])
