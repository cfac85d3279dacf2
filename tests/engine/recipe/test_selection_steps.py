from __future__ import annotations

import numpy as np
import pytest

from service.domain.errors import InvalidSpec
from service.domain.recipe import Normalize, Remove, Select, Step, ZeroVariance
from service.engine.recipe import Category, MemoryColumns, bake, prep

SOURCE = MemoryColumns(
    {
        "a": [1.0, 2.0, 4.0],
        "b": [10.0, 20.0, 30.0],
        "f": Category(["u", "v", "u"]),
        "y": Category(["no", "yes", "no"]),
    }
)


def test_select_keeps_what_it_names_in_its_order() -> None:
    fitted = prep([Select(step="select", columns=["b", "a"])], SOURCE, ["a", "b", "f"])
    assert fitted.outputs == ("b", "a")
    assert [(removal.column, removal.step) for removal in fitted.removed] == [("f", "select")]
    np.testing.assert_array_equal(bake(fitted, SOURCE), [[10, 1], [20, 2], [30, 4]])


def test_remove_drops_what_it_names() -> None:
    recipe = [Remove(step="remove", columns="all_nominal_predictors")]
    fitted = prep(recipe, SOURCE, ["a", "b", "f"])
    assert fitted.outputs == ("a", "b")
    assert [removal.reason for removal in fitted.removed] == ["The step names it."]


def test_the_outcome_is_out_of_reach() -> None:
    for step in (Remove(step="remove", columns="y"), Select(step="select", columns="y")):
        with pytest.raises(InvalidSpec, match="Received 'y'"):
            prep([step], SOURCE, ["a", "b"])


def test_a_column_that_was_changed_and_then_dropped_is_not_required() -> None:
    recipe: list[Step] = [Normalize(step="normalize"), Remove(step="remove", columns="a")]
    fitted = prep(recipe, SOURCE, ["a", "b"])
    assert fitted.required == ("b",)
    only_b = MemoryColumns({"b": [20.0]})
    np.testing.assert_array_equal(bake(fitted, only_b), [[0]])


def test_selectors_see_the_columns_as_the_steps_before_left_them() -> None:
    source = MemoryColumns({"a": [1.0, 1.0], "b": [1.0, 2.0]})
    zv = ZeroVariance(step="zv")
    assert prep([zv, Select(step="select", columns="all_predictors")], source, ["a", "b"]).outputs
    with pytest.raises(InvalidSpec, match="'a', which an earlier step dropped"):
        prep([zv, Select(step="select", columns="a")], source, ["a", "b"])
