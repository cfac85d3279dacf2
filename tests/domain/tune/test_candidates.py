"""Candidates: open arguments meet a grid, and what does not fit together is said at once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from service.api.validation import invalid
from service.domain.errors import InvalidSpec
from service.domain.fit import FitSpec
from service.domain.tune.candidates import Candidate, candidates, proposed
from service.domain.tune.combinations import dimensions, logarithmic_ids
from service.domain.tune.grid import MAX_CANDIDATES
from service.domain.tune.placeholders import placeholders
from service.domain.tune.spec import TuneSpec
from tests.domain.tune.tuned import expand, tune

OPEN: dict[str, Any] = {"tune": True}
SIZED = {"kind": "space_filling", "size": 4, "seed": 1}


def refusal(spec: TuneSpec) -> InvalidSpec:
    with pytest.raises(InvalidSpec) as caught:
        candidates(spec)
    assert caught.value.errors
    assert all(field.loc[0] == "body" for field in caught.value.errors)
    return caught.value


def test_any_hyperparameter_engine_argument_and_recipe_argument_may_be_open() -> None:
    spec = tune(
        expand(
            width=[[5], [8, 4]],
            activation=["relu", "elu"],
            patience=[3, 7],
            momentum=[0.0, 0.9],
            batch=[16, None],
            num_comp=[2, 3],
            cut=[0.8],
            weight=[1.0, 2.5],
        ),
        model={"hidden_units": {"tune": "width"}, "activation": OPEN},
        engine={
            "batch_size": {"tune": "batch"},
            "optimizer": {"name": "sgd", "momentum": OPEN},
            "validation_split": 0.2,
            "early_stopping": {"patience": OPEN},
            "class_weight": {"yes": {"tune": "weight"}},
        },
        recipe=[
            {"step": "corr", "threshold": {"tune": "cut"}},
            {"step": "pca", "num_comp": OPEN},
        ],
    )
    found = candidates(spec)
    assert len(found) == 2 * 2 * 2 * 2 * 2 * 2 * 2
    first, last = found[0].spec, found[-1]
    assert first is not None
    assert first.model.hidden_units == [5]
    assert first.engine.early_stopping is not None
    assert first.engine.early_stopping.patience == 3
    assert first.engine.class_weight == {"yes": 1.0}
    assert first.engine.optimizer.model_dump()["momentum"] == 0.0  # type: ignore[union-attr]
    assert [step.model_dump(exclude_none=True) for step in first.recipe][1]["num_comp"] == 2
    assert last.spec is None
    assert last.note is not None
    assert "batch_size" in last.note


def test_one_id_may_stand_for_every_layer_of_a_list_and_each_layer_may_have_its_own() -> None:
    same = tune(
        expand(width=[4, 8]), model={"hidden_units": [{"tune": "width"}, {"tune": "width"}]}
    )
    assert [each.spec and each.spec.model.hidden_units for each in candidates(same)] == [
        [4, 4],
        [8, 8],
    ]
    own = tune(
        expand(first=[4, 8], second=[2]),
        model={"hidden_units": [{"tune": "first"}, 3, {"tune": "second"}]},
    )
    assert [each.spec and each.spec.model.hidden_units for each in candidates(own)] == [
        [4, 3, 2],
        [8, 3, 2],
    ]


def test_the_fit_s_body_stays_as_it_is() -> None:
    spec = tune(expand(hidden_units=[4, 8]), model={"hidden_units": OPEN})
    before = spec.model_dump_json()
    candidates(spec)
    assert spec.model_dump_json() == before


def test_without_a_grid_and_open_arguments_there_is_one_candidate_as_in_fit_resamples() -> None:
    (only,) = candidates(tune(model={"hidden_units": 3}))
    assert (only.trial, only.config, dict(only.values)) == (1, "Preprocessor1_Model1", {})
    assert only.spec is not None
    assert only.spec.model.hidden_units == 3


def configs(found: tuple[Candidate, ...]) -> list[str]:
    return [each.config for each in found]


def test_configs_are_named_as_tune_names_them() -> None:
    model = {"hidden_units": OPEN, "penalty": OPEN}
    of_model = tune(
        expand(hidden_units=[5, 10, 20, 30, 50, 100], penalty=[1e-5, 1e-4, 1e-2, 1e-1]), model=model
    )
    assert configs(candidates(of_model)) == [f"Preprocessor1_Model{n:02d}" for n in range(1, 25)]
    of_recipe = tune(
        expand(num_comp=list(range(1, 11))), recipe=[{"step": "pca", "num_comp": OPEN}]
    )
    assert configs(candidates(of_recipe)) == [f"Preprocessor{n:02d}_Model1" for n in range(1, 11)]
    # tidyr::nest numbers recipes as they come, here with every second row.
    both = tune(
        expand(hidden_units=[4, 8], num_comp=[3, 2]),
        model={"hidden_units": OPEN},
        recipe=[{"step": "pca", "num_comp": OPEN}],
    )
    assert configs(candidates(both)) == [
        "Preprocessor1_Model1",
        "Preprocessor2_Model1",
        "Preprocessor1_Model2",
        "Preprocessor2_Model2",
    ]
    assert configs(candidates(tune(expand(epochs=[3]), model={"epochs": OPEN}))) == [
        "Preprocessor1_Model1"
    ]


def test_invalid_candidates_are_listed_with_the_reason_and_the_others_stay() -> None:
    spec = tune(
        expand(penalty=[0.0, 0.1, -1], dropout=[0.0, 0.5]), model={"penalty": OPEN, "dropout": OPEN}
    )
    found = candidates(spec)
    assert [each.spec is not None for each in found] == [True, True, True, False, False, False]
    notes = [each.note or "" for each in found]
    assert notes[:3] == ["", "", ""]
    assert "either `penalty` or `dropout` to be 0" in notes[3]
    assert "fit.model.penalty" in notes[4]
    assert "greater than or equal to 0" in notes[4]


def test_an_activation_that_the_engine_has_not_makes_its_candidate_invalid() -> None:
    found = candidates(tune(expand(activation=["relu", "tanh"]), model={"activation": OPEN}))
    assert found[0].spec is not None
    assert found[1].note is not None
    assert "with engine 'keras'" in found[1].note


@pytest.mark.parametrize("words", [None, lambda error: invalid(error, FitSpec, "body", "fit")])
def test_a_fit_that_is_wrong_for_any_value_is_refused_as_a_fit_is(words: Any) -> None:
    spec = tune(
        expand(num_comp=[1, 2]),
        model={"hiden_units": 3},
        recipe=[{"step": "pca", "num_comp": OPEN}],
    )
    with pytest.raises(InvalidSpec) as caught:
        candidates(spec, words)
    assert caught.value.errors[0].loc[:3] == ("body", "fit", "model")


@pytest.mark.parametrize("words", [None, lambda error: invalid(error, FitSpec, "body", "fit")])
def test_a_value_that_one_step_refuses_is_a_note_although_a_union_names_its_labels(
    words: Any,
) -> None:
    spec = tune(
        expand(num_comp=[1, -1], momentum=[0.5, 2.0]),
        engine={"optimizer": {"name": "sgd", "momentum": OPEN}},
        recipe=[{"step": "pca", "num_comp": OPEN}],
    )
    found = candidates(spec, words)
    assert [each.spec is not None for each in found] == [True, False, False, False]
    assert found[1].note is not None
    assert "engine.optimizer.momentum" in found[1].note
    assert found[2].note is not None
    assert "recipe.0.num_comp" in found[2].note


def test_a_tune_without_any_valid_candidate_is_refused_with_the_reasons_grouped() -> None:
    error = refusal(tune(expand(epochs=[0, -1, 2.5]), model={"epochs": OPEN}))
    assert error.detail.startswith("Expected a candidate that can be fitted. 2 of 3: fit.model")
    assert "1 of 3: fit.model.epochs" in error.detail


def cells(exponent: int) -> TuneSpec:
    names = ("epochs", "hidden_units", "penalty", "learn_rate")
    values = {name: [at / 1000 for at in range(1000)] for name in names}
    assert 1000 ** len(names) == 10**exponent
    return tune(expand(**values), model=dict.fromkeys(names, OPEN))


def test_a_grid_of_a_million_millions_is_refused_before_any_is_made() -> None:
    spec = cells(12)
    tracemalloc.start()
    error = refusal(spec)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "Received a grid of 1,000,000,000,000" in error.detail
    assert f"at most {MAX_CANDIDATES:,} candidates" in error.detail
    # Less than a byte for each of a millionth of them: none was made.
    assert peak < 1_000_000


def test_a_regular_grid_of_many_levels_is_refused_before_any_is_made() -> None:
    names = ("penalty", "learn_rate", "mixture", "hidden_units")
    spec = tune({"kind": "regular", "levels": 10_000}, model=dict.fromkeys(names, OPEN))
    error = refusal(spec)
    # Of the ten whole numbers from 1 to 10 there are no more.
    assert f"{10_000**3 * 10:,}" in error.detail


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": {"seeds": OPEN}}, "luckiest"),
    ({"engine": {"shuffle_seed": OPEN}}, "luckiest"),
    ({"engine": {"name": OPEN}}, "share the engine"),
    ({"engine": {"validation_dataset": OPEN}}, "the same data"),
    ({"engine": {"metrics": [OPEN]}}, "what is recorded"),
    ({"engine": {"max_seconds": OPEN}}, "depends on the machine"),
    ({"engine": {"optimizer": {"name": OPEN}}}, "as a whole"),
    ({"model": OPEN}, "single arguments"),
    ({"recipe": [{"step": {"tune": "step"}}]}, "each step has arguments of its own"),
    ({"recipe": [{"step": "pca", "num_cmp": OPEN}]}, "Did you mean 'num_comp'"),
    ({"model": {"hiden_units": OPEN}}, "Did you mean 'hidden_units'"),
    ({"engine": {"optimizer": {"name": "adam", "momentum": OPEN}}}, "no argument 'momentum'"),
    ({"fit": {"dataset": OPEN}}, "Received one for 'dataset'"),
    ({"fit": {"outcome": {"tune": "y"}}}, "Received one for 'outcome'"),
    ({"fit": {"modle": {"epochs": OPEN}}}, "Did you mean 'model'"),
    ({"fit": {"name": "x"}}, "Expected no 'name' in the fit of a tune"),
    ({"fit": {"evaluate": [{"dataset": "t"}]}}, "Expected no 'evaluate'"),
    ({"fit": {"kind": "tune"}}, "of kind 'fit'"),
    ({"model": {"epochs": {"tune": "mean"}}}, "which a row of trials needs itself"),
    ({"model": {"epochs": {"tune": "a b"}}}, "Received 'a b'"),
    ({"model": {"epochs": {"tune": "e"}, "penalty": {"tune": "e"}}}, 'such as {"tune": "e_2"}'),
    (
        {"recipe": [{"step": "corr", "threshold": OPEN}, {"step": "pca", "threshold": OPEN}]},
        "'threshold' for corr.threshold and for pca.threshold",
    ),
]


@pytest.mark.parametrize(("where", "words"), WRONG, ids=lambda v: str(v)[:70])
def test_what_may_not_be_tuned_is_refused_with_the_reason(where: Any, words: str) -> None:
    error = refusal(tune(SIZED, **where))
    assert words in error.detail
    assert error.errors[0].loc[:2] == ("body", "fit")


GRIDS: list[tuple[dict[str, Any] | None, str]] = [
    (None, "Expected a grid for 'hidden_units', 'penalty'"),
    (expand(hidden_units=[3]), "None for 'penalty' are there"),
    (
        expand(hidden_units=[3], penalty=[0.1], epohcs=[1]),
        "Received 'epohcs', which no argument is",
    ),
    (
        expand(hidden_unit=[3], penalty=[0.1]),
        "Did you mean 'hidden_units'? Its ids: hidden_units, penalty.",
    ),
    ({"kind": "rows", "rows": [{"hidden_units": 3}]}, "None for 'penalty'"),
    (
        {"kind": "rows", "rows": [{"hidden_units": 3, "penalty": 0}] * 2},
        "Row 2 is row 1 again",
    ),
    ({"kind": "random", "ranges": {"penaltie": {"min": -5, "max": -1}}}, "Did you mean 'penalty'"),
    ({"kind": "regular", "levels": {"penalty": 2}}, "None for 'hidden_units'"),
    ({"kind": "random", "ranges": {"penalty": {"min": 0.01, "max": 1}}}, "'log10' if they are exp"),
    (
        {"kind": "random", "ranges": {"penalty": {"min": -5, "max": 400, "scale": "log10"}}},
        "(min and max are exponents)",
    ),
    (
        {"kind": "random", "ranges": {"hidden_units": {"min": 1, "max": 1e300}}},
        "numbers up to 2^53",
    ),
    (
        {"kind": "random", "ranges": {"hidden_units": {"min": 2.2, "max": 2.8}}},
        "a whole number in it for model.hidden_units. Received 2.2 to 2.8.",
    ),
]


@pytest.mark.parametrize(("grid", "words"), GRIDS, ids=lambda value: str(value)[:70])
def test_a_grid_that_does_not_fit_the_open_arguments_is_refused(grid: Any, words: str) -> None:
    error = refusal(tune(grid, model={"hidden_units": OPEN, "penalty": OPEN}))
    assert words in error.detail


def test_an_open_argument_where_no_argument_can_be_is_refused_with_what_the_fit_says() -> None:
    values = expand(x=[1])
    listed = {"optimizer": [{"tune": "x"}]}
    assert "fit.engine.optimizer" in refusal(tune(values, engine=listed)).detail
    assert "fit.recipe" in refusal(tune(values, fit={"recipe": {"a": {"tune": "x"}}})).detail
    assert "no argument '0' of model" in refusal(tune(values, fit={"model": [OPEN]})).detail


def test_a_grid_for_a_fit_without_open_arguments_is_refused() -> None:
    assert "There is none" in refusal(tune(SIZED, model={"epochs": 3})).detail


def test_a_range_is_wanted_where_dials_has_none_and_values_where_there_are_no_numbers() -> None:
    error = refusal(tune(SIZED, engine={"batch_size": OPEN}))
    assert "There is none by default for engine.batch_size" in error.detail
    given = {**SIZED, "ranges": {"activation": {"min": 1, "max": 3}}}
    assert "Expected `values`" in refusal(tune(given, model={"activation": OPEN})).detail


def test_numbers_without_a_default_range_take_a_given_one_of_their_own_type() -> None:
    spec = tune(
        {
            "kind": "regular",
            "ranges": {
                "batch_size": {"min": 4, "max": 6, "scale": "log2"},
                "weight": {"min": 1, "max": 2},
                "validation_split": {"min": 0.1, "max": 0.3},
            },
            "levels": {"batch_size": 3, "weight": 2, "validation_split": 1},
        },
        engine={
            "batch_size": OPEN,
            "class_weight": {"yes": {"tune": "weight"}},
            "validation_split": OPEN,
        },
    )
    assert [tuple(each.values.values()) for each in candidates(spec)] == [
        (16, 1.0, 0.1),
        (32, 1.0, 0.1),
        (64, 1.0, 0.1),
        (16, 2.0, 0.1),
        (32, 2.0, 0.1),
        (64, 2.0, 0.1),
    ]


def test_exponents_that_can_be_nothing_else_need_no_scale() -> None:
    grid = {"kind": "regular", "ranges": {"penalty": {"min": -5, "max": -1}}, "levels": 2}
    found = candidates(tune(grid, model={"penalty": OPEN}))
    assert [each.values["penalty"] for each in found] == pytest.approx([1e-5, 1e-1], rel=1e-14)


def test_ranges_follow_the_grid_s_order_then_the_fit_s_and_default_to_dials() -> None:
    spec = tune(
        {"kind": "random", "ranges": {"dropout": {"values": [0, 0.1]}}, "seed": 1},
        model={
            "hidden_units": OPEN,
            "penalty": OPEN,
            "dropout": OPEN,
            "activation": OPEN,
            "learn_rate": OPEN,
        },
        engine={"validation_split": 0.1, "early_stopping": {"patience": {"tune": "stop"}}},
    )
    found = {axis.id: (axis.kind, axis.low, axis.high, axis.scale) for axis in dimensions(spec)}
    assert list(found) == ["dropout", "hidden_units", "penalty", "activation", "learn_rate", "stop"]
    assert found["hidden_units"] == ("integer", 1, 10, "identity")
    assert found["penalty"] == ("double", -10, 0, "log10")
    assert found["learn_rate"] == ("double", -10, -1, "log10")
    assert found["stop"] == ("integer", 3, 20, "identity")
    values = {axis.id: axis.values for axis in dimensions(spec)}
    assert values["dropout"] == (0, 0.1)
    assert values["activation"] == ("linear", "softmax", "relu", "elu")


def test_bayes_starts_with_a_design_and_names_its_proposals_as_tune_does() -> None:
    spec = tune(
        {"kind": "bayes", "initial": 3, "size": 8, "seed": 4},
        model={"penalty": OPEN, "learn_rate": OPEN},
    )
    found = candidates(spec)
    assert configs(found) == [f"Preprocessor1_Model{n}" for n in (1, 2, 3)]
    nxt = proposed(spec, 4, 1, {"penalty": 1e-3, "learn_rate": 1e-2})
    assert (nxt.trial, nxt.config) == (4, "Iter1")
    assert nxt.spec is not None
    assert nxt.spec.model.penalty == 1e-3
    assert proposed(spec, 5, 2, {"penalty": -1.0, "learn_rate": 1e-2}).note is not None


def test_a_tag_or_a_class_called_tune_is_no_open_argument() -> None:
    fit: dict[str, Any] = {"tags": {"tune": "x"}, "engine": {"class_weight": {"tune": 2.0}}}
    with pytest.raises(InvalidSpec, match="Expected no 'tags'"):
        placeholders(fit)
    assert placeholders({"engine": {"class_weight": {"tune": 2.0}}}) == {}


def test_ten_thousand_candidates_are_allowed() -> None:
    spec = tune(
        expand(hidden_units=list(range(1, 101)), epochs=list(range(1, 101))),
        model={"hidden_units": OPEN, "epochs": OPEN},
    )
    assert len(candidates(spec)) == MAX_CANDIDATES


def test_ids_are_logarithmic_by_their_range_or_by_dials() -> None:
    opened = {"penalty": OPEN, "learn_rate": OPEN, "hidden_units": OPEN, "mixture": OPEN}
    given = {
        "penalty": {"min": 0, "max": 1, "scale": "identity"},
        "hidden_units": {"min": 2, "max": 8, "scale": "log2"},
        "mixture": {"values": [0, 1]},
    }
    random = tune({"kind": "random", "ranges": given}, model=opened)
    assert logarithmic_ids(random) == {"learn_rate", "hidden_units"}
    rows = expand(penalty=[0, 0.1], learn_rate=[0.1], hidden_units=[2], mixture=[0])
    assert logarithmic_ids(tune(rows, model=opened)) == {"penalty", "learn_rate"}
    assert logarithmic_ids(tune()) == frozenset()
