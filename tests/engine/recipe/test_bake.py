from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidData, MissingValues
from service.domain.recipe import Center, Divide, Normalize, Range, Step, ZeroVariance
from service.engine.recipe import FittedRecipe, MemoryColumns, bake, prep

NORMALIZE = Normalize(step="normalize")
ROWS = 5000
WIDTH = 500
EVERY_STEP: list[Step] = [
    ZeroVariance(step="zv"),
    Divide(step="divide", by=255),
    NORMALIZE,
    Range(step="range", min=-1, max=2, clipping=False),
    Center(step="center"),
]


@pytest.fixture(scope="module")
def wide() -> MemoryColumns:
    """More values than are baked at a time, some columns stored as bytes."""
    draw = np.random.default_rng(3)
    return MemoryColumns(
        {
            f"x{place}": draw.integers(0, 256, ROWS).astype(np.uint8)
            if place % 2
            else draw.normal(0, 10, ROWS)
            for place in range(WIDTH)
        }
    )


@pytest.fixture(scope="module")
def fitted(wide: MemoryColumns) -> FittedRecipe:
    return prep(EVERY_STEP, wide, list(wide.types))


@pytest.fixture(scope="module")
def whole(
    wide: MemoryColumns, fitted: FittedRecipe
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return bake(fitted, wide)


def test_the_matrix_is_float32_in_c_order_with_zeros_beyond_the_outputs(
    wide: MemoryColumns, fitted: FittedRecipe
) -> None:
    matrix = bake(fitted, wide, slice(0, 10), pad_to=512)
    assert matrix.shape == (10, 512)
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert not matrix[:, WIDTH:].any()
    np.testing.assert_array_equal(matrix[:, :WIDTH], bake(fitted, wide, slice(0, 10)))


def test_a_pad_below_the_width_is_refused(wide: MemoryColumns, fitted: FittedRecipe) -> None:
    with pytest.raises(ValueError, match="at least 500"):
        bake(fitted, wide, pad_to=499)


def test_values_are_computed_in_float64_and_rounded_once(
    wide: MemoryColumns, whole: np.ndarray[tuple[int, int], np.dtype[np.float32]]
) -> None:
    x = wide.numeric("x1") / 255
    x = (x - x.mean()) / x.std(ddof=1)
    x = (x - x.min()) * 3 / (x.max() - x.min()) - 1
    # One float32 step at 2 is 1.2e-7 relative; a second rounding would show beyond half of it.
    np.testing.assert_allclose(whole[:, 1], x - x.mean(), rtol=6.1e-8, atol=1e-9)


@given(st.lists(st.integers(0, ROWS - 1), max_size=30))
def test_a_row_bakes_to_the_same_bits_in_any_company(
    wide: MemoryColumns,
    fitted: FittedRecipe,
    whole: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    rows: list[int],
) -> None:
    baked = bake(fitted, wide, np.array(rows, dtype=np.int64))
    assert baked.tobytes() == whole[rows].tobytes()


@pytest.mark.parametrize(
    "rows",
    [slice(0, 0), slice(17, 4801), slice(None, None, 7), slice(None, None, -1), slice(4999, 0, -3)],
)
def test_slices_bake_to_the_same_bits(
    wide: MemoryColumns,
    fitted: FittedRecipe,
    whole: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    rows: slice,
) -> None:
    assert bake(fitted, wide, rows).tobytes() == whole[rows].tobytes()


def test_columns_are_found_by_name_and_extra_ones_are_ignored() -> None:
    train = MemoryColumns({"a": [1.0, 3.0], "b": [10.0, 30.0]})
    recipe = prep([Center(step="center")], train, ["a", "b"])
    new = MemoryColumns({"extra": [np.nan], "b": [25.0], "a": [2.5]})
    np.testing.assert_array_equal(bake(recipe, new), [[0.5, 5]])
    with pytest.raises(InvalidData, match="Expected a column 'b'"):
        bake(recipe, MemoryColumns({"a": [1.0]}))


def test_a_missing_value_is_refused_by_its_row_in_the_source() -> None:
    source = MemoryColumns({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 2.0, np.nan, np.nan]})
    fitted = prep([NORMALIZE], source, ["a", "b"], slice(0, 2))
    for rows, row in ((None, 3), (slice(3, None), 4), (np.array([0, 3, 2]), 4)):
        with pytest.raises(
            MissingValues, match=f"row {row} of column 'b'.*a missing value"
        ) as caught:
            bake(fitted, source, rows)
        assert caught.value.errors[0].loc == (row, "b")
    assert bake(fitted, source, slice(0, 2)).shape == (2, 2)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_what_float32_cannot_hold_is_refused(value: float) -> None:
    source = MemoryColumns({"a": [1.0, value]})
    fitted = prep([], source, ["a"])
    with pytest.raises(MissingValues, match=r"row 2 of column 'a'.*too large"):
        bake(fitted, source)


def test_the_row_is_named_in_a_later_block_too(wide: MemoryColumns) -> None:
    holed = {name: wide.numeric(name).copy() for name in wide.types}
    holed["x77"][4998] = np.nan
    source = MemoryColumns(holed)
    fitted = prep([NORMALIZE], source, list(source.types))
    with pytest.raises(MissingValues, match="row 4999 of column 'x77'"):
        bake(fitted, source)
