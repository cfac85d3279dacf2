"""What a fit's fields and the datasets' profiles decide together, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from service.domain.datasets import Column, Dataset
from service.domain.errors import FitpointError, InvalidSpec, MissingValues, NoPredictors
from service.domain.fit import FitSpec
from service.domain.resolve import MAX_MEMORY_BYTES, Resolved, resolve, spec_sha256
from service.domain.spec_checks import training_rows

DIGITS = tuple(str(digit) for digit in range(10))


def numeric(name: str, **known: Any) -> Column:
    values: dict[str, Any] = {"n_missing": 0, "n_unique": 50, "min": 0.0, "max": 1.0}
    return Column(name=name, type="numeric", **{**values, **known})


def factor(name: str, levels: tuple[str, ...] = DIGITS, **known: Any) -> Column:
    values: dict[str, Any] = {"type": "factor", "n_missing": 0, "n_unique": len(levels)}
    return Column(name=name, levels=levels, **{**values, **known})


def dataset(*columns: Column, name: str = "train", n_rows: int = 100) -> Dataset:
    return Dataset(
        id=f"ds_{name}",
        name=name,
        n_rows=n_rows,
        n_columns=len(columns),
        sha256="0" * 64,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        columns=columns,
    )


TRAIN = dataset(factor("y"), numeric("a"), numeric("b"), numeric("zero", n_unique=1))


def fit(**fields: Any) -> FitSpec:
    return FitSpec.model_validate({"kind": "fit", "dataset": "train", "outcome": "y", **fields})


def refused(kind: type[FitpointError], act: Callable[[], Resolved]) -> list[tuple[Any, str]]:
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert caught.value.errors
    return [(error.loc, error.msg) for error in caught.value.errors]


def only_refusal(spec: FitSpec, training: Dataset = TRAIN, **others: Any) -> tuple[Any, str]:
    (found,) = refused(InvalidSpec, lambda: resolve(spec, training, **others))
    return found


def test_everything_left_open_is_filled_in_and_the_same_draw_gives_the_same_spec() -> None:
    spec = fit(evaluate=[{"dataset": "test"}])
    test = TRAIN.model_copy(update={"name": "test"})

    def once() -> Resolved:
        return resolve(spec, TRAIN, None, {"test": test}, draw=count(7).__next__)

    first = once()
    assert first.spec.mode == "classification"
    assert first.spec.model.seeds == [7, 8, 9]
    assert first.spec.engine.loss == "binary_crossentropy"
    assert first.spec.engine.shuffle_seed is not None
    assert first.spec.evaluate[0].metrics == ["roc_auc", "accuracy", "brier_class"]
    assert once() == first
    assert FitSpec.model_validate(first.spec.model_dump()) == first.spec


def test_seeds_are_drawn_afresh_when_nobody_gives_them() -> None:
    assert resolve(fit(), TRAIN).spec.model.seeds != resolve(fit(), TRAIN).spec.model.seeds


def test_the_shuffle_seed_follows_from_the_seeds_unless_it_is_given() -> None:
    seeds = [87591, 536, 27860]
    derived = resolve(fit(model={"seeds": seeds}), TRAIN).spec.engine.shuffle_seed
    assert derived == resolve(fit(model={"seeds": seeds}), TRAIN).spec.engine.shuffle_seed
    other = resolve(fit(model={"seeds": [87591, 536, 27861]}), TRAIN)
    assert derived != other.spec.engine.shuffle_seed
    given = resolve(fit(model={"seeds": seeds}, engine={"shuffle_seed": 4}), TRAIN)
    assert given.spec.engine.shuffle_seed == 4


@pytest.mark.parametrize(
    ("model", "engine", "parameters"),
    [
        ({"hidden_units": 30}, "keras", 21_850),
        ({"hidden_units": 30, "dropout": 0.1}, "keras", 22_780),
        ({"hidden_units": 30, "dropout": 0.1}, "keras3", 21_850),
        ({"hidden_units": 100}, "keras", 72_810),
        ({"hidden_units": [30, 30]}, "keras", 22_780),
    ],
)
def test_the_parameters_of_the_chapters_networks(
    model: dict[str, Any], engine: str, parameters: int
) -> None:
    pixels = [numeric(f"x{i}", n_unique=1 if i > 717 else 9) for i in range(1, 785)]
    mnist = dataset(factor("y"), *pixels, n_rows=60_000)
    spec = fit(recipe=[{"step": "zv"}], model=model, engine={"name": engine})
    found = resolve(spec, mnist)
    assert len(found.predictors) == 717
    assert found.n_parameters == parameters
    assert found.exact
    assert found.memory_bytes > 60_000 * 717 * 4


def test_a_step_that_looks_at_rows_is_not_exact_when_some_rows_only_validate() -> None:
    zv = [{"step": "zv"}]
    assert not resolve(fit(recipe=zv, engine={"validation_split": 0.2}), TRAIN).exact
    assert resolve(fit(engine={"validation_split": 0.2}), TRAIN).exact


@pytest.mark.parametrize(
    ("n_rows", "split", "rows"),
    [(60_000, 1 / 6, 50_000), (10, 0.25, 7), (10, 0.05, 9), (3, 0.9, 0), (100, 0.2, 80)],
)
def test_the_first_rows_train_as_keras_splits(n_rows: int, split: float, rows: int) -> None:
    assert training_rows(n_rows, split) == rows


@pytest.mark.parametrize(("split", "kind"), [(0.9, "train"), (1e-18, "validate")])
def test_a_validation_split_that_leaves_no_rows(split: float, kind: str) -> None:
    spec = fit(engine={"validation_split": split})
    loc, msg = only_refusal(spec, dataset(factor("y"), numeric("a"), n_rows=3))
    assert loc == ("body", "engine", "validation_split")
    assert f"none to {kind}" in msg


def test_an_unknown_outcome_names_the_nearest_column() -> None:
    loc, msg = only_refusal(fit(outcome="Y"))
    assert loc == ("body", "outcome")
    assert "Did you mean 'y'?" in msg


def test_one_class_cannot_be_learned() -> None:
    loc, msg = only_refusal(fit(), dataset(factor("y", n_unique=1), numeric("a")))
    assert loc == ("body", "outcome")
    assert "two classes" in msg


def test_several_outcomes_are_for_regression() -> None:
    loc, msg = only_refusal(fit(outcome=["y", "a"]))
    assert loc == ("body", "outcome")
    assert "Several are for regression" in msg
    both = resolve(fit(outcome=["a", "b"], recipe=[{"step": "remove", "columns": "y"}]), TRAIN)
    assert both.spec.mode == "regression"
    assert both.spec.engine.loss == "mean_squared_error"
    # zero -> 5 hidden -> two outcomes
    assert both.n_parameters == (1 * 5 + 5) + (5 * 2 + 2)


def test_the_same_outcome_twice() -> None:
    assert only_refusal(fit(outcome=["a", "a"]))[0] == ("body", "outcome")


def test_a_numeric_outcome_is_no_class_and_the_message_says_how_to_declare_one() -> None:
    loc, msg = only_refusal(fit(outcome="a", mode="classification"))
    assert loc == ("body", "mode")
    assert '"a": {"type": "factor"}' in msg


def test_a_factor_is_no_number() -> None:
    loc, msg = only_refusal(fit(mode="regression"))
    assert loc == ("body", "mode")
    assert "numeric outcome" in msg


@pytest.mark.parametrize(
    ("column", "place"),
    [(factor("y", n_missing=2), "outcome"), (numeric("w", n_missing=1), "case_weights")],
)
def test_missing_values_where_none_can_be(column: Column, place: str) -> None:
    columns = {"y": factor("y"), "a": numeric("a"), "w": numeric("w"), column.name: column}
    spec = fit(case_weights="w")
    found = refused(MissingValues, lambda: resolve(spec, dataset(*columns.values())))
    assert [loc for loc, _ in found] == [("body", place)]


def test_missing_values_in_a_predictor_that_no_step_removes() -> None:
    gaps = dataset(factor("y"), numeric("a", n_missing=3), numeric("b"))
    ((loc, msg),) = refused(MissingValues, lambda: resolve(fit(), gaps))
    assert loc == ("body", "recipe")
    assert "'a'" in msg
    assert resolve(fit(recipe=[{"step": "remove", "columns": "a"}]), gaps).predictors == ("b",)


def test_a_factor_predictor_cannot_reach_the_network() -> None:
    found = only_refusal(fit(), dataset(factor("y"), factor("colour", ("r", "g")), numeric("a")))
    assert found[0] == ("body", "recipe")
    assert "'colour'" in found[1]


def test_a_recipe_that_leaves_nothing() -> None:
    spec = fit(recipe=[{"step": "remove", "columns": "all_predictors"}])
    refused(NoPredictors, lambda: resolve(spec, TRAIN))


def test_an_unknown_column_in_a_step_is_placed_in_the_body() -> None:
    loc, _ = only_refusal(fit(recipe=[{"step": "zv"}, {"step": "remove", "columns": "bb"}]))
    assert loc == ("body", "recipe", 1, "columns")


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (numeric("w", min=-1.0), "0 or more"),
        (numeric("w", max=0.0), "above 0"),
        (factor("w", ("1", "2")), "numeric weights"),
    ],
)
def test_case_weights_that_cannot_weigh(column: Column, words: str) -> None:
    loc, msg = only_refusal(fit(case_weights="w"), dataset(factor("y"), numeric("a"), column))
    assert loc == ("body", "case_weights")
    assert words in msg


def test_case_weights_are_no_outcome_and_no_predictor() -> None:
    assert only_refusal(fit(case_weights="y"))[0] == ("body", "case_weights")
    assert "a" not in resolve(fit(case_weights="a"), TRAIN).predictors


def test_what_does_not_fit_the_mode_is_named_all_at_once() -> None:
    spec = fit(
        engine={
            "loss": "mae",
            "metrics": ["accuracy", "root_mean_squared_error"],
            "class_weight": {"11": 2.0, "3": 1.0},
        },
        evaluate=[{"dataset": "test", "metrics": ["acuracy", "kap", "kap", "rmse"]}],
    )
    found = dict(refused(InvalidSpec, lambda: resolve(spec, TRAIN)))
    assert list(found) == [
        ("body", "engine", "loss"),
        ("body", "engine", "metrics", 1),
        ("body", "engine", "class_weight", "11"),
        ("body", "evaluate", 0, "metrics", 0),
        ("body", "evaluate", 0, "metrics", 2),
        ("body", "evaluate", 0, "metrics", 3),
    ]
    assert "Did you mean 'accuracy'?" in found["body", "evaluate", 0, "metrics", 0]


def test_class_weights_are_not_for_regression() -> None:
    spec = fit(outcome="a", engine={"class_weight": {"1": 1.0}})
    assert only_refusal(spec)[0] == ("body", "engine", "class_weight")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (dataset(factor("y"), numeric("a"), name="other"), "lacks 'b'"),
        (dataset(numeric("a"), numeric("b"), name="other"), "lacks 'y'"),
        (dataset(factor("y"), numeric("a"), factor("b"), name="other"), "numeric predictors"),
        (dataset(factor("y"), numeric("a", n_missing=1), numeric("b")), "missing values"),
        (dataset(numeric("y"), numeric("a"), numeric("b")), "Declare it at upload"),
        (dataset(factor("y", DIGITS[::-1]), numeric("a"), numeric("b")), "in this order"),
    ],
)
def test_other_data_that_do_not_fit_the_training_data(other: Dataset, words: str) -> None:
    spec = fit(
        recipe=[{"step": "zv"}],
        engine={"validation_dataset": "v"},
        evaluate=[{"dataset": "t"}],
    )
    found = dict(refused(InvalidSpec, lambda: resolve(spec, TRAIN, other, {"t": other})))
    assert list(found) == [
        ("body", "engine", "validation_dataset"),
        ("body", "evaluate", 0, "dataset"),
    ]
    assert all(words in msg for msg in found.values())


def test_text_outcomes_need_not_hold_every_class_but_no_new_one() -> None:
    def text(levels: tuple[str, ...]) -> Dataset:
        return dataset(factor("y", levels, type="text"), numeric("a"))

    spec = fit(evaluate=[{"dataset": "t"}])
    resolve(spec, text(("a", "b", "c")), None, {"t": text(("a", "c"))})
    _, msg = only_refusal(spec, text(("a", "b")), evaluations={"t": text(("a", "c"))})
    assert "Received 'c' too" in msg


def test_a_network_with_too_many_parameters_is_refused_before_it_is_built() -> None:
    loc, msg = only_refusal(fit(model={"hidden_units": [16_384] * 16}))
    assert loc == ("body", "model", "hidden_units")
    assert "parameters" in msg


def test_a_table_that_no_memory_holds_is_refused() -> None:
    rows = MAX_MEMORY_BYTES // 4
    loc, _ = only_refusal(fit(), dataset(factor("y"), numeric("a"), numeric("b"), n_rows=rows))
    assert loc == ("body", "dataset")


def test_a_batch_larger_than_the_table_is_one_batch() -> None:
    resolve(fit(engine={"batch_size": 1000}), TRAIN)


def test_the_hash_of_a_spec_ignores_what_does_not_decide_the_result() -> None:
    seeds = {"seeds": [1, 2, 3]}
    plain = spec_sha256(fit(model=seeds))
    assert plain == spec_sha256(fit(model=seeds, name="other", priority=3, tags={"k": "v"}))
    assert plain != spec_sha256(fit(model={"seeds": [1, 2, 4]}))
