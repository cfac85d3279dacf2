from __future__ import annotations

import pytest

from service.domain.datasets import Column
from service.domain.errors import InvalidSpec, MissingValues, NoPredictors
from service.domain.near_constant import is_near_constant
from service.domain.recipe import NearZeroVariance, Normalize, Remove, Select, Step, ZeroVariance
from service.domain.recipe_outcome import predictors_after

ZV = ZeroVariance(step="zv")
NZV = NearZeroVariance(step="nzv")


def number(
    name: str, n_unique: int = 100, n_missing: int = 0, top: tuple[int, int] = (2, 1)
) -> Column:
    return Column(name=name, type="numeric", n_missing=n_missing, n_unique=n_unique, top_counts=top)


def factor(name: str) -> Column:
    return Column(name=name, type="factor", n_missing=0, n_unique=2, levels=("a", "b"))


def test_without_steps_every_predictor_survives() -> None:
    found = predictors_after([], [number("a"), number("b")])
    assert found.names == ("a", "b")
    assert found.exact


def test_zv_drops_constant_and_empty_columns() -> None:
    columns = [number("a"), number("one", n_unique=1), number("none", n_unique=0, n_missing=9)]
    found = predictors_after([ZV], columns)
    assert found.names == ("a",)
    assert found.exact


def test_nzv_follows_the_rule_of_recipes() -> None:
    columns = [
        number("kept_ratio", n_unique=2, top=(950, 50)),
        number("dropped", n_unique=2, top=(951, 49)),
        number("kept_unique", n_unique=101, top=(900, 1)),
        number("constant", n_unique=1, top=(1000, 0)),
    ]
    found = predictors_after([NZV], columns, n_rows=1000)
    assert found.names == ("kept_ratio", "kept_unique")
    assert found.exact


def test_nzv_without_the_number_of_rows_is_not_exact() -> None:
    found = predictors_after(
        [NZV], [number("a", n_unique=2, top=(999, 1)), number("b", n_unique=1)]
    )
    assert found.names == ("a",)
    assert not found.exact


def test_the_example_of_the_nzv_documentation() -> None:
    # 1,000 rows, two values, 999 of one: frequency ratio 999, 0.2 % unique.
    assert is_near_constant((999, 1), 2, 1000, 95 / 5, 10)
    assert not is_near_constant((999, 1), 2, 1000, 999, 10)
    assert is_near_constant((999, 1), 2, 1000, 998.9, 0.2)
    assert not is_near_constant((999, 1), 2, 1000, 998.9, 0.19)


def test_select_and_remove_decide_what_is_left_and_in_which_order() -> None:
    columns = [number("a"), number("b"), number("c"), factor("f")]
    recipe: list[Step] = [
        Remove(step="remove", columns="f"),
        Select(step="select", columns=["c", "a"]),
    ]
    assert predictors_after(recipe, columns).names == ("c", "a")


def test_a_name_dropped_by_an_earlier_step_is_refused() -> None:
    recipe: list[Step] = [ZV, Normalize(step="normalize", columns=["one"])]
    with pytest.raises(InvalidSpec, match="'one', which an earlier step dropped") as caught:
        predictors_after(recipe, [number("a"), number("one", n_unique=1)])
    assert caught.value.errors[0].loc == ("recipe", 1, "columns")


def test_a_nominal_predictor_that_reaches_the_network_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="nominal ones: 'f'"):
        predictors_after([], [number("a"), factor("f")])
    removed = [Remove(step="remove", columns="f")]
    assert predictors_after(removed, [number("a"), factor("f")]).names == ("a",)


def test_missing_values_that_no_step_handles_are_refused_naming_the_columns() -> None:
    columns = [number("a"), number("b", n_missing=3), number("c", n_missing=1)]
    with pytest.raises(MissingValues, match="'b', 'c'") as caught:
        predictors_after([Normalize(step="normalize")], columns)
    assert [error.received for error in caught.value.errors] == ["b", "c"]
    assert predictors_after([Remove(step="remove", columns=["b", "c"])], columns).names == ("a",)


def test_a_recipe_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(NoPredictors, match="none of 1"):
        predictors_after([ZV], [number("one", n_unique=1)])
