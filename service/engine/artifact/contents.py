"""What an artifact holds, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import Column
from service.domain.evaluations import ConstantPrediction
from service.domain.fit import FitSpec, Mode
from service.domain.network import Network
from service.domain.schema import Value
from service.engine.recipe import FittedRecipe

DEFAULT_NA = ("", "NA")


class Columns(Value):
    """What new data must look like, and what the outputs mean."""

    outcomes: tuple[str, ...]
    levels: tuple[str, ...] | None
    columns: tuple[Column, ...]
    na: tuple[str, ...]
    constant: ConstantPrediction | None = None


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A fitted model, whole: enough to predict from raw rows without Keras.

    Args:
        spec: the resolved spec.
        network: the network's shape.
        recipe: the recipe as it was fitted on the analysis rows.
        levels: the outcome's levels in the order of the outputs; None for regression.
        outcomes: the outcome columns; several only for regression, in the order of the outputs.
        columns: the training profile of the raw predictors.
        na: the words that the training data's reader took for missing.
        constant: what the training rows say without predictors; None where nobody kept it.
        weights: kernel (in, out) and bias (out,) of each Dense layer in Keras's order, float32.
        keras_bytes: the `.keras` file; empty when it was not asked for in reading.
        summary: the network's summary as Keras prints it.
        versions: the versions of what decided the weights' bits, by name.

    Raises:
        ValueError: the parts contradict each other.
    """

    spec: FitSpec
    network: Network
    recipe: FittedRecipe
    levels: tuple[str, ...] | None
    outcomes: tuple[str, ...]
    columns: tuple[Column, ...]
    weights: tuple[NDArray[np.float32], ...] = field(repr=False)
    keras_bytes: bytes = field(repr=False)
    summary: str = field(repr=False)
    versions: Mapping[str, str]
    na: tuple[str, ...] = DEFAULT_NA
    constant: ConstantPrediction | None = None

    def __post_init__(self) -> None:
        expected = [shape for kernel in self.network.shapes for shape in (kernel, kernel[1:])]
        received = [array.shape for array in self.weights]
        if received != expected:
            raise ValueError(f"Expected weights of shapes {expected}. Received {received}.")
        types = {array.dtype.str for array in self.weights}
        if types != {"<f4"}:
            raise ValueError(f"Expected little-endian float32 weights. Received {sorted(types)}.")
        if len(self.recipe.outputs) != self.network.predictors:
            raise ValueError(
                f"Expected a recipe with {self.network.predictors} outputs. "
                f"Received {len(self.recipe.outputs)}."
            )
        meanings = self.outcomes if self.levels is None else self.levels
        if len(meanings) != self.network.outputs:
            raise ValueError(
                f"Expected {self.network.outputs} levels or outcomes. Received {len(meanings)}."
            )
        unknown = set(self.recipe.required) - {column.name for column in self.columns}
        if unknown:
            raise ValueError(f"Expected a profile of {sorted(unknown)}. Received none.")

    @property
    def mode(self) -> Mode:
        """Whether the outputs are classes or numbers."""
        return "regression" if self.levels is None else "classification"


PartName = Literal[
    "columns.json",
    "model.keras",
    "network.json",
    "recipe.json",
    "spec.json",
    "summary.txt",
    "weights.npz",
]
"""The files of an artifact beside its manifest."""


def array_names(network: Network) -> tuple[str, ...]:
    """Return the names of the weights in `weights.npz`, in Keras's order."""
    layers = range(1, len(network.shapes) + 1)
    return tuple(f"dense_{layer}_{part}" for layer in layers for part in ("kernel", "bias"))
