"""What is refused at submit, and what the profile tells of each step's columns."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from service.domain.datasets import Column, ColumnType
from service.domain.errors import InvalidSpec, MissingValues
from service.domain.recipe import Recipe
from service.domain.recipe_outcome import Surviving, predictors_after

ROWS = 100


def number(name: str, *, unique: int = 90, missing: int = 0, low: float = 1.0) -> Column:
    return Column(
        name=name,
        type="numeric",
        n_missing=missing,
        n_unique=unique,
        min=low,
        max=low + 10,
        top_counts=(2, 1),
    )


def factor(name: str, *levels: str, missing: int = 0, kind: ColumnType = "factor") -> Column:
    return Column(
        name=name, type=kind, n_missing=missing, n_unique=len(levels), levels=levels or ("u", "v")
    )


COLUMNS = [
    number("a"),
    number("b", missing=30),
    factor("f", "red", "dark blue", "green", missing=2),
    factor("o", "low", "mid", "high", kind="ordered"),
    Column(name="w", type="date", n_missing=0, n_unique=50),
]


def recipe_of(*steps: dict[str, Any]) -> Recipe:
    return TypeAdapter(Recipe).validate_python(list(steps))


def after(*steps: dict[str, Any], columns: list[Column] | None = None) -> Surviving:
    return predictors_after(recipe_of(*steps), columns or COLUMNS, n_rows=ROWS)


DROP = {"step": "remove", "columns": ["f", "o", "w"]}
MEDIAN = {"step": "impute_median"}


def test_every_kind_of_column_finds_its_way_to_the_network() -> None:
    found = after(
        MEDIAN,
        {"step": "novel"},
        {"step": "unknown"},
        {"step": "dummy"},
        {"step": "date", "features": ["year", "doy"], "keep_original_cols": False},
        {"step": "normalize"},
    )
    assert found.names == (
        "a", "b", "f_dark.blue", "f_green", "f_new", "f_unknown",
        "o_1", "o_2", "o_3", "o_4", "w_year", "w_doy",
    )  # fmt: skip
    assert found.exact
    assert found.read == ("a", "b", "f", "o", "w")
    # Gaps of the others are filled in.
    assert found.gapless == ("w",)


def test_raw_columns_that_no_output_is_computed_from_need_not_be_there() -> None:
    ratio = {"step": "ratio", "columns": "a", "denom": "b", "keep_original_cols": False}
    found = after(DROP, ratio, MEDIAN)
    assert found.names == ("a_o_b",)
    assert found.read == ("a", "b")
    assert found.gapless == ()
    assert after({"step": "select", "columns": "a"}).read == ("a",)


@pytest.mark.parametrize(
    ("steps", "exact"),
    [
        ([{"step": "corr"}], False),
        ([{"step": "lincomb"}], False),
        ([{"step": "pca", "num_comp": 1}], True),
        ([{"step": "pca", "threshold": 0.5}], False),
        ([{"step": "poly"}, {"step": "zv"}], False),
        ([{"step": "filter_missing"}], True),
        ([{"step": "ns"}], True),
        ([{"step": "impute_knn"}, {"step": "zv"}], True),
    ],
)
def test_what_only_the_rows_decide_is_not_exact(steps: list[dict[str, Any]], exact: bool) -> None:
    assert after(DROP, MEDIAN, *steps).exact is exact


def test_columns_with_too_much_missing_go() -> None:
    assert after(DROP, {"step": "filter_missing", "threshold": 0.29}).names == ("a",)
    with pytest.raises(MissingValues, match="'b'"):
        after(DROP, {"step": "filter_missing", "threshold": 0.3})


def test_rows_with_gaps_may_be_left_out_of_training_but_not_of_other_data() -> None:
    found = after(DROP, {"step": "naomit"})
    assert found.names == ("a", "b")
    assert found.gapless == ("a", "b")


def test_pooled_levels_are_an_upper_bound() -> None:
    found = after({"step": "select", "columns": "o"}, {"step": "other"}, {"step": "dummy"})
    assert found.names == ("o_mid", "o_high", "o_other")
    assert not found.exact


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([{"step": "dummy", "columns": "a"}], "nominal columns in step 'dummy'.*'a', numeric"),
        ([{"step": "log", "columns": "f"}], "numeric columns in step 'log'.*'f', nominal"),
        ([{"step": "date", "columns": "a"}], "date columns in step 'date'.*'a', numeric"),
        ([{"step": "interact", "terms": [["a", "f"]]}], "'interact'.*'f', nominal"),
        ([{"step": "interact", "terms": "~ a:bb"}], "'bb'.*Did you mean 'b'"),
        ([{"step": "ratio", "denom": "aa"}], "'aa'.*Did you mean 'a'"),
        ([{"step": "impute_knn", "impute_with": ["q"]}], "Received 'q'"),
        ([{"step": "impute_linear", "impute_with": ["q"]}], "Received 'q'"),
        ([{"step": "unknown", "new_level": "red"}], "'unknown'.*'red', which 'f'"),
        ([{"step": "poly", "columns": "a", "degree": 20}, MEDIAN], "nominal ones: 'f', 'o'"),
        ([{"step": "ratio", "columns": "a", "denom": "b"}] * 2, "'a_o_b' twice"),
        ([{"step": "dummy"}, MEDIAN], "dates: 'w'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_before_a_job_is_queued(
    steps: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(InvalidSpec, match=says):
        after(*steps)


@pytest.mark.parametrize("step", ["pca", "lincomb"])
def test_steps_that_cannot_do_with_gaps_say_so(step: str) -> None:
    with pytest.raises(MissingValues, match=f"step '{step}'.*'b'. Impute"):
        after(DROP, {"step": step}, MEDIAN)


def test_too_few_distinct_values_for_a_basis_are_refused() -> None:
    columns = [number("a", unique=3)]
    with pytest.raises(InvalidSpec, match=r"more than 3 distinct values of 'a'.*Lower `degree`"):
        after({"step": "poly", "degree": 3}, columns=columns)
    with pytest.raises(InvalidSpec, match="Lower `deg_free`"):
        after({"step": "ns", "deg_free": 3}, columns=columns)
    assert after({"step": "poly"}, columns=columns).names == ("a_poly_1", "a_poly_2")


@pytest.mark.parametrize(
    ("step", "low", "kept"),
    [
        ({"step": "log"}, 0.0, False),
        ({"step": "log", "offset": 1}, 0.0, True),
        ({"step": "log", "signed": True}, -3.0, True),
        ({"step": "sqrt"}, -0.1, False),
        ({"step": "sqrt"}, 0.0, True),
        ({"step": "inverse"}, 0.0, False),
        ({"step": "logit"}, 0.0, False),
        ({"step": "logit", "offset": 0.01}, 0.0, True),
    ],
)
def test_values_that_a_curve_does_not_take_are_foreseen(
    step: dict[str, Any], low: float, kept: bool
) -> None:
    columns = [number("a", low=low)]
    if kept:
        assert after(step, columns=columns).names == ("a",)
        return
    with pytest.raises(MissingValues, match="'a'"):
        after(step, columns=columns)


def test_a_factor_of_one_level_or_of_too_many_makes_no_dummies() -> None:
    with pytest.raises(InvalidSpec, match="at least two levels of 'f'"):
        after({"step": "dummy"}, columns=[factor("f", "only")])
    many = Column(name="id", type="text", n_missing=0, n_unique=20_000)
    with pytest.raises(InvalidSpec, match="at most 10000 levels of 'id'"):
        after({"step": "dummy"}, columns=[many])
    wide = factor("f", *(f"level {place}" for place in range(5000)))
    with pytest.raises(InvalidSpec, match=r"at most 4096 columns.*'other' step"):
        after({"step": "dummy"}, columns=[wide])


def test_more_predictors_than_a_table_may_have_are_refused() -> None:
    columns = [number(f"x{place}") for place in range(100)]
    with pytest.raises(InvalidSpec, match=r"at most 4096 predictors.*5050"):
        after({"step": "interact"}, columns=columns)


def test_discretized_columns_are_factors() -> None:
    found = after(DROP, MEDIAN, {"step": "discretize", "num_breaks": 3}, {"step": "dummy"})
    assert found.names == ("a_bin2", "a_bin3", "b_bin2", "b_bin3")
    with pytest.raises(InvalidSpec, match="nominal ones: 'a', 'b'"):
        after(DROP, MEDIAN, {"step": "discretize"})
    few = [number("a", unique=20)]
    assert after({"step": "discretize"}, columns=few).names == ("a",)


@pytest.mark.parametrize(
    "step",
    [
        {"step": "log", "base": 1},
        {"step": "log", "base": 0},
        {"step": "logit", "offset": 0.5},
        {"step": "box_cox", "limits": [2, 2]},
        {"step": "other", "threshold": 1.5},
        {"step": "pca", "threshold": 0},
        {"step": "interact", "terms": "~ a + b"},
        {"step": "interact", "terms": [["a"]]},
        {"step": "interact", "terms": "~ a:b", "columns": ["a"]},
        {"step": "date", "features": ["dow", "dow"]},
        {"step": "corr", "method": "kendall"},
        {"step": "ratio"},
        {"step": "impute_mean", "trim": 0.6},
    ],
)
def test_arguments_that_mean_nothing_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        recipe_of(step)


def test_limits_may_come_in_any_order_and_lower_is_impute_lower() -> None:
    power, lower = recipe_of({"step": "yeo_johnson", "limits": [2, -2]}, {"step": "lower"})
    assert power.model_dump()["limits"] == [-2, 2]
    assert lower.step == "impute_lower"
