"""What a cohort is said to take, against what it takes: with rates measured in this process."""

from __future__ import annotations

import itertools
import statistics
import time
from typing import Any

import keras
import numpy as np
import pytest

from service.domain import cost
from service.domain.cost import Calibration
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.jobs import Environment
from service.domain.plan import plan
from service.domain.planned_fit import planned
from service.engine.training import calibration, layout
from service.engine.training.members import member_of
from service.engine.training.objective import Objective
from service.engine.training.rows import Rows
from service.engine.training.train import train

LEVELS = tuple("abcdefghij")


def spec(units: int, epochs: int, **model: Any) -> FitSpec:
    return FitSpec.model_validate(
        {
            "kind": "fit",
            "dataset": "random",
            "outcome": "y",
            "mode": "classification",
            "model": {
                "hidden_units": units,
                "activation": "relu",
                "epochs": epochs,
                "seeds": [1, 2, 3],
                **model,
            },
            "engine": {"loss": "binary_crossentropy", "metrics": ["accuracy"], "shuffle_seed": 1},
        }
    )


def test_the_plan_pads_a_table_as_the_engine_does() -> None:
    assert cost.LANES == layout.LANES
    fit = planned(spec(5, 1), rows="r", n_rows=1, n_validation=0, predictors=717, outputs=10)
    assert cost.columns(fit) == layout.padded(717)


def test_rates_solve_what_they_were_made_from() -> None:
    rates = [8e-4, 9e-6, 2e-11, 6e-10]
    terms = [calibration._epoch_terms(shape) for shape in calibration.SHAPES]
    seconds = [sum(a * b for a, b in zip(row, rates, strict=True)) for row in terms]
    # Four equations in four unknowns: only rounding is left.
    assert calibration._solved(terms, seconds) == pytest.approx(rates, rel=1e-6)


def test_the_terms_of_a_shape_are_those_of_the_plan() -> None:
    rates = Calibration(
        environment=Environment(device="cpu", versions={}),
        epoch_seconds=8e-4,
        step_seconds=9e-6,
        multiply_add_seconds=2e-11,
        parameter_seconds=6e-10,
        mask_seconds=0,
        start_seconds=0,
        start_seconds_per_layer=0,
    )
    values = (8e-4, 9e-6, 2e-11, 6e-10)
    for shape in calibration.SHAPES:
        asked = planned(
            spec(shape.units, 1),
            rows="r",
            n_rows=shape.n_rows,
            n_validation=0,
            predictors=shape.predictors,
            outputs=10,
        ).model_copy(update={"batch_size": shape.batch_size})
        terms = calibration._epoch_terms(shape)
        assert rates.expected_seconds([asked] * shape.fits, shape.fits * shape.units) == (
            pytest.approx(sum(a * b for a, b in zip(terms, values, strict=True)))
        )


class Run:
    """A cohort trained for real, timed by this process's own time."""

    def __init__(self, specs: list[FitSpec], predictors: int, n_rows: int, n_validation: int):
        draws = np.random.default_rng(7)
        x = np.zeros((n_rows + n_validation, layout.padded(predictors)), np.float32)
        layout.with_ones(x, predictors)[:, :predictors] = draws.normal(size=(len(x), predictors))
        y = np.eye(10, dtype=np.float32)[draws.integers(10, size=len(x))]
        validation = Rows(x=x[n_rows:], y=y[n_rows:]) if n_validation else None
        members = [member_of(each, predictors=predictors, levels=LEVELS) for each in specs]
        ended: list[float] = []

        def on_epoch(_: tuple[EpochRecord, ...]) -> None:
            ended.append(time.process_time())

        self.fits = [
            planned(
                each,
                rows="r",
                n_rows=n_rows,
                n_validation=n_validation,
                predictors=predictors,
                outputs=10,
            )
            for each in specs
        ]
        objective = Objective(
            mode="classification",
            loss="binary_crossentropy",
            metrics=("accuracy",),
            optimizer=self.fits[0].optimizer,
            batch_size=32,
        )
        started = time.process_time()
        train(
            members, objective, 1, Rows(x=x[:n_rows], y=y[:n_rows]), validation, on_epoch=on_epoch
        )
        self.seconds = time.process_time() - started
        epochs = [b - a for a, b in itertools.pairwise(ended)]
        self.epoch_seconds = statistics.median(epochs)


@pytest.mark.slow
def test_measured_rates_foretell_other_cohorts() -> None:
    environment = Environment(
        device="cpu", versions={"backend": keras.config.backend(), "threads": "1"}
    )
    measured = calibration.measure(environment)
    for specs, predictors, n_rows, n_validation in (
        # Unlike what was measured: many narrow fits on a wide table, validated, a last small batch.
        ([spec(units, 9) for units in (5, 10, 20, 30) * 3], 717, 3000, 700),
        # A lone small fit with a mask.
        ([spec(30, 9, dropout=0.4)], 100, 4000, 0),
    ):
        run = Run(specs, predictors, n_rows, n_validation)
        (cohort,) = plan(
            run.fits, slots=1, backend=keras.config.backend(), calibration=measured
        ).cohorts
        assert cohort.expected_seconds is not None
        once = [fit.model_copy(update={"epochs": fit.epochs + 1}) for fit in run.fits]
        epoch = measured.expected_seconds(once, cohort.height) - cohort.expected_seconds
        # A factor of 2.5 either way. Rates are those of a few shapes: where a kernel falls out of
        # the cache its weights cost up to twice as much, and compiling the same program twice
        # differs by up to 1.7 beside other work. A plan needs the order of size, and its balance
        # needs less: the error is the same for all cohorts of a job.
        assert run.seconds / 2.5 < cohort.expected_seconds < run.seconds * 2.5
        assert run.epoch_seconds / 2.5 < epoch < run.epoch_seconds * 2.5
