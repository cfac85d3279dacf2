"""Columns that are no predictors: outcome, case weight and id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.datasets import Column, Dataset
from service.domain.errors import InvalidSpec
from service.domain.fit import FitSpec
from service.domain.other_data import disagreements
from service.domain.resolve import resolve

COLUMNS = [
    Column(name=name, type="numeric", n_missing=0, n_unique=50, min=0.0, max=1.0)
    for name in ("y", "a", "w")
]


def table(*columns: Column, name: str = "train") -> Dataset:
    return Dataset(
        id=f"ds_{name}", name=name, n_rows=100, n_columns=len(columns), sha256="0" * 64,
        created_at=datetime(2026, 1, 1, tzinfo=UTC), columns=columns,
    )  # fmt: skip


NAMES = Column(name="name", type="text", n_missing=3, n_unique=97)
TRAIN = table(*COLUMNS, NAMES)


def fit(**fields: Any) -> FitSpec:
    return FitSpec.model_validate({"kind": "fit", "dataset": "train", "outcome": "y", **fields})


def test_an_id_may_be_text_with_gaps_and_predicts_nothing() -> None:
    spec = fit(id="name", case_weights="w")
    assert spec.roles == {"name": "id", "w": "case weight", "y": "outcome"}
    assert resolve(spec, TRAIN).predictors == ("a",)
    assert resolve(fit(id=["name", "w"]), TRAIN).predictors == ("a",)


def test_no_step_touches_a_column_of_another_role() -> None:
    for name in ("name", "w", "y"):
        steps = [{"step": "remove", "columns": name}]
        with pytest.raises(InvalidSpec, match=f"Received '{name}'"):
            resolve(fit(id="name", case_weights="w", recipe=steps), TRAIN)


@pytest.mark.parametrize(
    ("name", "says"),
    [("y", "'y', the outcome"), ("w", "'w', the case weight"), ("nam", "Did you mean 'name'")],
)
def test_an_id_has_no_other_role_and_is_there(name: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=says) as caught:
        resolve(fit(id=[name, "name"], case_weights="w"), TRAIN)
    assert caught.value.errors[0].loc == ("body", "id")


def test_other_data_need_the_raw_columns_and_may_have_gaps_that_a_step_fills_in() -> None:
    colours = Column(name="f", type="factor", n_missing=0, n_unique=2, levels=("red", "green"))
    train = table(*COLUMNS, colours)
    holed = [column.model_copy(update={"n_missing": 5}) for column in (*COLUMNS[1:], colours)]
    other = table(COLUMNS[0], *holed, name="test")
    steps = [{"step": "impute_mean", "columns": "a"}, {"step": "unknown"}, {"step": "dummy"}]
    evaluate = [{"dataset": "test"}]
    spec = fit(recipe=[*steps, {"step": "impute_mean", "columns": "w"}], evaluate=evaluate)
    found = resolve(spec, train, None, {"test": other})
    assert found.predictors == ("a", "w", "f_green", "f_unknown")
    with pytest.raises(InvalidSpec, match=r"no missing values.*'w'\. A step"):
        resolve(fit(recipe=steps, evaluate=evaluate), train, None, {"test": other})
    numbers = table(*COLUMNS, COLUMNS[1].model_copy(update={"name": "f"}), name="test")
    (problem,) = disagreements(
        train, numbers, predictors=["a", "f"], gapless=["f"], outcomes=["y"], loc=("body",)
    )
    assert "Expected nominal predictors" in problem.msg
