"""What the demo decides about a table from its profile alone."""

from __future__ import annotations

from typing import Any

import pytest

from service.demo.plan import NotForUs, fits_of, in_order, labels_of, recipe, task_of


def numeric(name: str, **profile: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "numeric",
        "n_missing": 0,
        "n_unique": 500,
        "min": 0.0,
        "max": 9.5,
        **profile,
    }


def text(name: str, **profile: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", "n_missing": 0, "n_unique": 3, **profile}


def table(*columns: dict[str, Any], n_rows: int = 1000) -> dict[str, Any]:
    return {"n_rows": n_rows, "n_columns": len(columns), "columns": list(columns)}


@pytest.mark.parametrize(
    ("column", "are_labels"),
    [
        (numeric("y", n_unique=10, max=9.0), True),
        (numeric("y", type="integer", n_unique=2, max=1.0), True),
        (numeric("y", n_unique=10, max=9.5), False),
        (numeric("y", n_unique=21, max=20.0), False),
        (numeric("y", n_unique=1, max=0.0), False),
        (text("y", n_unique=900), True),
        ({**text("y"), "type": "logical"}, True),
    ],
)
def test_few_whole_values_or_words_are_labels(column: dict[str, Any], are_labels: bool) -> None:
    assert labels_of(column, 1000) is are_labels


def test_a_number_in_every_fifth_row_of_a_small_table_is_no_label() -> None:
    assert labels_of(numeric("y", n_unique=15, max=14.0), 75) is False


def test_levels_that_are_numbers_are_ordered_as_numbers() -> None:
    assert in_order(["10", "9", "0"]) == ["0", "9", "10"]
    assert in_order(["b", "10", "a"]) == ["10", "a", "b"]


def test_columns_that_no_step_handles_are_left_out_and_said() -> None:
    train = table(text("y"), text("colour"), numeric("a"), numeric("b", n_missing=2), numeric("c"))
    test = table(text("y"), text("colour"), numeric("a"), numeric("b"), numeric("c", n_missing=1))
    task = task_of(train, test, "y")
    assert task.mode == "classification"
    assert task.predictors == ("a",)
    assert set(task.removed) == {"colour", "b", "c"}
    assert "colour" in task.remarks[0]
    assert "b, c" in task.remarks[1]
    assert recipe(task, scaled=False) == [{"step": "remove", "columns": ["colour", "b", "c"]}]


def test_an_outcome_of_numbers_is_a_regression_judged_by_rmse() -> None:
    train = table(numeric("strength"), numeric("a"))
    task = task_of(train, train, "strength")
    assert task.mode == "regression"
    assert task.metrics[0] == "rmse"
    assert all(fit.engine.get("metrics", []) == [] for fit in fits_of(task, 1000))


@pytest.mark.parametrize(
    ("columns", "outcome", "said"),
    [
        ((numeric("a"),), "y", "'y'"),
        ((numeric("y", n_missing=3), numeric("a")), "y", "3 missing"),
        ((numeric("y"), text("colour")), "y", "No numeric predictor"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_words(
    columns: tuple[dict[str, Any], ...], outcome: str, said: str
) -> None:
    with pytest.raises(NotForUs, match=said):
        task_of(table(*columns), table(*columns), outcome)


def test_pixels_of_a_square_are_a_picture_and_other_columns_are_not() -> None:
    pixels = [numeric(f"x{at}") for at in range(1, 65)]
    assert task_of(table(text("y"), *pixels), table(), "y").side == 8
    assert task_of(table(text("y"), *pixels[:-1]), table(), "y").side is None
    assert task_of(table(text("y"), numeric("a")), table(), "y").side is None


def test_the_chapters_epochs_are_kept_for_its_own_data() -> None:
    task = task_of(table(text("y"), numeric("a")), table(), "y")
    epochs = {fit.name: fit.model["epochs"] for fit in fits_of(task, 60_000)}
    assert epochs["relu"] == 20
    assert epochs["longer"] == 50
    assert epochs["early"] == 200


def test_a_small_table_gets_more_epochs_but_not_without_end() -> None:
    task = task_of(table(text("y"), numeric("a")), table(), "y")
    assert fits_of(task, 1000)[0].model["epochs"] > 20
    assert fits_of(task, 10)[0].model["epochs"] == 150


def test_every_body_is_a_fit_that_the_service_would_take() -> None:
    from service.domain.fit import FitSpec

    task = task_of(table(text("y"), numeric("a"), numeric("b", n_missing=1)), table(), "y")
    for fit in fits_of(task, 1000):
        spec = FitSpec.model_validate(fit.body(task, "train", "test"))
        assert spec.model.seeds == [87591, 536, 27860]
