"""What a cohort costs: seconds by measured rates, bytes by counting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from pydantic import Field

from service.domain.jobs import Environment
from service.domain.planned_fit import PlannedFit
from service.domain.schema import Value

# The engine pads the table's and the first kernels' columns, and one for the bias, to a multiple.
LANES: Final = 16
_FLOAT32: Final = 4
# Weights, gradients and two moments of the optimizer.
_COPIES_OF_WEIGHTS: Final = 4
# A mask's byte is drawn for its layer, joined with the others, and moved to the device.
_COPIES_OF_MASKS: Final = 3
# A step that validates is a form of its own, without a backward pass.
_TRACED_VALIDATION: Final = 0.4


class Rates(Value):
    """Seconds by what a cohort does; each at least 0.

    An epoch takes `epoch_seconds` once; in each step `step_seconds` for the loop and the same for
    the small operations of each hidden layer, `parameter_seconds` for the optimizer on each
    parameter, and `multiply_add_seconds` for each multiply-add of the products: a row meets a
    weight of the first layer twice (forward, gradient), of a further layer three times, and once
    where it validates. `mask_seconds` draw one byte of a dropout mask. Before the first epoch,
    initial weights, tracing and compiling take `start_seconds` and `start_seconds_per_layer` of
    each fit, for each form of a step.
    """

    epoch_seconds: float = Field(ge=0)
    step_seconds: float = Field(ge=0)
    multiply_add_seconds: float = Field(ge=0)
    parameter_seconds: float = Field(ge=0)
    mask_seconds: float = Field(ge=0)
    start_seconds: float = Field(ge=0)
    start_seconds_per_layer: float = Field(ge=0)

    def expected_seconds(self, fits: Sequence[PlannedFit], height: int) -> float:
        """Return what a cohort takes when every fit runs all its epochs: early stopping saves.

        A fit that has run its epochs is taken to leave; what is not a fit's own is paid until the
        last one ends.

        Args:
            fits: the cohort's fits, all of one key.
            height: rows of the first kernel.
        """
        first = fits[0]
        longest = max(fit.epochs for fit in fits)
        spare = height - sum(fit.height for fit in fits)
        steps = _steps(first.n_rows, first) + _steps(first.n_validation, first)
        shared = (
            self.epoch_seconds
            + self.step_seconds * steps
            + self._products(first, spare * columns(first), 0)
        )
        return (
            self._starting(first, len(fits) * first.depth)
            + longest * shared
            + math.fsum(self.own_seconds(fit) for fit in fits)
        )

    def own_seconds(self, fit: PlannedFit) -> float:
        """Return what a fit adds to a cohort's training, the start left out."""
        steps = _steps(fit.n_rows, fit) + _steps(fit.n_validation, fit)
        return fit.epochs * (
            self.step_seconds * steps * fit.depth
            + self._products(fit, fit.height * columns(fit), _deeper(fit))
            + self.mask_seconds * fit.n_rows * fit.masked_units
        )

    def _products(self, fit: PlannedFit, first: int, deeper: int) -> float:
        """Return an epoch's seconds for weights of the first layer and of further layers."""
        multiply_adds = fit.n_rows * (2 * first + 3 * deeper) + fit.n_validation * (first + deeper)
        updates = _steps(fit.n_rows, fit) * (first + deeper)
        return self.multiply_add_seconds * multiply_adds + self.parameter_seconds * updates

    def _starting(self, fit: PlannedFit, layers: int) -> float:
        forms = 1 + _TRACED_VALIDATION * (fit.n_validation > 0)
        return forms * (self.start_seconds + self.start_seconds_per_layer * layers)


class Calibration(Rates):
    """Rates measured in an environment, and whether a fit's bits are free of its company there.

    `alone_equals_packed` is what the engine found out about itself; False before it has looked.
    """

    environment: Environment
    alone_equals_packed: bool = False


# Of one core of a server processor (AVX-512); for weighing cohorts against one another where
# nothing was measured.
TYPICAL: Final = Rates(
    epoch_seconds=5e-4,
    step_seconds=1e-5,
    multiply_add_seconds=1.1e-11,
    parameter_seconds=6e-10,
    mask_seconds=5e-9,
    start_seconds=0.8,
    start_seconds_per_layer=0.12,
)


def expected_bytes(fits: Sequence[PlannedFit], height: int) -> int:
    """Return what a cohort holds at least, in bytes: the process itself is not counted.

    Formula: 4 * rows * (padded predictors + outputs + 1 with case weights) + 16 * parameters
    + 3 * training rows * masked units, with the validation rows among the rows.

    Args:
        fits: the cohort's fits, all of one key.
        height: rows of the first kernel.
    """
    first = fits[0]
    rows = first.n_rows + first.n_validation
    values = rows * (columns(first) + first.outputs + (first.case_weights is not None))
    parameters = height * columns(first) + sum(_deeper(fit) for fit in fits)
    masks = first.n_rows * sum(fit.masked_units for fit in fits)
    return _FLOAT32 * (values + _COPIES_OF_WEIGHTS * parameters) + _COPIES_OF_MASKS * masks


def columns(fit: PlannedFit) -> int:
    """Return the columns of the padded table."""
    return math.ceil((fit.predictors + 1) / LANES) * LANES


def _deeper(fit: PlannedFit) -> int:
    """Return the weights and biases behind the first hidden layer."""
    return sum(a * b + b for a, b in pairwise((*fit.hidden, fit.outputs)))


def _steps(rows: int, fit: PlannedFit) -> int:
    return math.ceil(rows / fit.batch_size)
