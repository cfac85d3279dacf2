from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from service.domain.errors import InvalidSpec, NoPredictors
from service.domain.recipe import (
    Center,
    Divide,
    Normalize,
    Range,
    Remove,
    Scale,
    Select,
    Step,
    ZeroVariance,
)
from service.domain.recipe import Step as AnyStep
from service.engine.recipe import Category, MemoryColumns, learn, prep
from service.engine.recipe.registry import STEP_KINDS
from service.engine.recipe.steps.standardize import Scaled
from service.engine.recipe.view import View

ZV = ZeroVariance(step="zv")
NORMALIZE = Normalize(step="normalize")
SOURCE = MemoryColumns(
    {
        "b": [1.0, 2.0, 3.0, 100.0],
        "a": [5.0, 5.0, 5.0, 6.0],
        "f": Category(["u", "v", "u", "w"]),
        "t": Category(["x", "y", "y", "z"], type="text"),
    }
)


def test_every_step_that_a_client_can_write_can_be_fitted() -> None:
    union = get_args(AnyStep)[0]
    assert {kind.spec for kind in STEP_KINDS.values()} == set(get_args(union))
    for name, kind in STEP_KINDS.items():
        (fitted,) = get_args(kind.fitted.model_fields["step"].annotation)
        assert fitted == name
        # A step may have a second name, which is read as the first.
        assert get_args(kind.spec.model_fields["step"].annotation)[0] == name


def test_predictors_come_in_the_order_of_the_table() -> None:
    fitted = prep([], SOURCE, ["a", "b"])
    assert fitted.inputs == fitted.outputs == ("b", "a")


def test_steps_learn_from_the_rows_that_they_are_given() -> None:
    fitted = prep([ZV, NORMALIZE], SOURCE, ["a", "b"], slice(0, 3))
    assert fitted.outputs == ("b",)
    assert fitted.steps[1].learned() == {"mean": {"b": 2.0}, "sd": {"b": 1.0}}
    same = prep([ZV, NORMALIZE], SOURCE, ["a", "b"], np.array([2, 0, 1]))
    assert same == fitted


def test_other_rows_cannot_change_what_is_learned() -> None:
    rows = np.array([0, 1, 2])
    poisoned = MemoryColumns({"b": [1.0, 2.0, 3.0, np.inf], "a": [5.0, 5.0, 5.0, np.nan]})
    assert prep([ZV, NORMALIZE], poisoned, ["a", "b"], rows) == prep(
        [ZV, NORMALIZE], SOURCE, ["a", "b"], rows
    )


def test_a_step_learns_from_what_the_steps_before_it_made() -> None:
    fitted = prep([NORMALIZE, Scale(step="scale", factor=2)], SOURCE, ["b"])
    scaled = fitted.steps[1]
    assert isinstance(scaled, Scaled)
    # After normalize the sd is 1, so twice it is 2.
    assert list(scaled.divisors) == pytest.approx([2], rel=1e-15)
    view = View(SOURCE, fitted.steps, None)
    assert float(np.std(view.numeric("b"), ddof=1)) == pytest.approx(0.5, rel=1e-14)


def test_a_nominal_predictor_that_reaches_the_network_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="nominal ones: 'f', 't'"):
        prep([NORMALIZE], SOURCE, ["a", "b", "f", "t"])
    assert learn([NORMALIZE], SOURCE, ["a", "b", "f", "t"]).outputs == ("b", "a", "f", "t")


def test_levels_are_those_of_the_training_rows_unless_declared() -> None:
    fitted = learn([], SOURCE, ["f", "t", "a"], slice(1, 4))
    # A factor keeps its declared levels; text becomes a factor of what occurs.
    assert fitted.levels == {"f": ("u", "v", "w"), "t": ("y", "z")}
    dropped: list[Step] = [Remove(step="remove", columns="t")]
    assert learn(dropped, SOURCE, ["f", "t"]).levels == {"f": ("u", "v", "w")}


def test_nothing_left_is_an_error_of_the_data() -> None:
    with pytest.raises(NoPredictors, match="none of 1"):
        prep([ZV], SOURCE, ["a"], slice(0, 2))


def test_an_unknown_predictor_and_no_rows_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="Received 'bb'"):
        prep([], SOURCE, ["bb"])
    with pytest.raises(InvalidSpec, match="at least one row"):
        prep([], SOURCE, ["a"], slice(2, 2))


def test_selectors_that_mean_nothing_here_are_told() -> None:
    fitted = prep([Scale(step="scale", columns="starts_with:zz")], SOURCE, ["a"])
    (warning,) = fitted.warnings
    assert (warning.step, warning.code, warning.columns) == ("scale", "selects_nothing", ())
    assert fitted.outputs == ("a",)


def test_every_step_tells_what_it_learned() -> None:
    recipe: list[Step] = [
        Select(step="select", columns=["a", "b"]),
        Center(step="center", columns="b"),
        Range(step="range", columns="a"),
        Divide(step="divide", columns="b", by=2),
        Remove(step="remove", columns="a"),
    ]
    fitted = prep(recipe, SOURCE, ["a", "b"])
    assert [step.learned() for step in fitted.steps] == [
        {"columns": ["a", "b"]},
        {"mean": {"b": 26.5}},
        {"min": {"a": 5.0}, "max": {"a": 6.0}},
        {"columns": ["b"], "by": 2.0},
        {"removed": ["a"]},
    ]


def test_a_failing_step_names_its_place_in_the_recipe() -> None:
    with pytest.raises(InvalidSpec) as caught:
        prep([ZV, Select(step="select", columns=["a", "q"])], SOURCE, ["a", "b"])
    assert caught.value.errors[0].loc == ("recipe", 1, "columns")
