"""Keras's optimizers as pure updates, with a step size for each row of a parameter.

Keras's own classes hold one learning rate; a cohort needs one a fit. Formulas, argument names and
defaults are those of keras.optimizers 3.15, each tested against it.
"""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
from keras import ops
from numpy.typing import NDArray

from service.domain.optimizers import SGD, Adagrad, Adam, Adamax, AdamW, Nadam, Optimizer, RMSprop

Tensor = Any


def initial_slots(optimizer: Optimizer, shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
    """Return the optimizer's variables for one parameter before the first step."""
    match optimizer:
        case Adam() | AdamW():
            count = 3 if optimizer.amsgrad else 2
        case SGD():
            count = 1 if optimizer.momentum > 0 else 0
        case RMSprop():
            count = 1 + (optimizer.momentum > 0) + optimizer.centered
        case Adagrad():
            return [np.full(shape, optimizer.initial_accumulator_value, np.float32)]
        case Adamax() | Nadam():
            count = 2
        case _:
            assert_never(optimizer)
    return [np.zeros(shape, np.float32) for _ in range(count)]


def advance(optimizer: Optimizer, shared: Tensor, t: Tensor) -> Tensor:
    """Return the value shared by all parameters for step `t`: Nadam's running product, else as is.

    It starts at 1; `t` is the 1-based step as float32.
    """
    if isinstance(optimizer, Nadam):
        return shared * optimizer.beta_1 * (1.0 - 0.5 * ops.power(0.96, t))
    return shared


def update(
    optimizer: Optimizer,
    parameter: Tensor,
    gradient: Tensor,
    slots: list[Tensor],
    *,
    rate: Tensor,
    active: Tensor,
    shared: Tensor,
    t: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    """Return a parameter and its slots after step `t`.

    Args:
        optimizer: which one, with its arguments.
        parameter: rows are units; `gradient` and each slot have its shape.
        gradient: of the loss, the penalty's share included.
        slots: as `initial_slots` lists them.
        rate: learn rate of each row, broadcastable to the parameter; 0 where `active` is 0.
        active: 1 where the row still trains, 0 where it has stopped: such a row keeps its bits.
        shared: what `advance` returned for this step.
        t: 1-based step as float32.
    """
    match optimizer:
        case Adam():
            return _adam(optimizer, parameter, gradient, slots, rate, t)
        case AdamW():
            decayed = parameter - parameter * optimizer.weight_decay * rate
            return _adam(optimizer, decayed, gradient, slots, rate, t)
        case SGD():
            return _sgd(optimizer, parameter, gradient, slots, rate, active)
        case RMSprop():
            return _rmsprop(optimizer, parameter, gradient, slots, rate, active)
        case Adagrad():
            total = slots[0] + ops.square(gradient)
            return parameter - rate * gradient / ops.sqrt(total + optimizer.epsilon), [total]
        case Adamax():
            m = slots[0] + (gradient - slots[0]) * (1 - optimizer.beta_1)
            u = ops.maximum(optimizer.beta_2 * slots[1], ops.abs(gradient))
            correction = 1 - ops.power(optimizer.beta_1, t)
            return parameter - rate * m / (correction * (u + optimizer.epsilon)), [m, u]
        case Nadam():
            return _nadam(optimizer, parameter, gradient, slots, rate, shared, t)
        case _:
            assert_never(optimizer)


def _adam(
    optimizer: Adam | AdamW,
    parameter: Tensor,
    gradient: Tensor,
    slots: list[Tensor],
    rate: Tensor,
    t: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    """Step as Kingma and Ba (2015), the bias correction in the step size.

    It is their section 2 ("epsilon hat"), as in keras.optimizers.Adam.
    """
    alpha = (
        rate * ops.sqrt(1 - ops.power(optimizer.beta_2, t)) / (1 - ops.power(optimizer.beta_1, t))
    )
    m = slots[0] + (gradient - slots[0]) * (1 - optimizer.beta_1)
    v = slots[1] + (ops.square(gradient) - slots[1]) * (1 - optimizer.beta_2)
    if optimizer.amsgrad:
        largest = ops.maximum(slots[2], v)
        return parameter - m * alpha / (ops.sqrt(largest) + optimizer.epsilon), [m, v, largest]
    return parameter - m * alpha / (ops.sqrt(v) + optimizer.epsilon), [m, v]


def _sgd(
    optimizer: SGD,
    parameter: Tensor,
    gradient: Tensor,
    slots: list[Tensor],
    rate: Tensor,
    active: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    if optimizer.momentum == 0:
        return parameter - gradient * rate, []
    m = slots[0] * optimizer.momentum - gradient * rate
    moved = m * optimizer.momentum - gradient * rate if optimizer.nesterov else m
    return parameter + moved * active, [m]


def _rmsprop(
    optimizer: RMSprop,
    parameter: Tensor,
    gradient: Tensor,
    slots: list[Tensor],
    rate: Tensor,
    active: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    rho = optimizer.rho
    velocity = rho * slots[0] + (1 - rho) * ops.square(gradient)
    after = [velocity]
    denominator = velocity + optimizer.epsilon
    if optimizer.centered:
        average = rho * slots[-1] + (1 - rho) * gradient
        denominator = velocity - ops.square(average) + optimizer.epsilon
    increment = rate * gradient / ops.sqrt(denominator)
    if optimizer.momentum > 0:
        increment = optimizer.momentum * slots[1] + increment
        after.append(increment)
    if optimizer.centered:
        after.append(average)
    return parameter - increment * active, after


def _nadam(
    optimizer: Nadam,
    parameter: Tensor,
    gradient: Tensor,
    slots: list[Tensor],
    rate: Tensor,
    shared: Tensor,
    t: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    """Dozat (2016); `shared` is the product of the momentum schedule up to this step."""
    u_now = optimizer.beta_1 * (1.0 - 0.5 * ops.power(0.96, t))
    u_next = optimizer.beta_1 * (1.0 - 0.5 * ops.power(0.96, t + 1.0))
    m = slots[0] + (gradient - slots[0]) * (1 - optimizer.beta_1)
    v = slots[1] + (ops.square(gradient) - slots[1]) * (1 - optimizer.beta_2)
    m_hat = u_next * m / (1 - shared * u_next) + (1 - u_now) * gradient / (1 - shared)
    v_hat = v / (1 - ops.power(optimizer.beta_2, t))
    return parameter - m_hat * rate / (ops.sqrt(v_hat) + optimizer.epsilon), [m, v]
