"""The body of a tune: strict, with defaults, and with every seed recorded."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from pydantic import ValidationError

from service.domain.errors import FieldError, InvalidSpec
from service.domain.resolve import derived_shuffle_seed
from service.domain.tune.candidates import candidates
from service.domain.tune.checks import enough_rows, metrics_for, refuse, wrong_race, wrong_tune
from service.domain.tune.resampling import MAX_RESAMPLES
from service.domain.tune.sizes import Sizes, sizes_of
from service.domain.tune.spec import TuneSpec, seeded
from tests.domain.tune.tuned import expand, tune

OPEN: dict[str, Any] = {"tune": True}


def test_the_contract_s_example_is_read() -> None:
    spec = tune(
        expand(hidden_units=[5, 10, 20, 30, 50, 100], penalty=[1e-5, 1e-4, 1e-2, 1e-1]),
        model={"hidden_units": OPEN, "penalty": {"tune": "penalty"}, "activation": "relu"},
        recipe=[{"step": "zv"}, {"step": "normalize"}],
        fit={"kind": "fit"},
        name="grid",
        priority=0,
        tags={},
        resamples={
            "kind": "validation_split",
            "prop": 0.8333333333333334,
            "seed": 102030,
            "strata": None,
        },
        metrics=["accuracy"],
        race=None,
        finalize={"select": "best", "metric": "accuracy", "refit": True},
        evaluate=[],
    )
    assert len(candidates(spec)) == 24
    sizes = sizes_of(spec.resamples, 60_000)
    assert (sizes.resamples, sizes.analysis, sizes.assessment) == (1, 50_000, 10_000)
    assert wrong_tune(spec, "classification", ("hidden_units", "penalty"), 24, sizes) == []


def test_defaults_are_r_s() -> None:
    asked: dict[str, dict[str, Any]] = {
        "validation_split": {"prop": 0.75},
        "validation_set": {"prop": [0.6, 0.2]},
        "vfold": {"v": 10, "repeats": 1},
        "bootstrap": {"times": 25},
        "mc": {"prop": 0.75, "times": 25},
        "rolling_origin": {"initial": 5, "assess": 1, "skip": 0, "cumulative": True},
    }
    for kind, defaults in asked.items():
        dumped = tune(resamples={"kind": kind}).resamples.model_dump()
        assert {name: dumped[name] for name in defaults} == defaults
    spec = tune()
    assert (spec.grid, spec.race, spec.finalize, spec.evaluate) == (None, None, None, [])
    assert metrics_for(spec, "classification") == ("roc_auc", "accuracy", "brier_class")
    assert metrics_for(spec, "regression") == ("rmse", "rsq")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"resamples": {"kind": "vfolds"}}, "vfold"),
    ({"resamples": {"kind": "vfold", "v": 1}}, "greater than or equal to 2"),
    ({"resamples": {"kind": "vfold", "v": "5"}}, "valid integer"),
    ({"resamples": {"kind": "validation_set", "prop": [0.6, 0.4]}}, "rows for testing"),
    ({"resamples": {"kind": "rows", "splits": [{"analysis": [0], "assessment": [1]}]}}, "equal to"),
    ({"resamples": {"kind": "group_vfold"}}, "group"),
    ({"grid": {"kind": "expand", "values": {"a": [1, 1.0]}}}, "each value once. Received 1.0"),
    ({"grid": {"kind": "expand", "values": {"a": []}}}, "at least 1"),
    ({"grid": {"kind": "expand", "values": {"a": [float("nan")]}}}, "finite"),
    ({"grid": {"kind": "expand", "values": {"a": [10**400]}}}, "valid number"),
    ({"grid": {"kind": "expand", "values": {"a": ["x" * 257]}}}, "at most 256"),
    ({"grid": {"kind": "random", "ranges": {"a": {"min": 0, "max": 10**400}}}}, "valid number"),
    ({"grid": {"kind": "regular", "levels": {"a": "3"}}}, "object with one for each. Received '3'"),
    ({"grid": {"kind": "regular", "levels": 0}}, "from 1 to 10000: a number for all ids"),
    ({"grid": {"kind": "regular", "levels": {}}}, "at least 1"),
    ({"grid": {"kind": "random", "size": 10**12}}, "less than or equal to 10000"),
    ({"grid": {"kind": "random", "ranges": {"a": {"min": 1}}}}, "max=none and no values"),
    ({"grid": {"kind": "random", "ranges": {"a": {"min": 2, "max": 1}}}}, "`min` below `max`"),
    (
        {"grid": {"kind": "random", "ranges": {"a": {"values": [1], "scale": "log10"}}}},
        "not both",
    ),
    ({"grid": {"kind": "bayes", "initial": 9, "size": 8}}, "initial=9 and size=8"),
    ({"race": {"kind": "halving", "factor": 1}}, "greater than or equal to 2"),
    ({"finalize": {"select": "pct_loss"}}, "Expected `sort` with select 'pct_loss'"),
    ({"finalise": None}, "Extra inputs"),
    ({"metrics": []}, "at least 1"),
]


@pytest.mark.parametrize(("fields", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_body_that_says_nothing_sensible_is_refused(fields: dict[str, Any], words: str) -> None:
    grid = fields.pop("grid", None)
    with pytest.raises(ValidationError, match=words):
        tune(grid, **fields)


def test_true_and_one_and_text_and_list_are_different_values() -> None:
    spec = tune(expand(a=[True, 1, "1", [1], None, 0, False]))
    assert spec.grid is not None
    assert spec.grid.model_dump()["values"]["a"] == [True, 1, "1", [1], None, 0, False]


def test_what_is_read_comes_back_the_same_through_json() -> None:
    for kind in ("random", "space_filling", "bayes"):
        spec = tune({"kind": kind, "ranges": {"b": {"min": 0, "max": 1}, "a": {"values": [1]}}})
        again = TuneSpec.model_validate_json(spec.model_dump_json())
        assert again == spec
        assert list(again.model_dump()["grid"]["ranges"]) == ["b", "a"]


def test_every_seed_that_is_open_is_drawn_once_for_all_candidates() -> None:
    numbers = count(100)
    spec = seeded(
        tune({"kind": "random"}, model={"epochs": OPEN}, resamples={"kind": "mc"}),
        lambda: next(numbers),
    )
    assert spec.grid is not None
    assert spec.grid.model_dump()["seed"] == 100
    assert spec.resamples.model_dump()["seed"] == 101
    own = [each.spec for each in candidates(spec)]
    seeds = [102, 103, 104]
    assert {tuple(fit.model.seeds or ()) for fit in own if fit} == {tuple(seeds)}
    assert {fit.engine.shuffle_seed for fit in own if fit} == {derived_shuffle_seed(seeds)}
    assert seeded(spec, lambda: 0) == spec


def test_given_seeds_stay_and_what_has_none_gets_none() -> None:
    spec = tune(
        expand(epochs=[2]),
        model={"epochs": OPEN, "seeds": [1, 2, 3]},
        engine={"shuffle_seed": 9},
        resamples={"kind": "rolling_origin"},
    )

    def never() -> int:
        raise AssertionError("nothing was to be drawn")

    assert seeded(spec, never) == spec


def wrong(spec: TuneSpec, **sizes: Any) -> list[FieldError]:
    known = Sizes(**{"n_rows": 100, "resamples": 10, **sizes})
    return wrong_tune(spec, "classification", ("epochs",), 50, known)


def test_metrics_of_another_mode_unknown_ones_and_repeats_are_refused() -> None:
    found = wrong(tune(metrics=["accuracy", "rmse", "acuracy", "accuracy"]))
    assert [field.loc for field in found] == [("body", "metrics", at) for at in (1, 2, 3)]
    assert "Did you mean 'accuracy'?" in found[1].msg
    assert "twice" in found[2].msg


def test_finalize_is_by_a_metric_and_ids_of_the_tune() -> None:
    final = {"select": "one_std_err", "metric": "kap", "sort": "epohcs,-penalty,epochs"}
    found = wrong(tune(metrics=["accuracy"], finalize=final))
    assert [field.loc[1:] for field in found] == [
        ("finalize", "metric"),
        ("finalize", "sort"),
        ("finalize", "sort"),
    ]
    assert "Did you mean 'epochs'?" in found[1].msg
    empty = {"select": "pct_loss", "sort": "epochs,,"}
    assert [field.loc[1:] for field in wrong(tune(finalize=empty))] == [("finalize", "sort")]


def test_resamples_and_fits_are_counted_before_any_is_made() -> None:
    assert wrong(tune(), resamples=1000) == []
    many = wrong(tune(), resamples=MAX_RESAMPLES * 7)
    assert [field.loc[1:] for field in many] == [("resamples",), ("grid",)]
    assert "50 candidates on 7,000 resamples, which are 350,000" in many[1].msg
    # So many slices that nobody wants them.
    slices = sizes_of(tune(resamples={"kind": "rolling_origin"}).resamples, 10**9)
    assert slices.resamples == 10**9 - 5
    assert wrong(tune(), resamples=slices.resamples)


def test_why_rows_do_not_suffice_is_told_in_the_body_s_place() -> None:
    spec = tune(resamples={"kind": "vfold", "v": 11})
    found = wrong_tune(spec, "regression", (), 1, sizes_of(spec.resamples, 10))
    assert [field.loc for field in found] == [("body", "resamples", "v")]
    with pytest.raises(InvalidSpec, match=r"^resamples\.v: Expected at most as many folds"):
        refuse(found)
    refuse([])


def test_a_candidate_whose_batch_is_larger_than_a_resample_gets_a_note() -> None:
    spec = tune(
        expand(batch_size=[16, 91, 90], validation_split=[0.0, 0.5]),
        engine={"batch_size": OPEN, "validation_split": OPEN},
    )
    found = enough_rows(candidates(spec), sizes_of(spec.resamples, 100))
    assert [each.spec is not None for each in found] == [True, True, False, False, True, False]
    notes = [each.note or "" for each in found]
    assert "one batch of 91 rows to train on. A resample has 90" in notes[2]
    assert "one batch of 90 rows to train on. A resample has 45" in notes[5]


def test_a_tune_whose_resamples_are_all_too_small_is_refused() -> None:
    spec = tune(resamples={"kind": "rolling_origin"})
    with pytest.raises(InvalidSpec, match="1 of 1: Expected at least one batch of 32 rows"):
        enough_rows(candidates(spec), sizes_of(spec.resamples, 100))
    tiny = tune(engine={"validation_split": 0.95, "batch_size": 1})
    with pytest.raises(InvalidSpec, match=r"has 9 analysis rows, of which 0\.95 are none or all"):
        enough_rows(candidates(tiny), sizes_of(tiny.resamples, 10))
    # How many rows a group has only the data tell.
    grouped = tune(resamples={"kind": "group_vfold", "group": "g"})
    assert len(enough_rows(candidates(grouped), sizes_of(grouped.resamples, 10))) == 1


def test_a_race_that_could_stop_nobody_is_refused() -> None:
    race = {"kind": "halving", "min_epochs": 20}
    spec = tune(expand(penalty=[0, 1]), model={"penalty": OPEN, "epochs": 20}, race=race)
    (error,) = wrong_race(spec, candidates(spec))
    assert error.loc == ("body", "race", "min_epochs")
    assert "below the epochs of the fit, 20," in error.msg
    some = tune(expand(epochs=[5, 21]), model={"epochs": OPEN}, race=race)
    assert wrong_race(some, candidates(some)) == []
    assert wrong_race(tune(), candidates(tune())) == []
    one = tune(model={"epochs": 21}, race=race)
    (error,) = wrong_race(one, candidates(one))
    assert error.loc == ("body", "race")
    assert "two candidates or more, some of which stop. Received 1." in error.msg
