"""The predictor: company, chunks, what it refuses, what its outputs mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.domain.errors import InvalidData, MissingValues
from service.domain.network import Network
from service.engine.activations import Matrix
from service.engine.forward import BLOCK_ROWS, forward
from service.engine.prediction_columns import PredictionRows
from service.engine.predictor import Output, Predictor
from service.engine.recipe import Category, MemoryColumns, bake
from tests.engine.fitted_models import fitted_model, random_weights, training

COLUMNS = training(100, 6)
MODEL = fitted_model(COLUMNS, hidden=(16, 8), activation="swish")


def network(predictors: int, *hidden: int, outputs: int = 10) -> Network:
    return Network(
        predictors=predictors,
        hidden=hidden,
        activation="relu",
        dropouts=(0.0,) * len(hidden),
        outputs=outputs,
        output_activation="softmax",
    )


@given(
    rows=st.integers(1, 3 * BLOCK_ROWS + 1),
    predictors=st.integers(1, 60),
    hidden=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_a_row_alone_is_the_same_row_in_company(
    rows: int, predictors: int, hidden: list[int], seed: int
) -> None:
    weights = random_weights(network(predictors, *hidden, outputs=3), seed)
    x = np.random.default_rng(seed).normal(size=(rows, predictors)).astype(np.float32)
    packed = forward(x, weights, "tanh", "softmax")
    alone = np.concatenate([forward(x[[row]], weights, "tanh", "softmax") for row in range(rows)])
    # What is promised on any BLAS: float32 rounding of probabilities below 1.
    assert np.all(np.abs(alone - packed) <= 1e-6)
    # In the same place of a product of the same shape no BLAS can tell the difference.
    assert alone[0].tobytes() == packed[0].tobytes()


def test_each_layer_is_a_product_a_bias_and_an_activation() -> None:
    x = np.array([[1.0, -2.0]], dtype=np.float32)
    weights: list[Matrix] = [
        np.array([[1, 2, 0], [3, -1, 1]], dtype=np.float32),
        np.array([0.5, 0, 0], dtype=np.float32),
        np.array([[1], [10], [100]], dtype=np.float32),
        np.array([-7], dtype=np.float32),
    ]
    # relu(1 - 6 + .5, 2 + 2, -2) = (0, 4, 0), times (1, 10, 100), minus 7.
    assert forward(x, weights, "relu", "linear").tolist() == [[33.0]]


def test_the_folded_recipe_agrees_with_baking_first() -> None:
    # Means of thousands of standard deviations, and a spread of 1e-9 beside one of 1e9.
    rng = np.random.default_rng(3)
    columns: dict[str, NDArray[np.float64]] = {
        "year": 2000 + 0.3 * rng.normal(size=500),
        "pascal": 101_325 + 0.01 * rng.normal(size=500),
        "tiny": 1e-9 * rng.normal(size=500),
        "huge": 1e9 * rng.normal(size=500),
        "pixel": np.where(rng.random(500) < 0.002, 255.0, 0.0),
    }
    model = fitted_model(columns, hidden=(30,), levels=None, outcomes=("y",))
    folded = Predictor(model).predict(MemoryColumns(columns)).raw
    baked = forward(bake(model.recipe, MemoryColumns(columns)), model.weights, "relu", "linear")
    assert np.abs(folded - baked).max() <= 1e-5 * np.abs(baked).max()


def test_columns_that_zero_variance_dropped_need_not_be_there_and_change_nothing() -> None:
    # golden.md G16: x25, x29 and x784 are such columns of MNIST.
    assert "x6" not in Predictor(MODEL).inputs.names
    predictor = Predictor(MODEL)
    with_it = predictor.predict(MemoryColumns(COLUMNS)).raw
    changed = predictor.predict(MemoryColumns({**COLUMNS, "x6": np.full(100, 255.0)})).raw
    without = {name: values for name, values in COLUMNS.items() if name != "x6"}
    assert with_it.tobytes() == changed.tobytes()
    assert with_it.tobytes() == predictor.predict(MemoryColumns(without)).raw.tobytes()


def test_extra_columns_and_their_order_change_nothing() -> None:
    predictor = Predictor(MODEL)
    other: dict[str, Any] = {
        "name": Category(["a"] * 100),
        **dict(reversed(COLUMNS.items())),
        "y": np.ones(100),
    }
    assert (
        predictor.predict(MemoryColumns(other)).raw.tobytes()
        == predictor.predict(MemoryColumns(COLUMNS)).raw.tobytes()
    )


def test_rows_of_a_request_and_of_a_table_are_predicted_alike() -> None:
    predictor = Predictor(MODEL)
    matrix = np.column_stack([COLUMNS[name] for name in predictor.inputs.names])
    rows = PredictionRows(inputs=predictor.inputs, layout="rows", numbers=matrix)
    assert (
        predictor.predict(rows).raw.tobytes()
        == predictor.predict(MemoryColumns(COLUMNS)).raw.tobytes()
    )
    # A request may have been read for another model.
    other = replace(predictor.inputs, columns=predictor.inputs.columns[::-1])
    turned = PredictionRows(inputs=other, layout="rows", numbers=matrix[:, ::-1])
    assert predictor.predict(turned).raw.tobytes() == predictor.predict(rows).raw.tobytes()


def test_many_rows_are_predicted_in_chunks_of_the_same_bits() -> None:
    columns = training(30, 3)
    predictor = Predictor(fitted_model(columns, hidden=(2,)))
    # Wide enough for two chunks of 2**20 values.
    tiled = {name: np.tile(values, 20_000) for name, values in columns.items()}
    raw = predictor.predict(MemoryColumns(tiled)).raw.reshape(20_000, 30, 3)
    assert np.array_equal(raw, np.broadcast_to(raw[0], raw.shape))


def test_a_missing_value_is_named_by_row_and_column_also_in_a_later_chunk() -> None:
    columns = training(30, 3)
    tiled = {name: np.tile(values, 20_000) for name, values in columns.items()}
    tiled["x2"][599_998] = np.nan
    predictor = Predictor(fitted_model(columns, hidden=(2,)))
    with pytest.raises(MissingValues, match=r"row 599999 of column 'x2'. Received a missing"):
        predictor.predict(MemoryColumns(tiled))


@pytest.mark.parametrize("steps", [[{"step": "normalize"}], [{"step": "range"}]], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e300])
def test_what_no_step_handles_does_not_reach_the_network(
    steps: list[dict[str, str]], value: float
) -> None:
    columns = training(30, 3)
    predictor = Predictor(fitted_model(columns, steps=steps, hidden=(2,)))
    harmed = {**columns, "x2": np.where(np.arange(30) == 4, value, columns["x2"])}
    if steps == [{"step": "range"}] and not np.isnan(value):
        # Clipping brings what is out of range back, as in R.
        assert np.isfinite(predictor.predict(MemoryColumns(harmed)).raw).all()
    else:
        with pytest.raises(MissingValues, match="row 5 of column 'x2'"):
            predictor.predict(MemoryColumns(harmed))


def test_a_missing_column_is_named_with_its_nearest_name() -> None:
    renamed = {("X3" if name == "x3" else name): values for name, values in COLUMNS.items()}
    with pytest.raises(InvalidData, match=r"column 'x3'. .*nearest is 'X3'"):
        Predictor(MODEL).predict(MemoryColumns(renamed))
    with pytest.raises(
        InvalidData, match=r"column 'x1'. .*As many as 4 are missing, also 'x2', 'x3', 'x5'"
    ):
        Predictor(MODEL).predict(MemoryColumns({"x4": np.ones(3)}))


def test_categories_where_numbers_were_are_refused() -> None:
    wrong: dict[str, Any] = {**COLUMNS, "x2": Category(["a"] * 100)}
    with pytest.raises(InvalidData, match=r"numbers in column 'x2'.* type factor"):
        Predictor(MODEL).predict(MemoryColumns(wrong))


def test_no_rows_give_no_rows() -> None:
    none = MemoryColumns({name: values[:0] for name, values in COLUMNS.items()})
    output = Predictor(MODEL).predict(none)
    assert output.raw.shape == (0, 3)
    assert output.classes == []


def test_the_class_is_the_first_of_the_most_probable_levels() -> None:
    raw = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0, 0, 1]], dtype=np.float32)
    output = Output(raw=raw, levels=("a", "b", "c"), outcomes=("y",))
    assert output.codes.tolist() == [1, 0, 2]
    assert output.classes == ["b", "a", "c"]
    assert output.prob is raw
    with pytest.raises(ValueError, match="Expected a regression"):
        _ = output.numeric


def test_a_regression_has_numbers_and_no_classes() -> None:
    output = Output(raw=np.ones((2, 2), np.float32), levels=None, outcomes=("u", "v"))
    assert output.numeric.shape == (2, 2)
    with pytest.raises(ValueError, match="Expected a classification"):
        _ = output.codes


def test_a_diverged_network_answers_none_and_warns_of_nothing() -> None:
    weights = (np.full_like(MODEL.weights[0], np.inf), *MODEL.weights[1:])
    output = Predictor(replace(MODEL, weights=weights)).predict(MemoryColumns(COLUMNS))
    assert output.classes == [None] * 100


@pytest.mark.parametrize(
    ("layers", "parameters"),
    [
        ((717, 5), 3_650),
        ((717, 10), 7_290),
        ((717, 20), 14_570),
        ((717, 30), 21_850),
        ((717, 50), 36_410),
        ((717, 100), 72_810),
        ((784, 5), 3_985),
        ((784, 30), 23_860),
        ((717, 30, 30), 22_780),
    ],
)
def test_parameters_are_the_chapters(layers: tuple[int, ...], parameters: int) -> None:
    # golden.md G21 to G23.
    shape = network(*layers)
    assert shape.n_parameters == parameters == sum(map(np.size, random_weights(shape)))
