"""The prototype: a schema that says what the parser takes, and an example that it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.domain.datasets import Column
from service.domain.errors import InvalidData
from service.engine.prediction_columns import InputColumns
from service.engine.prediction_rows import from_json
from service.engine.predictor import Predictor
from service.engine.prototype import prototype
from tests.engine.fitted_models import fitted_model, training

SPECIES = Column(
    name="species", type="factor", n_missing=0, n_unique=2, levels=("Adelie", "Gentoo")
)
HOME = Column(name="home", type="logical", n_missing=0, n_unique=2, levels=("FALSE", "TRUE"))


def number(name: str, mean: float | None, low: float | None, high: float | None) -> Column:
    return Column(name=name, type="numeric", n_missing=0, n_unique=9, mean=mean, min=low, max=high)


def inputs(*columns: Column) -> InputColumns:
    return InputColumns(columns=columns, na=())


def example(*columns: Column) -> dict[str, Any]:
    (row,) = prototype(inputs(*columns))["examples"]
    assert isinstance(row, dict)
    return row


def test_the_schema_names_the_columns_that_the_model_reads_and_no_other() -> None:
    schema = prototype(Predictor(fitted_model(training(columns=4))).inputs, "A row")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["type"]) == ("A row", "object")
    # x4 is constant in training: zv drops it.
    assert schema["required"] == list(schema["properties"]) == ["x1", "x2", "x3"]
    assert {part["type"] for part in schema["properties"].values()} == {"number"}
    assert schema["additionalProperties"] is True


def test_categories_are_listed_in_level_order() -> None:
    schema = prototype(inputs(SPECIES, HOME))
    assert schema["properties"] == {
        "species": {"type": "string", "enum": ["Adelie", "Gentoo"]},
        "home": {"type": "boolean"},
    }
    assert example(SPECIES, HOME) == {"species": "Adelie", "home": False}


@pytest.mark.parametrize(
    ("mean", "low", "high", "value"),
    [
        (135.689433, 0.0, 255.0, 136.0),
        (0.000183, 0.0, 255.0, 0.0),
        (43.9219298, 32.1, 59.6, 43.9),
        (-0.0123456, -1.5, 1.5, -0.0123),
        (1234567.8, 0.5, 1e9 + 0.5, 1230000.0),
        (0.0, -1.5, 1.5, 0.0),
        (0.12345, 0.1234, 0.1236, 0.1234),
        (5e-324, 0.0, 0.5, 5e-324),
        (None, None, None, 0.0),
    ],
)
def test_an_example_is_near_the_mean_and_within_the_range_of_training(
    mean: float | None, low: float | None, high: float | None, value: float
) -> None:
    assert example(number("x", mean, low, high)) == {"x": value}


def test_the_example_of_a_fitted_model_is_predicted() -> None:
    predictor = Predictor(fitted_model(training(columns=6)))
    (row,) = prototype(predictor.inputs)["examples"]
    output = predictor.predict(from_json({"rows": [row]}, predictor.inputs))
    assert np.isfinite(output.prob).all()


def test_what_the_schema_forbids_the_parser_refuses() -> None:
    both = inputs(number("x", 1.0, 0.0, 2.5), SPECIES)
    good = example(*both.columns)
    from_json({"rows": [good]}, both)
    for wrong in (
        {**good, "x": "1"},
        {**good, "x": True},
        {**good, "species": "Emperor"},
        {"x": good["x"]},
    ):
        with pytest.raises(InvalidData):
            from_json({"rows": [wrong]}, both)


def test_a_row_with_more_members_than_the_schema_names_is_taken() -> None:
    columns = replace(inputs(number("x", 1.0, 0.0, 2.5)))
    assert from_json({"rows": [{"x": 1, "y": "ignored"}]}, columns).n_rows == 1
