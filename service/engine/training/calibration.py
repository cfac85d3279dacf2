"""Measure what training costs here: the real program on random tables of a few shapes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import nnls

from service.domain.cost import Calibration
from service.domain.jobs import Environment
from service.domain.network import Network
from service.domain.optimizers import Adam
from service.engine.training import backend, optimizers, seeding
from service.engine.training.layout import Layout, padded, with_ones
from service.engine.training.members import Member
from service.engine.training.network import initial_weights
from service.engine.training.objective import Objective
from service.engine.training.program import EpochProgram, State
from service.engine.training.rows import in_batches
from service.engine.training.self_check import alone_equals_packed

Clock = Callable[[], float]

_REPEATS: Final = 4
_OUTPUTS: Final = 10
_MASKED: Final = (20_000, 50)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A cohort of `fits` equal fits of one hidden layer, and a table of whole batches."""

    fits: int
    units: int
    predictors: int
    batch_size: int
    steps: int

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return self.steps * self.batch_size


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Seconds of an epoch, and of all that came before: initial weights, tracing, compiling."""

    epoch_seconds: float
    start_seconds: float


# As many as there are unknowns, each shape dominated by another one: a few steps of a small cohort
# by the call, many fits by their small operations, a wide batch by the products, few wide fits by
# the optimizer. Heights from end to end of the window.
SHAPES: Final = (
    Shape(fits=1, units=64, predictors=64, batch_size=32, steps=10),
    Shape(fits=2, units=128, predictors=512, batch_size=128, steps=60),
    Shape(fits=2, units=256, predictors=512, batch_size=32, steps=100),
    Shape(fits=6, units=20, predictors=512, batch_size=32, steps=100),
)


def measure(environment: Environment) -> Calibration:
    """Return this environment's rates: five to ten seconds of processor time, most of it compiling.

    Least squares with coefficients of at least 0, each shape weighted by its own time so that the
    small ones count. Of several runs the quickest counts: whatever else a machine does only adds.

    Args:
        environment: where this process trains; on one thread of a CPU its processor time is
            taken, which does not count the time that others are given.
    """
    alone = environment.device == "cpu" and environment.versions.get("threads") == "1"
    clock = time.process_time if alone else time.perf_counter
    timed = [time_shape(shape, clock) for shape in SHAPES]
    epoch, step, multiply_add, parameter = _solved(
        [_epoch_terms(shape) for shape in SHAPES], [each.epoch_seconds for each in timed]
    )
    start, start_layer = _solved(
        [[1.0, float(shape.fits)] for shape in SHAPES], [each.start_seconds for each in timed]
    )
    draw = _quickest(lambda: seeding.dropout_mask(1, 1, 0, *_MASKED, 0.5), clock)
    return Calibration(
        environment=environment,
        alone_equals_packed=alone_equals_packed(),
        epoch_seconds=epoch,
        step_seconds=step,
        multiply_add_seconds=multiply_add,
        parameter_seconds=parameter,
        mask_seconds=draw / (_MASKED[0] * _MASKED[1]),
        start_seconds=start,
        start_seconds_per_layer=start_layer,
    )


def time_shape(shape: Shape, clock: Clock) -> Timed:
    """Return what an epoch of `shape` takes and what starting it took, in seconds of `clock`."""
    draws = np.random.default_rng(shape.units)
    engine = backend.load()
    x = np.zeros((shape.n_rows, padded(shape.predictors)), np.float32)
    with_ones(x, shape.predictors)[:, : shape.predictors] = draws.normal(
        size=(shape.n_rows, shape.predictors)
    )
    y = np.eye(_OUTPUTS, dtype=np.float32)[draws.integers(_OUTPUTS, size=shape.n_rows)]
    data = (engine.tensor(x), engine.tensor(y), None)
    rates = np.full(shape.fits, 1e-3, np.float32)
    active = np.ones(shape.fits, np.float32)
    objective = Objective(
        mode="classification",
        loss="binary_crossentropy",
        metrics=("accuracy",),
        optimizer=Adam(name="adam"),
        batch_size=shape.batch_size,
    )
    layout = Layout((_member(shape),) * shape.fits, shape.fits * shape.units)

    def epoch(program: EpochProgram, state: State) -> None:
        order = in_batches(seeding.order(1, 1, shape.n_rows), shape.batch_size)
        program.train(state, data, shape.n_rows, order, None, rates, active)

    started = clock()
    # Not `program_of`: a program that was compiled before would compile in no time.
    program = EpochProgram(layout, objective, engine)
    state = _initial(layout, objective)
    epoch(program, state)
    first = clock() - started
    seconds = _quickest(lambda: epoch(program, state), clock)
    return Timed(epoch_seconds=seconds, start_seconds=max(first - seconds, 0.0))


def _member(shape: Shape) -> Member:
    network = Network(
        predictors=shape.predictors,
        hidden=(shape.units,),
        activation="relu",
        dropouts=(0.0,),
        outputs=_OUTPUTS,
        output_activation="softmax",
    )
    return Member(
        network=network,
        penalties=(1e-4,),
        mixture=0.0,
        learn_rate=1e-3,
        seeds=(1, 1, 1),
        epochs=1,
    )


def _initial(layout: Layout, objective: Objective) -> State:
    engine = backend.load()
    weights = [initial_weights(member.network, member.seeds) for member in layout.members]
    parameters = layout.pack(weights)
    return State(
        parameters=[engine.tensor(array) for array in parameters],
        slots=[
            [
                engine.tensor(slot)
                for slot in optimizers.initial_slots(objective.optimizer, array.shape)
            ]
            for array in parameters
        ],
        shared=engine.tensor(np.float32(1)),
        steps=engine.tensor(np.int32(0)),
    )


def _epoch_terms(shape: Shape) -> list[float]:
    """Return how often an epoch of `shape` pays each of the rates that `measure` solves for."""
    first = shape.fits * shape.units * padded(shape.predictors)
    deeper = shape.fits * (shape.units * _OUTPUTS + _OUTPUTS)
    return [
        1.0,
        float(shape.steps * (1 + shape.fits)),
        float(shape.n_rows * (2 * first + 3 * deeper)),
        float(shape.steps * (first + deeper)),
    ]


def _solved(terms: list[list[float]], seconds: list[float]) -> list[float]:
    """Return the rates, at least 0, whose relative errors have the least squares."""
    weighted = np.array(terms) / np.array(seconds)[:, None]
    # Rates differ by ten orders of magnitude: the solver needs them scaled to like sizes.
    scale = weighted.max(axis=0)
    solution, _ = nnls(weighted / scale, np.ones(len(seconds)))
    return [float(rate) for rate in solution / scale]


def _quickest(work: Callable[[], object], clock: Clock) -> float:
    return min(_elapsed(work, clock) for _ in range(_REPEATS))


def _elapsed(work: Callable[[], object], clock: Clock) -> float:
    started = clock()
    work()
    return clock() - started
