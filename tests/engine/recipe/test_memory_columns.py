from __future__ import annotations

import numpy as np
import pytest

from service.domain.errors import InvalidData
from service.engine.recipe import Category, MemoryColumns


def test_numbers_of_any_dtype_are_read_as_float64() -> None:
    columns = MemoryColumns({"a": np.array([1, 2, 255], dtype=np.uint8), "b": [0.5, np.nan, 2]})
    assert columns.n_rows == 3
    assert columns.numeric("a").dtype == np.float64
    np.testing.assert_array_equal(columns.numeric("b"), [0.5, np.nan, 2])


def test_rows_are_a_slice_or_positions() -> None:
    columns = MemoryColumns({"a": [10.0, 11.0, 12.0, 13.0]})
    np.testing.assert_array_equal(columns.numeric("a", slice(1, 3)), [11, 12])
    np.testing.assert_array_equal(columns.numeric("a", np.array([3, 0, 3])), [13, 10, 13])


def test_categories_count_their_levels_and_minus_one_is_missing() -> None:
    columns = MemoryColumns(
        {"f": Category(["b", None, "a"], levels=["b", "a"]), "t": Category(["z", "é", "Z"])}
    )
    np.testing.assert_array_equal(columns.codes("f"), [0, -1, 1])
    assert columns.category_levels("f") == ("b", "a")
    assert columns.category_levels("t") == ("Z", "z", "é")
    np.testing.assert_array_equal(columns.codes("t", slice(0, 2)), [1, 2])


def test_a_string_that_is_no_level_is_refused_by_row_and_column() -> None:
    with pytest.raises(
        InvalidData, match=r"column 'f' in row 2\. Received 'blu'.*'blue'"
    ) as caught:
        MemoryColumns({"f": Category(["blue", "blu"], levels=["blue", "red"])})
    assert caught.value.errors[0].loc == (2, "f")


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"Expected 2 values in column 'b'.*Received 1"):
        MemoryColumns({"a": [1.0, 2.0], "b": [1.0]})


def test_a_column_that_is_not_there_is_refused_with_the_nearest() -> None:
    columns = MemoryColumns({"bill_length": [1.0], "f": Category(["a"])})
    with pytest.raises(InvalidData, match=r"Received none. Did you mean 'bill_length'"):
        columns.numeric("bill_lenght")
    with pytest.raises(InvalidData, match=r"of numbers. Received a column of type factor"):
        columns.numeric("f")
    with pytest.raises(InvalidData, match=r"of categories. Received a column of type numeric"):
        columns.codes("bill_length")
    with pytest.raises(InvalidData, match="of categories"):
        columns.category_levels("bill_length")
