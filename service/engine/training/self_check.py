"""The engine's check of itself: does a fit get the bits alone that it gets in company, here?

What the layout and `service.domain.window` rely on was measured on some processors and versions.
On any other one nothing is promised before a few batches have been trained both ways.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from service.domain.fit import Activation
from service.domain.network import Network, weights_sha256
from service.domain.optimizers import Adam
from service.domain.window import TALLEST
from service.engine.training.layout import padded, with_ones
from service.engine.training.members import Member
from service.engine.training.objective import Objective
from service.engine.training.rows import Rows
from service.engine.training.train import train

_PREDICTORS: Final = 100
_OUTPUTS: Final = 3
# Three whole batches and a part of one; two to validate.
_ROWS, _VALIDATION, _BATCH = 110, 40, 32


def alone_equals_packed() -> bool:
    """Train fits from both ends of the window alone and together; tell whether all bits agree.

    Takes three programs for the fits alone and one for the cohort, which is as tall as a cohort may
    be: some seconds of processor time, nearly all of it compiling.
    """
    members = [
        _member(1, "relu", seed=1),
        _member(30, "softmax", seed=2, dropout=0.4),
        _member(TALLEST - 31, "elu", seed=3, penalty=1e-3),
    ]
    packed = _trained(members)
    return all(_trained([member]) == [own] for member, own in zip(members, packed, strict=True))


def _member(
    units: int, activation: Activation, *, seed: int, dropout: float = 0.0, penalty: float = 0.0
) -> Member:
    return Member(
        network=Network(
            predictors=_PREDICTORS,
            hidden=(units,),
            activation=activation,
            dropouts=(dropout,),
            outputs=_OUTPUTS,
            output_activation="softmax",
        ),
        penalties=(penalty,),
        mixture=0.0,
        learn_rate=1e-3,
        seeds=(seed, seed, seed),
        epochs=1,
    )


def _trained(members: list[Member]) -> list[Any]:
    """Return each member's weights, by their hash, and history."""
    draws = np.random.default_rng(1)
    count = _ROWS + _VALIDATION
    x = np.zeros((count, padded(_PREDICTORS)), np.float32)
    with_ones(x, _PREDICTORS)[:, :_PREDICTORS] = draws.normal(size=(count, _PREDICTORS))
    y = np.eye(_OUTPUTS, dtype=np.float32)[draws.integers(_OUTPUTS, size=count)]
    objective = Objective(
        mode="classification",
        loss="binary_crossentropy",
        metrics=("accuracy",),
        optimizer=Adam(name="adam"),
        batch_size=_BATCH,
    )
    trained = train(
        members,
        objective,
        1,
        Rows(x=x[:_ROWS], y=y[:_ROWS]),
        Rows(x=x[_ROWS:], y=y[_ROWS:]),
    )
    return [
        (weights_sha256(each.weights), [record.values for record in each.history])
        for each in trained
    ]
