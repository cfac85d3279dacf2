"""A model beside the truth of a table: weights, levels in any order, what cannot be judged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.domain.errors import InvalidData
from service.domain.evaluations import Bootstrap
from service.engine.artifact import Artifact
from service.engine.judging.judged_rows import answers_of, evaluation_of
from service.engine.judging.questions import Compared, Curved, Explained, WorstAsked
from service.engine.judging.replies import reply
from service.engine.metrics import score
from service.engine.predictor import Predictor
from service.engine.recipe import Category, MemoryColumns
from tests.engine.fitted_models import fitted_model
from tests.engine.judging.judged_models import LEVELS, table

COLUMNS, SOURCE = table(60)
TRUTH = [row % 3 for row in range(60)]


def evaluated(predictor: Predictor, source: MemoryColumns) -> dict[str, float | None]:
    return evaluation_of(
        predictor, source, dataset="t", dataset_sha256="0" * 64, names=["accuracy", "mn_log_loss"]
    ).metrics


def weighted(model: Artifact) -> Artifact:
    return replace(model, spec=model.spec.model_copy(update={"case_weights": "w"}))


def test_rows_weigh_what_the_models_column_of_case_weights_says() -> None:
    predictor = Predictor(weighted(fitted_model(COLUMNS)))
    weights = np.random.default_rng(1).integers(0, 4, 60).astype(float)
    categories = Category([LEVELS[code] for code in TRUTH], LEVELS)
    there = MemoryColumns({**COLUMNS, "y": categories, "w": weights})
    prob = predictor.predict(SOURCE).raw
    names = ["accuracy", "mn_log_loss"]
    assert evaluated(predictor, there) == score(
        names, TRUTH, prob, LEVELS, "classification", weights
    )
    # New data need not have it.
    assert evaluated(predictor, SOURCE) == score(names, TRUTH, prob, LEVELS, "classification")


def test_levels_are_known_by_name_and_not_by_place() -> None:
    predictor = Predictor(fitted_model(COLUMNS))
    turned = Category([LEVELS[code] for code in TRUTH], LEVELS[::-1])
    source = MemoryColumns({**COLUMNS, "y": turned})
    assert evaluated(predictor, source) == evaluated(predictor, SOURCE)


def test_numbers_are_judged_as_doubles() -> None:
    model = fitted_model(COLUMNS, levels=None, outcomes=("y",))
    predictor = Predictor(model)
    # 2^24 + 1 is no float32.
    truth = np.full(60, 2.0**24 + 1)
    rows = answers_of(predictor, MemoryColumns({**COLUMNS, "y": truth}))
    assert (rows.truth[:, 0] == truth).all()


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ({"Y": Category(["a"] * 60)}, "Expected the outcome 'y'.*Did you mean 'Y'"),
        ({"y": np.arange(60.0)}, "Expected categories as outcome 'y'.*numeric"),
        ({"y": Category(["a", *["z"] * 59])}, "Expected one of the 3 levels.*'z' in row 2"),
        ({"y": Category([None, *["a"] * 59])}, "a missing value in row 1"),
    ],
)
def test_what_cannot_be_judged_says_why(outcome: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        answers_of(Predictor(fitted_model(COLUMNS)), MemoryColumns({**COLUMNS, **outcome}))


def test_a_model_that_diverged_has_no_curves_and_no_worst_rows_but_can_be_compared() -> None:
    sound = fitted_model(COLUMNS)
    broken = replace(sound, weights=(sound.weights[0] * np.float32("nan"), *sound.weights[1:]))
    for asked in (Curved(kind="roc"), WorstAsked(count=3)):
        with pytest.raises(InvalidData, match="training diverged"):
            reply([Predictor(broken)], SOURCE, asked)
    both = Compared(metrics=("accuracy",), bootstrap=Bootstrap(times=20, seed=1))
    told = json.loads(reply([Predictor(sound), Predictor(broken)], SOURCE, both))
    assert told["agreement"] is None
    assert told["data"][0]["model"] is not None
    assert [told["data"][0][name] for name in ("with", "difference", "low", "better")] == [None] * 4
    explained = Explained(metric="accuracy", times=2, rows=60, seed=1, limit=9)
    found = json.loads(reply([Predictor(broken)], SOURCE, explained))
    assert found["score"] is None
    assert {each["importance"] for each in found["data"]} == {None}
