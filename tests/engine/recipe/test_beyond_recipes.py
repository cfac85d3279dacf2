"""Where R is wrong, undefined or random, and what is done instead; and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from service.domain.errors import InvalidData, InvalidSpec, MissingValues
from service.domain.recipe import Recipe
from service.engine.recipe import (
    Category,
    MemoryColumns,
    bake,
    prep,
    preview,
    training_rows,
)
from tests.engine.recipe.drawn import GAPS, X, baked, learned, matrix, warned


def test_the_lower_limit_of_detection_is_replaced_by_its_mean_and_not_by_chance() -> None:
    source = MemoryColumns({"a": [2.0, 3.0, 2.0, 5.0, np.nan]})
    fitted = learned([{"step": "lower"}], source)
    new = MemoryColumns({"a": [1.0, 2.0, 2.5, np.nan]})
    np.testing.assert_array_equal(baked(fitted, new)[:, 0], [1, 1, 2.5, np.nan])
    with pytest.raises(InvalidData, match="'a' with negative values"):
        learned([{"step": "lower"}], MemoryColumns({"a": [-1.0, 2.0]}))


def test_a_trimmed_mean_trims_nothing_where_there_is_nothing_to_trim() -> None:
    source = MemoryColumns({"a": [0.0, 1.0, 2.0, 30.0, np.nan]})
    for trim, mean in ((0.1, 8.25), (0.25, 1.5), (0.5, 1.5)):
        fitted = learned([{"step": "impute_mean", "trim": trim}], source)
        assert baked(fitted, source)[4, 0] == mean


def test_a_row_of_zeros_has_no_direction_and_stays_zeros() -> None:
    source = MemoryColumns({"a": [0.0, 3.0, np.nan], "b": [0.0, 4.0, 2.0]})
    directions = np.array([[0, 0], [0.6, 0.8], [np.nan, 1]])
    found = baked(learned([{"step": "spatialsign"}], source), source)
    np.testing.assert_allclose(found, directions)
    strict = learned([{"step": "spatialsign", "na_rm": False}], source)
    assert np.isnan(baked(strict, source)[2]).all()


def test_one_selected_column_is_judged_for_gaps_as_several_are() -> None:
    source = MemoryColumns({"a": [1.0, np.nan], "b": [1.0, 2.0]})
    assert learned([{"step": "filter_missing", "columns": "a"}], source).outputs == ("b",)


def test_steps_that_can_do_nothing_say_so_and_leave_the_column() -> None:
    source = MemoryColumns(
        {"empty": [np.nan] * 4, "one": [1.0] * 4, "minus": [-1.0, 2, 3, 4], "a": [1.0, 2, 3, 4]}
    )
    impossible: list[tuple[dict[str, Any], str, str]] = [
        ({"step": "impute_mean"}, "no_values", "empty"),
        ({"step": "box_cox", "columns": "minus"}, "no_transformation", "minus"),
        ({"step": "yeo_johnson", "columns": "one"}, "no_transformation", "one"),
        ({"step": "discretize", "columns": "a"}, "not_binned", "a"),
        ({"step": "log", "columns": ["a", "minus"]}, "not_finite", "minus"),
        ({"step": "corr", "columns": ["one", "a"], "threshold": 1}, "no_correlation", "one"),
        ({"step": "impute_linear", "columns": "a"}, "no_complete_rows", "a"),
    ]
    for step, code, column in impossible:
        fitted = learned([step], source)
        assert warned(fitted) == [(step["step"], code, (column,))]
        if code != "not_finite":
            assert baked(fitted, source).tobytes() == matrix(source).tobytes()


def test_equal_quantiles_count_once() -> None:
    source = MemoryColumns({"a": np.repeat([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10], [50, *[1] * 9])})
    fitted = learned([{"step": "discretize", "min_unique": 2}], source)
    assert warned(fitted) == [("discretize", "fewer_breaks", ("a",))]


@pytest.mark.parametrize(
    ("steps", "error", "says"),
    [
        ([{"step": "pca"}], MissingValues, r"step 'pca'.*'x0'.*Impute"),
        ([{"step": "lincomb"}], MissingValues, "step 'lincomb'"),
        ([{"step": "poly", "degree": 25}], InvalidData, None),
        ([{"step": "naomit"}, {"step": "zv"}], None, None),
    ],
)
def test_gaps_where_a_step_cannot_do_with_them(
    steps: list[dict[str, Any]], error: type[Exception] | None, says: str | None
) -> None:
    if error is None or says is None:
        assert learned(steps, GAPS).outputs
        return
    with pytest.raises(error, match=says):
        learned(steps, GAPS)


def test_rows_that_naomit_drops_teach_nothing_and_are_baked_all_the_same() -> None:
    source = MemoryColumns({"a": [1.0, np.nan, 3.0, 100.0], "b": [1.0, 2.0, 3.0, np.nan]})
    steps: list[dict[str, Any]] = [{"step": "naomit"}, {"step": "center", "columns": "a"}]
    fitted = prep(TypeAdapter(Recipe).validate_python(steps), source, ["a", "b"])
    assert fitted.steps[1].learned() == {"mean": {"a": 2.0}}
    left = training_rows(fitted, source)
    np.testing.assert_array_equal(left, [0, 2])
    np.testing.assert_array_equal(training_rows(fitted, source, slice(2, None)), [2])
    np.testing.assert_array_equal(bake(fitted, source, left), [[-1, 1], [1, 3]])
    with pytest.raises(MissingValues, match="row 2 of column 'a'"):
        bake(fitted, source)
    body = preview(TypeAdapter(Recipe).validate_python(steps), source, None, [])
    assert body["training"]["n_rows"] == 2
    with pytest.raises(InvalidData, match="each of 2 rows lacks a value"):
        learned([{"step": "naomit"}], MemoryColumns({"a": [np.nan, np.nan]}))


def test_a_refused_row_is_named_with_the_raw_column_that_is_at_fault() -> None:
    training = MemoryColumns({"a": [1.0, 2.0, 4.0], "f": Category(["u", "v", "u"])})
    fitted = prep(
        TypeAdapter(Recipe).validate_python(
            [{"step": "dummy"}, {"step": "interact", "columns": ["a", "f_v"]}, {"step": "pca"}]
        ),
        training,
        ["a", "f"],
    )
    for cells, says in (
        (([1.0, np.nan], ["u", "v"]), "row 2 of column 'a'.*a missing value.*impute_median"),
        (([1.0, 2.0], ["u", None]), "row 2 of column 'f'.*a missing value.*'unknown'"),
        (([1.0, 2.0], ["u", "new"]), "row 2 of column 'f'.*a level that.*'novel'"),
        (([1.0, np.inf], ["u", "v"]), "row 2 of column 'a'.*an infinite value"),
    ):
        new = MemoryColumns({"a": cells[0], "f": Category(cells[1])})
        with pytest.raises(MissingValues, match=says):
            bake(fitted, new)


def test_names_that_a_step_makes_must_be_new() -> None:
    source = MemoryColumns({"PC1": [1.0, 2.0], "b": [2.0, 1.0]})
    with pytest.raises(InvalidSpec, match="'PC1' twice"):
        learned([{"step": "pca", "columns": "b"}], source)
    twins = MemoryColumns({"f": Category(["a b", "a.b", "c"], levels=["c", "a b", "a.b"])})
    with pytest.raises(InvalidSpec, match=r"'f_a\.b' twice"):
        learned([{"step": "dummy"}], twins)


def test_more_training_values_than_a_model_should_carry_are_refused() -> None:
    wide = MemoryColumns({f"x{place}": np.zeros(300_001) for place in range(70)})
    with pytest.raises(InvalidData, match="at most 20,000,000 training values"):
        learned([{"step": "impute_knn"}], wide)


def test_times_are_read_in_utc_and_days_before_1970_too() -> None:
    moments = MemoryColumns({"t": [-1.0, 0.0, 86_399.0, 951_782_400.0]}, {"t": "datetime"})
    steps: list[dict[str, Any]] = [
        {"step": "date", "features": ["year", "doy", "dow", "decimal"], "label": False}
    ]
    fitted = learned([*steps, {"step": "remove", "columns": "t"}], moments)
    expected = np.array(
        [
            [1969, 365, 4, 1970 - 1 / 86_400 / 365],
            [1970, 1, 5, 1970],
            [1970, 1, 5, 1970 + 86_399 / 86_400 / 365],
            [2000, 60, 3, 2000 + 59 / 366],
        ]
    )
    np.testing.assert_allclose(baked(fitted, moments), expected, rtol=1e-15)


def test_a_component_has_a_sign_of_its_own() -> None:
    steps: list[dict[str, Any]] = [{"step": "pca", "num_comp": 6}]
    minus = MemoryColumns({name: -X.numeric(name) for name in X.types})
    for source in (X, minus):
        said: dict[str, Any] = learned(steps, source).steps[0].learned()
        for of_columns in said["loadings"].values():
            assert max(of_columns.values(), key=abs) > 0
