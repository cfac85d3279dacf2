"""The network of one fit as a value: layers, shapes, parameters, and the hash of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, Protocol

from service.domain.fit import FitSpec
from service.domain.schema import Value


class _Array(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...
    def tobytes(self) -> bytes: ...


class Network(Value):
    """A multilayer perceptron: `predictors -> hidden[0] -> ... -> outputs`.

    `dropouts[i]` is the rate of the Dropout after hidden layer i, 0 for none. Weights are, per
    Dense layer in order, a kernel (in, out) and a bias (out,), float32, as Keras keeps them.
    """

    predictors: int
    hidden: tuple[int, ...]
    activation: str
    dropouts: tuple[float, ...]
    outputs: int
    output_activation: Literal["softmax", "linear"]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The kernels' shapes (in, out), layer by layer."""
        widths = (self.predictors, *self.hidden, self.outputs)
        return tuple(pairwise(widths))

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases: sum of in * out + out."""
        return sum(rows * columns + columns for rows, columns in self.shapes)


def network_of(spec: FitSpec, predictors: int, outputs: int) -> Network:
    """Return the network that a spec asks for.

    With engine "keras" and a single `hidden_units`, `dropout > 0` adds a second hidden layer of
    the same width before the Dropout, as parsnip 1.0.3's `keras_mlp()` does. With a list, or with
    "keras3", a Dropout follows each hidden layer and none is added.
    """
    model = spec.model
    units = model.hidden_units
    if isinstance(units, int):
        doubled = spec.engine.name == "keras" and model.dropout > 0
        hidden: tuple[int, ...] = (units, units) if doubled else (units,)
        dropouts: tuple[float, ...] = (0.0, model.dropout) if doubled else (model.dropout,)
    else:
        hidden = tuple(units)
        dropouts = (model.dropout,) * len(hidden)
    return Network(
        predictors=predictors,
        hidden=hidden,
        activation=model.activation,
        dropouts=dropouts,
        outputs=outputs,
        output_activation="softmax" if spec.mode == "classification" else "linear",
    )


def weights_sha256(weights: Iterable[_Array]) -> str:
    """Return the sha256 of float32 arrays in Keras's order, each preceded by its shape as text."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(str(tuple(array.shape)).encode("ascii"))
        digest.update(array.tobytes())
    return digest.hexdigest()


def penalised_layers(spec: FitSpec) -> Sequence[int]:
    """Return which hidden layers' kernels carry the penalty, 0-based.

    `keras_mlp()` regularises its first hidden kernel only; a list of widths, or "keras3", means
    all hidden kernels.
    """
    units = spec.model.hidden_units
    if spec.engine.name == "keras" and isinstance(units, int):
        return (0,)
    return range(1 if isinstance(units, int) else len(units))
