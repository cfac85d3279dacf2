"""A fit that keeps rows for its judgement: what its body and the profiles decide together."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from service.domain.errors import InvalidSpec
from service.domain.fit import FitSpec
from service.domain.last_fit import with_testing
from service.domain.resolve import resolve
from service.domain.tune.placeholders import placeholders
from service.domain.tune.resampling import ValidationSet, VFold
from tests.domain.test_resolve import TRAIN, fit, only_refusal

THREE = {"kind": "validation_set", "prop": [0.6, 0.2]}
TWO = {"kind": "validation_split", "prop": 0.75}
JUDGED = [{"dataset": "train", "rows": "testing", "metrics": ["accuracy"]}]


@pytest.mark.parametrize(("split", "rows"), [(TWO, 75), (THREE, 80), (None, 100)])
def test_all_but_the_testing_rows_train_and_validate(split: Any, rows: int) -> None:
    found = resolve(fit(split=split), TRAIN)
    assert (found.n_rows, found.n_validation) == (rows, 0)
    halved = resolve(fit(split=split, engine={"validation_split": 0.5}), TRAIN)
    assert halved.n_rows == rows // 2
    assert halved.n_rows + halved.n_validation == rows


def test_a_step_that_looks_at_rows_is_not_exact_when_some_are_kept_apart() -> None:
    recipe = [{"step": "zv"}]
    assert resolve(fit(recipe=recipe), TRAIN).exact
    assert not resolve(fit(recipe=recipe, split=TWO), TRAIN).exact


def test_the_seed_of_the_split_is_drawn_and_recorded() -> None:
    spec = fit(split=THREE, evaluate=JUDGED)
    found = resolve(spec, TRAIN, None, {"train": TRAIN}, draw=count(7).__next__).spec
    assert found.model.seeds == [7, 8, 9]
    assert found.split is not None
    assert found.split.seed == 10
    assert found.evaluate[0].rows == "testing"
    again = FitSpec.model_validate(found.model_dump())
    assert resolve(again, TRAIN, None, {"train": TRAIN}).spec == found


@pytest.mark.parametrize(
    ("fields", "loc", "words"),
    [
        ({"split": {**TWO, "prop": 0.001}}, ("split", "prop"), "0 for analysis"),
        ({"split": {**TWO, "strata": "c"}}, ("split", "strata"), "'c'"),
        ({"evaluate": JUDGED}, ("evaluate", 0, "rows"), "without a split"),
        (
            {"split": TWO, "evaluate": [{**JUDGED[0], "dataset": "test"}]},
            ("evaluate", 0, "rows"),
            "Received 'test'",
        ),
    ],
)
def test_what_cannot_be_split_so_is_refused_with_its_place(
    fields: dict[str, Any], loc: tuple[Any, ...], words: str
) -> None:
    others = {"train": TRAIN, "test": TRAIN.model_copy(update={"name": "test"})}
    place, msg = only_refusal(fit(**fields), evaluations=others)
    assert place == ("body", *loc)
    assert words in msg


def test_only_a_split_of_one_resample_keeps_rows_apart() -> None:
    with pytest.raises(ValueError, match="vfold"):
        fit(split={"kind": "vfold", "v": 5})


def test_a_chosen_candidate_is_judged_on_the_rows_that_a_validation_set_keeps() -> None:
    spec = fit(evaluate=[{"dataset": "test"}])
    three = ValidationSet(kind="validation_set", seed=3)
    last = with_testing(spec, three, ("accuracy",))
    assert last.split == three
    assert [(each.dataset, each.rows) for each in last.evaluate] == [
        ("train", "testing"),
        ("test", None),
    ]
    assert with_testing(spec, VFold(kind="vfold", seed=3), ("accuracy",)) == spec


def test_a_tune_s_fit_has_no_split_of_its_own() -> None:
    body: dict[str, Any] = {"dataset": "train", "outcome": "y", "split": TWO}
    with pytest.raises(InvalidSpec, match="split"):
        placeholders(body)
