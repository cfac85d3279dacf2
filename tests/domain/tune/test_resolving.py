"""A tune resolved against the profiles of its tables, and what its results say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from pydantic import ValidationError

from service.domain.datasets import Column, Dataset
from service.domain.errors import InvalidSpec, MissingValues, NoPredictors
from service.domain.fit import FitSpec
from service.domain.tune.candidates import candidates
from service.domain.tune.proposals import Proposal, known_candidates
from service.domain.tune.resolving import resolve_tune, with_proposals
from service.domain.tune.results import (
    TrialResult,
    grouped_reasons,
    scores_of,
    trials_of,
    with_best_epochs,
)
from tests.domain.tune.tuned import expand, tune

OPEN: dict[str, Any] = {"tune": True}


def numeric(name: str, **fields: Any) -> Column:
    given = {"n_missing": 0, "n_unique": 50, "mean": 0.5, "sd": 1.0, "min": 0.0, "max": 1.0}
    return Column.model_validate({"name": name, "type": "numeric", **given, **fields})


def table(*columns: Column, n_rows: int = 100, name: str = "d") -> Dataset:
    y = Column(name="y", type="factor", n_missing=0, n_unique=2, levels=("no", "yes"))
    return Dataset(
        id=f"ds_{name}",
        name=name,
        n_rows=n_rows,
        n_columns=1 + len(columns),
        sha256="0" * 64,
        created_at=datetime(2026, 11, 24, tzinfo=UTC),
        columns=(y, *columns),
    )


D = table(numeric("a"), numeric("b"))


def drawn() -> Callable[[], int]:
    numbers = count(100)
    return lambda: next(numbers)


def refused(error: InvalidSpec) -> list[tuple[str | int, ...]]:
    return [each.loc for each in error.errors]


def test_everything_that_was_left_open_is_filled_in() -> None:
    found = resolve_tune(tune(expand(penalty=[0, 1e-3]), model={"penalty": OPEN}), D, draw=drawn())
    assert found.mode == "classification"
    assert found.metrics == ("roc_auc", "accuracy", "brier_class")
    assert found.spec.metrics == list(found.metrics)
    assert found.resamples == 10
    # Resolved once more, as a worker does, nothing is left to draw.
    again = resolve_tune(found.spec, D, draw=lambda: pytest.fail("a seed was left open"))
    assert again == found
    seeds = {str(each.found.spec.model.seeds) for each in found.able if each.found is not None}
    shuffles = {each.found.spec.engine.shuffle_seed for each in found.able if each.found}
    assert (len(seeds), len(shuffles)) == (1, 1)


def test_a_numeric_outcome_is_regression_with_its_own_metrics() -> None:
    found = resolve_tune(
        tune(fit={"outcome": "a", "recipe": [{"step": "remove", "columns": "y"}]}), D, draw=drawn()
    )
    assert (found.mode, found.metrics) == ("regression", ("rmse", "rsq"))
    (only,) = found.contenders
    assert only.candidate.values == {}
    with pytest.raises(InvalidSpec, match="a metric of regression"):
        resolve_tune(
            tune(
                fit={"outcome": "a", "recipe": [{"step": "remove", "columns": "y"}]},
                metrics=["accuracy"],
            ),
            D,
            draw=drawn(),
        )


def test_a_candidate_that_the_columns_do_not_allow_is_kept_with_the_reason() -> None:
    spec = tune(
        expand(dropped=["a", "c", "all_predictors"]),
        recipe=[{"step": "remove", "columns": {"tune": "dropped"}}],
    )
    found = resolve_tune(spec, D, draw=drawn())
    notes = [each.note for each in found.contenders]
    assert notes[0] is None
    assert notes[1] is not None
    assert "'c'" in notes[1]
    assert notes[2] is not None
    assert "at least one predictor" in notes[2]
    assert [each.candidate.trial for each in found.able] == [1]


@pytest.mark.parametrize(
    ("values", "kind", "loc"),
    [
        (["c", "e"], InvalidSpec, ("body", "fit", "recipe", 0, "columns")),
        (["all_predictors"], NoPredictors, ("body", "fit", "recipe")),
    ],
)
def test_without_one_that_can_be_fitted_the_first_reason_is_told_with_its_place(
    values: list[str], kind: type[InvalidSpec], loc: tuple[str | int, ...]
) -> None:
    spec = tune(expand(dropped=values), recipe=[{"step": "remove", "columns": {"tune": "dropped"}}])
    with pytest.raises(kind) as error:
        resolve_tune(spec, D, draw=drawn())
    assert refused(error.value) == [loc]


def test_a_hole_that_no_candidate_fills_is_told_as_of_a_fit() -> None:
    holed = table(numeric("a", n_missing=3), numeric("b"))
    with pytest.raises(MissingValues, match="a"):
        resolve_tune(tune(), holed, draw=drawn())


def test_a_race_and_a_search_are_refused_together_before_anything_is_made() -> None:
    spec = tune(
        {"kind": "bayes", "initial": 5, "size": 30},
        model={"penalty": OPEN},
        race={"kind": "halving"},
    )
    with pytest.raises(InvalidSpec, match="race or the grid 'bayes'") as error:
        resolve_tune(spec, D, draw=lambda: pytest.fail("drawn for nothing"))
    assert refused(error.value) == [("body", "race"), ("body", "grid", "kind")]


def test_a_race_is_resolved_and_one_that_could_stop_nobody_is_refused() -> None:
    race = {"kind": "halving", "min_epochs": 3}
    model = {"penalty": OPEN, "epochs": 9}
    found = resolve_tune(tune(expand(penalty=[0, 0.1]), model=model, race=race), D, draw=drawn())
    assert found.spec.race is not None
    assert (found.spec.race.factor, found.spec.race.min_epochs) == (3, 3)
    hopeless = tune(expand(penalty=[0.1]), model=model, race={**race, "min_epochs": 9})
    with pytest.raises(InvalidSpec) as error:
        resolve_tune(hopeless, D, draw=drawn())
    assert refused(error.value) == [("body", "race"), ("body", "race", "min_epochs")]


SEARCH = {"kind": "bayes", "initial": 3, "size": 8, "seed": 4}


def test_a_search_counts_what_it_will_propose() -> None:
    found = resolve_tune(
        tune(SEARCH, model={"penalty": OPEN, "epochs": 7}, resamples={"kind": "vfold", "v": 2}),
        D,
        draw=drawn(),
    )
    assert (len(found.contenders), found.initial, found.trials, found.unknown) == (3, 3, 8, 5)
    assert found.unknown_epochs == 5 * 7


@pytest.mark.parametrize(
    ("given", "most"),
    [({"min": 4, "max": 90}, 90), ({"values": [5, 60, 20]}, 60)],
)
def test_what_is_proposed_later_may_have_the_most_epochs_of_their_range(
    given: dict[str, Any], most: int
) -> None:
    ranges = {"e": given, "penalty": {"values": [0]}}
    spec = tune(
        {**SEARCH, "size": 4, "initial": 2, "ranges": ranges},
        model={"epochs": {"tune": "e"}, "penalty": OPEN},
    )
    found = resolve_tune(spec, D, draw=drawn())
    assert found.unknown_epochs == found.unknown * most > 0


def test_a_search_of_a_small_space_tries_all_of_it_and_no_more() -> None:
    ranges = {"penalty": {"values": [0, 0.1]}, "hidden_units": {"min": 2, "max": 4}}
    found = resolve_tune(
        tune({**SEARCH, "size": 30, "ranges": ranges}, model=dict.fromkeys(ranges, OPEN)),
        D,
        draw=drawn(),
    )
    assert found.trials == 6


def test_a_search_of_more_fits_than_a_job_may_have_is_refused_and_a_small_space_is_not() -> None:
    large = {**SEARCH, "size": 2000}
    folds = {"kind": "mc", "times": 60}
    with pytest.raises(InvalidSpec, match="2,000 candidates on 60 resamples"):
        resolve_tune(tune(large, model={"penalty": OPEN}, resamples=folds), D, draw=drawn())
    few = {**large, "ranges": {"penalty": {"values": [0, 0.1, 0.2, 0.3]}}}
    found = resolve_tune(tune(few, model={"penalty": OPEN}, resamples=folds), D, draw=drawn())
    assert found.trials == 4


def test_a_search_without_anything_open_or_below_its_first_round_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="There is none"):
        resolve_tune(tune(SEARCH), D, draw=drawn())
    with pytest.raises(ValidationError, match="Expected `initial` to be at most `size`"):
        tune({**SEARCH, "initial": 9}, model={"penalty": OPEN})


def test_proposals_become_candidates_behind_the_first_or_say_why_not() -> None:
    spec = tune(
        {**SEARCH, "ranges": {"dropped": {"values": ["a", "b", "c"]}, "batch_size": {
            "min": 8, "max": 100}}},
        recipe=[{"step": "remove", "columns": {"tune": "dropped"}}],
        engine={"batch_size": OPEN},
    )  # fmt: skip
    found = resolve_tune(spec, D, draw=drawn())
    given = [("a", 8), ("c", 8), ("b", 101), ("b", -1)]
    more = with_proposals(
        found,
        [
            Proposal(trial=trial, values={"dropped": dropped, "batch_size": size})
            for trial, (dropped, size) in enumerate(given, 4)
        ],
        D,
    )
    assert more.contenders[:3] == found.contenders
    added = more.contenders[3:]
    assert [each.candidate.trial for each in added] == [4, 5, 6, 7]
    assert [each.candidate.config for each in added] == ["Iter1", "Iter2", "Iter3", "Iter4"]
    assert [each.found is not None for each in added] == [True, False, False, False]
    notes = [str(each.note) for each in added]
    assert [word in note for word, note in zip(("None", "'c'", "101", "-1"), notes, strict=True)]
    assert (more.initial, more.trials, more.unknown) == (3, 8, 1)
    known = known_candidates(
        found.spec, [Proposal(trial=4, values=dict(added[0].candidate.values))]
    )
    assert known[3] == added[0].candidate


def test_resamples_that_are_too_small_for_every_batch_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="at least one batch of 32 rows"):
        resolve_tune(tune(), table(numeric("a"), n_rows=30), draw=drawn())
    found = resolve_tune(
        tune(expand(batch_size=[8, 32]), engine={"batch_size": OPEN}),
        table(numeric("a"), n_rows=30),
        draw=drawn(),
    )
    assert [each.note is None for each in found.contenders] == [True, False]


def test_evaluations_get_their_metrics_and_must_be_able_to_judge() -> None:
    spec = tune(evaluate=[{"dataset": "test"}])
    test = table(numeric("a"), numeric("b"), name="test")
    found = resolve_tune(spec, D, evaluations={"test": test}, draw=drawn())
    assert [each.dataset for each in found.spec.evaluate] == ["test"]
    lacking = table(numeric("a"), name="test")
    with pytest.raises(InvalidSpec) as error:
        resolve_tune(spec, D, evaluations={"test": lacking}, draw=drawn())
    assert refused(error.value)[0][:3] == ("body", "evaluate", 0)


def test_a_group_column_leaves_the_number_of_resamples_to_the_rows() -> None:
    found = resolve_tune(tune(resamples={"kind": "group_vfold", "group": "a"}), D, draw=drawn())
    assert found.resamples is None


def result(trial: int, fold: int = 1, **fields: Any) -> TrialResult:
    return TrialResult.model_validate({"trial": trial, "fold": fold, "ending": "failed", **fields})


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_is_a_number_or_undefined(score: float) -> None:
    with pytest.raises(ValidationError):
        result(1, scores={"rmse": score})
    (only,) = scores_of([result(1, scores={"rmse": None})])
    assert only.estimate is None


def test_a_candidate_has_the_note_of_its_first_fold_that_has_one_or_its_own() -> None:
    spec = tune(expand(batch_size=[8, 0]), engine={"batch_size": OPEN})
    known = candidates(spec)
    found = trials_of(
        known, [result(1, 1), result(1, 2, note="second"), result(1, 3, note="third")]
    )
    assert found[0].note == "second"
    assert found[1].note == known[1].note is not None
    raced = trials_of(known, [result(1, 1, pruned_at=2), result(1, 2, pruned_at=6)])
    assert raced[0].pruned_at == 6


def test_reasons_are_told_once_with_how_often_the_most_frequent_first() -> None:
    found = [
        result(1, note="It blew up."),
        result(2, note="No rows."),
        result(3, note="No rows."),
        result(4, ending="completed"),
    ]
    assert grouped_reasons(found) == (
        "No candidate could be judged. 2 of 4: No rows. 1 of 4: It blew up. "
        "1 of 4: ended as completed, and no metric is defined."
    )
    many = [result(n, note=f"Reason {n}.") for n in range(1, 8)]
    assert grouped_reasons(many).endswith("1 of 7: Reason 5. And 2 more reasons.")


def test_the_best_epochs_are_the_rounded_mean_and_end_early_stopping() -> None:
    fit = FitSpec.model_validate(
        {
            "kind": "fit",
            "dataset": "d",
            "outcome": "y",
            "model": {"epochs": 30},
            "engine": {"validation_split": 0.2, "early_stopping": {"patience": 3}},
        }
    )
    found = with_best_epochs(fit, [result(1, fold, best_epoch=n) for fold, n in ((1, 4), (2, 9))])
    assert found.model.epochs == 6
    assert found.engine.early_stopping is None
    assert with_best_epochs(fit, [result(1)]) == fit
