"""Fits sorted into cohorts: who may train with whom, how tall, on how many slots, at what cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.cost import TYPICAL, Calibration, Rates, expected_bytes
from service.domain.fit import FitSpec
from service.domain.jobs import Environment
from service.domain.plan import Plan, plan
from service.domain.planned_fit import PlannedFit, planned
from service.domain.window import TALLEST, height_of

CALIBRATION = Calibration(
    environment=Environment(device="cpu", versions={"backend": "tensorflow"}),
    alone_equals_packed=True,
    **TYPICAL.model_dump(),
)


def spec(engine: dict[str, Any] | None = None, **model: Any) -> FitSpec:
    fields = {"loss": "categorical_crossentropy", "shuffle_seed": 1, **(engine or {})}
    return FitSpec.model_validate(
        {
            "kind": "fit",
            "dataset": "mnist",
            "outcome": "y",
            "mode": "classification",
            "model": {"activation": "relu", "seeds": [1, 2, 3], **model},
            "engine": fields,
        }
    )


def fit(asked: FitSpec | None = None, **known: Any) -> PlannedFit:
    profile = {"rows": "r", "n_rows": 50_000, "n_validation": 0, "predictors": 717, "outputs": 10}
    return planned(asked or spec(), **{**profile, **known})


def grid(epochs: int = 20) -> list[PlannedFit]:
    """The chapter's: 6 widths by 4 penalties, 50,000 rows, 20 epochs."""
    return [
        fit(spec(hidden_units=units, penalty=penalty, epochs=epochs), n_validation=10_000)
        for units in (5, 10, 20, 30, 50, 100)
        for penalty in (1e-5, 1e-4, 1e-2, 1e-1)
    ]


def together(a: PlannedFit, b: PlannedFit) -> bool:
    return len(plan([a, b], slots=1, backend="tensorflow").cohorts) == 1


@pytest.mark.parametrize(
    "other",
    [
        spec(hidden_units=30),
        spec(penalty=0.1),
        spec(activation="elu"),
        spec(learn_rate=0.1),
        spec(epochs=3),
        spec(seeds=[4, 5, 6]),
        spec({"class_weight": {"0": 2.0}}),
        spec({"metrics": [], "terminate_on_nan": False}),
        spec({"early_stopping": {"monitor": "loss", "patience": 3}}),
        spec({"optimizer": {"name": "adam", "beta_1": 0.9}}),
        # Without a penalty it has no part in |w|.
        spec(mixture=0.5),
        # parsnip 1.6's form adds no layer, so that a Dropout leaves the depth as it is.
        spec({"name": "keras3"}, dropout=0.4),
    ],
)
def test_what_is_a_fits_own_does_not_part_it_from_others(other: FitSpec) -> None:
    assert together(fit(), fit(other))


@pytest.mark.parametrize(
    ("other", "known"),
    [
        (spec({"shuffle_seed": 2}), {}),
        (spec({"optimizer": "sgd"}), {}),
        (spec({"optimizer": {"name": "adam", "beta_1": 0.8}}), {}),
        (spec({"batch_size": 64}), {}),
        (spec({"loss": "mean_squared_error"}), {}),
        (spec({"metrics": ["accuracy"]}), {}),
        (spec({"max_seconds": 60}), {}),
        (spec(penalty=0.1, mixture=0.5), {}),
        (spec(hidden_units=[5, 5]), {}),
        # keras_mlp() adds a second hidden layer before the Dropout.
        (spec(dropout=0.4), {}),
        (spec().model_copy(update={"case_weights": "w"}), {}),
        (spec().model_copy(update={"outcome": "z"}), {}),
        (spec(), {"rows": "fold 2"}),
        (spec(), {"n_rows": 49_999}),
        (spec(), {"n_validation": 1}),
        (spec(), {"predictors": 716}),
        (spec(), {"outputs": 11}),
    ],
)
def test_what_the_program_shares_parts_fits(other: FitSpec, known: dict[str, Any]) -> None:
    assert not together(fit(), fit(other, **known))


def test_a_spec_with_an_open_field_cannot_be_planned() -> None:
    with pytest.raises(ValueError, match="resolved"):
        fit(spec({"loss": None}))


def test_a_planned_fit_survives_json() -> None:
    asked = fit(spec({"optimizer": {"name": "sgd", "momentum": 0.9}}, dropout=0.4))
    assert asked.hidden == (5, 5)
    assert asked.masked_units == 5
    assert PlannedFit.model_validate_json(asked.model_dump_json()) == asked


@pytest.mark.parametrize(
    ("backend", "batch_size", "height"),
    [("tensorflow", 32, 8), ("jax", 32, 128), ("tensorflow", 127, 8), ("jax", 65, 256)],
)
def test_a_lone_small_fit_is_as_high_as_the_window_begins(
    backend: str, batch_size: int, height: int
) -> None:
    found = plan([fit(spec({"batch_size": batch_size}))], slots=2, backend=backend)
    (cohort,) = found.cohorts
    assert cohort.height == height
    assert (cohort.bit_exact, cohort.reason, found.bit_exact) == (True, None, True)


def test_a_fit_in_company_is_promised_the_bits_that_it_has_alone() -> None:
    fits = [fit(spec(hidden_units=units)) for units in (5, 9)]
    (cohort,) = plan(fits, slots=1, backend="tensorflow", calibration=CALIBRATION).cohorts
    assert len(cohort.fits) == 2
    assert (cohort.bit_exact, cohort.reason) == (True, None)


def test_nothing_is_promised_to_company_before_the_engine_has_checked_itself() -> None:
    fits = [fit(spec(hidden_units=units)) for units in (5, 9)]
    failed = CALIBRATION.model_copy(update={"alone_equals_packed": False})
    for calibration, reason in ((None, "not yet checked"), (failed, "depend on its company")):
        (cohort,) = plan(fits, slots=1, backend="tensorflow", calibration=calibration).cohorts
        assert not cohort.bit_exact
        assert reason in (cohort.reason or "")
        assert plan(fits[:1], slots=1, backend="tensorflow", calibration=calibration).bit_exact


def test_fits_taller_than_the_window_train_alone_and_say_so() -> None:
    tall = [fit(spec(hidden_units=600)), fit(spec(hidden_units=513)), fit(spec(hidden_units=600))]
    found = plan([*tall, fit()], slots=1, backend="tensorflow")
    alone = [cohort for cohort in found.cohorts if not cohort.bit_exact]
    assert sorted(cohort.fits for cohort in alone) == [(0,), (1,), (2,)]
    assert all("alone" in (cohort.reason or "") for cohort in alone)
    assert "513" in next(cohort.reason or "" for cohort in alone if cohort.fits == (1,))
    assert [cohort.fits for cohort in found.cohorts if cohort.bit_exact] == [(3,)]
    assert not found.bit_exact


def test_a_fit_as_tall_as_the_window_is_promised() -> None:
    found = plan([fit(spec(hidden_units=TALLEST))], slots=1, backend="tensorflow")
    assert found.bit_exact


def test_a_fit_that_the_clock_ends_is_not_promised() -> None:
    (cohort,) = plan([fit(spec({"max_seconds": 60}))], slots=1, backend="tensorflow").cohorts
    assert not cohort.bit_exact
    assert "max_seconds=60" in (cohort.reason or "")


def test_the_chapters_grid_is_two_cohorts_of_like_cost_on_two_slots() -> None:
    found = plan(grid(), slots=2, backend="tensorflow", calibration=CALIBRATION)
    a, b = found.cohorts
    assert sorted([*a.fits, *b.fits]) == list(range(24))
    # One row of zeros each.
    assert a.height + b.height == 4 * (5 + 10 + 20 + 30 + 50 + 100) + 2
    assert max(a.height, b.height) <= TALLEST + 1
    assert a.expected_seconds is not None
    assert b.expected_seconds is not None
    assert a.expected_seconds <= 1.15 * b.expected_seconds
    assert found.expected_seconds == a.expected_seconds
    assert found.expected_bytes == a.expected_bytes + b.expected_bytes


@pytest.mark.parametrize(("slots", "count"), [(1, 2), (2, 2), (4, 4), (8, 8)])
def test_there_are_as_many_cohorts_as_slots_when_there_is_work_enough(
    slots: int, count: int
) -> None:
    assert len(plan(grid(epochs=200), slots=slots, backend="tensorflow").cohorts) == count


def test_a_group_is_divided_so_that_no_slot_waits() -> None:
    folds = [
        fit(spec(hidden_units=units, epochs=100), rows=f"fold {fold}")
        for fold in range(3)
        for units in (50, 100, 150)
    ]
    found = plan(folds, slots=2, backend="tensorflow", calibration=CALIBRATION)
    # Three cohorts of like cost would leave a slot idle for a third of the time.
    seconds = sum(cohort.expected_seconds or 0 for cohort in found.cohorts)
    assert len(found.cohorts) > 3
    assert (found.expected_seconds or 0) < 1.15 * seconds / 2


def test_small_work_is_not_divided() -> None:
    # One more program costs more than the other slot would save.
    few = [fit(spec(hidden_units=units), n_rows=150, predictors=4) for units in (5, 6, 7)]
    assert len(plan(few, slots=8, backend="tensorflow").cohorts) == 1


def test_without_a_calibration_no_seconds_are_told() -> None:
    found = plan(grid(), slots=2, backend="tensorflow")
    assert found.expected_seconds is None
    assert {cohort.expected_seconds for cohort in found.cohorts} == {None}
    assert found.expected_bytes > 0
    calibrated = plan(grid(), slots=2, backend="tensorflow", calibration=CALIBRATION)
    assert [c.fits for c in found.cohorts] == [c.fits for c in calibrated.cohorts]


def test_nothing_to_train_is_an_empty_plan() -> None:
    found = plan([], slots=2, backend="tensorflow", calibration=CALIBRATION)
    assert found == Plan(
        cohorts=(), slots=2, expected_seconds=0.0, expected_bytes=0, bit_exact=True
    )


def test_a_plan_is_followed_by_that_of_fits_that_became_known_later() -> None:
    first = plan(grid(), slots=2, backend="tensorflow", calibration=CALIBRATION)
    more = grid(epochs=2)[:5]
    later = plan(more, slots=2, backend="tensorflow", calibration=CALIBRATION)
    whole = first.followed_by(later)
    assert (first.n_fits, later.n_fits, whole.n_fits) == (24, 5, 29)
    assert whole.cohorts[: len(first.cohorts)] == first.cohorts
    places = sorted(n for cohort in whole.cohorts[len(first.cohorts) :] for n in cohort.fits)
    assert places == [24, 25, 26, 27, 28]
    assert whole.expected_seconds == (first.expected_seconds or 0) + (later.expected_seconds or 0)
    # They do not train at the same time.
    assert whole.expected_bytes == max(first.expected_bytes, later.expected_bytes)
    assert whole.bit_exact is True
    unmeasured = plan(more, slots=2, backend="tensorflow")
    assert first.followed_by(unmeasured).expected_seconds is None
    assert first.followed_by(unmeasured).bit_exact is False
    assert Plan.model_validate(whole.model_dump(mode="json")) == whole


def test_a_plan_needs_a_slot() -> None:
    with pytest.raises(ValueError, match="at least 1 slot"):
        plan([fit()], slots=0, backend="tensorflow")


def test_seconds_are_counted_by_what_a_cohort_does() -> None:
    def rates(**known: float) -> Rates:
        return Rates.model_validate({**dict.fromkeys(Rates.model_fields, 0.0), **known})

    # 100 rows in steps of 32: three whole ones and one of 4; 10 to validate; 16 columns for 4.
    # Two layers of 8 units, 3 classes, 56 rows of zeros; 7 epochs.
    asked = [
        fit(
            spec({"batch_size": 32}, hidden_units=8, dropout=0.5, epochs=7),
            n_rows=100,
            n_validation=10,
            predictors=4,
            outputs=3,
        )
    ]

    def seconds(**known: float) -> float:
        return rates(**known).expected_seconds(asked, 64)

    deeper = (8 * 8 + 8) + (8 * 3 + 3)
    assert seconds(epoch_seconds=1) == 7
    assert seconds(step_seconds=1) == 7 * (4 + 1) * (1 + 2)
    assert seconds(parameter_seconds=1) == 7 * 4 * (64 * 16 + deeper)
    assert seconds(multiply_add_seconds=1) == 7 * (
        100 * (2 * 64 * 16 + 3 * deeper) + 10 * (64 * 16 + deeper)
    )
    assert seconds(mask_seconds=1) == 7 * 100 * 8
    assert seconds(start_seconds=1) == pytest.approx(1 + 0.4)
    assert seconds(start_seconds_per_layer=1) == pytest.approx((1 + 0.4) * 2)


def test_bytes_are_those_of_tables_weights_and_masks() -> None:
    asked = fit(
        spec(hidden_units=8, dropout=0.5).model_copy(update={"case_weights": "w"}),
        n_rows=100,
        n_validation=10,
        predictors=4,
        outputs=3,
    )
    tables = 4 * 110 * (16 + 3 + 1)
    weights = 4 * 4 * (64 * 16 + (8 * 8 + 8) + (8 * 3 + 3))
    assert expected_bytes([asked], 64) == tables + weights + 3 * 100 * 8


@st.composite
def any_fit(draw: st.DrawFn) -> PlannedFit:
    """A fit of one of a few keys, rarely taller than the window."""
    units = draw(st.one_of(st.integers(1, 200), st.sampled_from([511, 512, 513, 700])))
    asked = spec(
        {
            "shuffle_seed": draw(st.integers(1, 2)),
            "batch_size": draw(st.sampled_from([32, 128])),
        },
        hidden_units=units,
        dropout=draw(st.sampled_from([0.0, 0.5])),
        epochs=draw(st.sampled_from([1, 20, 500])),
    )
    return fit(asked, n_rows=draw(st.sampled_from([150, 50_000])), predictors=50)


FITS = st.lists(any_fit(), max_size=40)
SLOTS = st.integers(1, 9)
BACKENDS = st.sampled_from(["tensorflow", "jax"])


@settings(max_examples=100, deadline=None)
@given(FITS, SLOTS, BACKENDS)
def test_every_fit_trains_once_among_its_like_in_the_window(
    fits: list[PlannedFit], slots: int, backend: str
) -> None:
    found = plan(fits, slots=slots, backend=backend, calibration=CALIBRATION)
    assert sorted(n for cohort in found.cohorts for n in cohort.fits) == list(range(len(fits)))
    for cohort in found.cohorts:
        own = [fits[n] for n in cohort.fits]
        units = sum(each.height for each in own)
        assert len({each.key for each in own}) == 1
        assert list(cohort.fits) == sorted(cohort.fits)
        assert cohort.height == height_of(units, backend, own[0].batch_size) > units
        assert units <= TALLEST or len(own) == 1
        assert cohort.bit_exact == (units <= TALLEST)
    seconds = [cohort.expected_seconds or 0 for cohort in found.cohorts]
    assert seconds == sorted(seconds, reverse=True)
    # Graham (1966): no list schedule takes longer than a fair share and the longest cohort.
    assert found.expected_seconds is not None
    fair = max([sum(seconds) / slots, *seconds[:1]])
    assert fair <= found.expected_seconds * (1 + 1e-9)
    assert found.expected_seconds <= sum(seconds) / slots + max([0.0, *seconds])
    assert Plan.model_validate_json(found.model_dump_json()) == found


@settings(max_examples=100, deadline=None)
@given(FITS, SLOTS, BACKENDS, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    fits: list[PlannedFit], slots: int, backend: str, random: Any
) -> None:
    shuffled = list(fits)
    random.shuffle(shuffled)

    def contents(given: list[PlannedFit]) -> list[Counter[PlannedFit]]:
        cohorts = plan(given, slots=slots, backend=backend, calibration=CALIBRATION).cohorts
        return [Counter(given[n] for n in cohort.fits) for cohort in cohorts]

    assert contents(fits) == contents(shuffled)
