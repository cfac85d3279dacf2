"""Permutation importance: the short way is the long way, and planted columns are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.domain.datasets import Column
from service.domain.network import Network
from service.engine.judging import permutation
from service.engine.judging.permutation import importances
from service.engine.judging.picked_rows import Shuffled
from service.engine.judging.worst_rows import worst_classified, worst_measured
from service.engine.metrics import score
from service.engine.metrics.scoring import judged
from service.engine.predictor import Predictor
from service.engine.recipe import Category, MemoryColumns, prep
from tests.engine.fitted_models import NORMALIZE, RECIPE, fitted_model
from tests.engine.judging.judged_models import LEVELS, table

# The same normalisation, told in a way that is not folded into the kernel.
BAKED: Sequence[Any] = (*NORMALIZE, {"step": "impute_mean"})
# Every output is of all columns.
MIXED: Sequence[Any] = (*NORMALIZE, {"step": "pca", "num_comp": 3})


@pytest.mark.parametrize("steps", [NORMALIZE, BAKED, MIXED])
@pytest.mark.parametrize("metric", ["accuracy", "mn_log_loss", "roc_auc"])
def test_every_way_says_what_predicting_shuffled_rows_says(
    metric: str, steps: Sequence[Any]
) -> None:
    predictors, source = table(80, 6)
    predictor = Predictor(fitted_model(predictors, steps=steps))
    alone = set(predictor.first_layer(source).places)
    assert alone == (set() if steps is MIXED else {f"x{place}" for place in range(1, 6)})
    found = importances(predictor, source, metric, times=3, rows=80, seed=5)
    draw = np.random.default_rng(5)
    draw.permutation(80)
    orders = [draw.permutation(80) for _ in range(3)]
    truth = source.codes("y")

    def score_of(rows: Any) -> float:
        value = score([metric], truth, predictor.predict(rows).raw, LEVELS, "classification")
        assert value[metric] is not None
        return float(value[metric] or 0)

    whole = score_of(source)
    assert found.score == pytest.approx(whole, abs=1e-6)
    assert {each.column for each in found.columns} == {f"x{place}" for place in range(1, 6)}
    sign = 1 if metric == "mn_log_loss" else -1
    for each in found.columns:
        worse = [sign * (score_of(Shuffled(source, each.column, o)) - whole) for o in orders]
        # Probabilities of float32, each rounded otherwise: a row that is nearly tied may turn.
        near = 1e-4 if metric != "accuracy" else 1 / 80
        assert each.importance == pytest.approx(np.mean(worse), abs=near)
        assert each.std_err == pytest.approx(np.std(worse, ddof=1) / np.sqrt(3), abs=near)


def test_the_column_that_decides_is_found_and_the_one_that_does_not_is_0() -> None:
    predictors, _ = table(200, 5)
    model = fitted_model(predictors, levels=("no", "yes"))
    first = model.weights[0].copy()
    # x3 is not read at all; x2 moves every unit strongly.
    first[2] = 0
    first[1] = 5 * np.sign(first[1])
    predictor = Predictor(replace(model, weights=(first, *model.weights[1:])))
    said = predictor.predict(MemoryColumns(predictors)).classes
    assert len(set(said)) == 2
    truth = MemoryColumns({**predictors, "y": Category(said, ("no", "yes"))})
    found = importances(predictor, truth, "accuracy", times=4)
    assert found.score == 1
    assert found.columns[0].column == "x2"
    assert found.columns[0].importance > 0.1
    by_name = {each.column: each for each in found.columns}
    assert by_name["x3"].importance == 0
    assert by_name["x3"].std_err == 0


def test_a_seed_decides_rows_and_shuffles() -> None:
    predictors, source = table(90)
    predictor = Predictor(fitted_model(predictors))
    first = importances(predictor, source, "mn_log_loss", rows=40, seed=3)
    assert first.n == 40
    assert importances(predictor, source, "mn_log_loss", rows=40, seed=3) == first
    assert importances(predictor, source, "mn_log_loss", rows=40, seed=4) != first
    once = importances(predictor, source, "mn_log_loss", times=1)
    assert all(np.isnan(each.std_err) for each in once.columns)


def test_shuffles_in_portions_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    predictors, source = table(90)
    predictor = Predictor(fitted_model(predictors, hidden=(5, 9)))
    assert predictor.widest == 9
    whole = importances(predictor, source, "mn_log_loss", times=5)
    monkeypatch.setattr(permutation, "_HELD", 90 * 9 * 2)
    portions = importances(predictor, source, "mn_log_loss", times=5)
    for each, same in zip(whole.columns, portions.columns, strict=True):
        # A product of another shape may add in another order: float32 rounding.
        assert each.importance == pytest.approx(same.importance, abs=1e-6)


def test_categories_are_shuffled_too() -> None:
    rows = 60
    colours = ["red" if row % 2 else "blue" for row in range(rows)]

    columns: dict[str, Any] = {"x": np.arange(rows, dtype=float), "colour": Category(colours)}
    recipe = prep(
        RECIPE.validate_python([{"step": "dummy"}, {"step": "normalize"}]),
        MemoryColumns(columns),
        list(columns),
    )
    base = fitted_model()
    network = Network(
        predictors=2,
        hidden=(2,),
        activation="relu",
        dropouts=(0.0,),
        outputs=2,
        output_activation="softmax",
    )
    kernel = np.array([[0, 0], [3, -3]], dtype=np.float32)
    out = np.array([[2, -2], [-2, 2]], dtype=np.float32)
    zeros = np.zeros(2, dtype=np.float32)
    model = replace(
        base,
        network=network,
        recipe=recipe,
        levels=("red", "blue"),
        columns=(
            Column(name="x", type="numeric", n_missing=0, n_unique=rows),
            Column(name="colour", type="factor", n_missing=0, n_unique=2, levels=("blue", "red")),
        ),
        weights=(kernel, zeros, out, zeros),
    )
    source = MemoryColumns({**columns, "y": Category(colours, ("red", "blue"))})
    found = importances(Predictor(model), source, "accuracy", times=3)
    assert found.score == 1
    assert [each.column for each in found.columns] == ["colour", "x"]
    assert found.columns[0].importance == pytest.approx(0.5, abs=0.25)
    assert found.columns[1].importance == 0


def test_the_worst_rows_are_the_least_probable_ones_and_the_farthest() -> None:
    prob = [[0.7, 0.2, 0.1], [0.0, 0.6, 0.4], [0.3, 0.3, 0.4], [0.1, 0.8, 0.1]]
    rows = judged([0, 0, 1, 2], prob, LEVELS, "classification")
    first, second = worst_classified(rows, LEVELS, 2)
    assert (first["row"], first["truth"], first["estimate"]) == (2, "a", "b")
    assert (first["truth_probability"], first["loss"]) == (0, np.inf)
    assert second["row"] == 4
    numbers = judged(
        [[1.0, 9.0], [2.0, 5.0], [3.0, 1.0]],
        [[1.0, 9.0], [4.0, 5.0], [2.0, 9.0]],
        None,
        "regression",
    )
    assert [each["row"] for each in worst_measured(numbers, 0, 2)] == [2, 3]
    (farthest,) = worst_measured(numbers, 1, 1)
    assert farthest == {"row": 3, "truth": 1.0, "estimate": 9.0, "residual": -8.0}
