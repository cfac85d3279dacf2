"""Small fitted models with random weights, made without Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter

from service.domain.datasets import Column
from service.domain.fit import FitSpec
from service.domain.network import Network
from service.domain.recipe import Recipe
from service.engine.artifact import Artifact
from service.engine.recipe import FittedRecipe, MemoryColumns, prep

RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)
NORMALIZE = ({"step": "zv"}, {"step": "normalize"})


def training(rows: int = 40, columns: int = 4, seed: int = 1) -> dict[str, NDArray[np.float64]]:
    """Return columns x1, x2, ... of other means and spreads, the last one constant."""
    rng = np.random.default_rng(seed)
    names = [f"x{place}" for place in range(1, columns + 1)]
    values = rng.normal(size=(columns, rows)) * rng.uniform(0.1, 90, (columns, 1))
    values += rng.uniform(-40, 40, (columns, 1))
    values[-1] = 7.0
    return dict(zip(names, values, strict=True))


def fitted_recipe(
    columns: Mapping[str, ArrayLike], steps: Sequence[Mapping[str, Any]] = NORMALIZE
) -> FittedRecipe:
    """Return a recipe prepared on all rows of some columns."""
    return prep(RECIPE.validate_python(list(steps)), MemoryColumns(columns), list(columns))


def profile(columns: Mapping[str, NDArray[np.float64]]) -> tuple[Column, ...]:
    """Return the profile of numeric columns."""
    return tuple(
        Column(
            name=name,
            type="numeric",
            n_missing=0,
            n_unique=len(np.unique(values)),
            mean=float(values.mean()),
            sd=float(values.std(ddof=1)),
            min=float(values.min()),
            max=float(values.max()),
        )
        for name, values in columns.items()
    )


def random_weights(network: Network, seed: int = 2) -> tuple[NDArray[np.float32], ...]:
    """Return weights of a plausible size for a network."""
    rng = np.random.default_rng(seed)
    return tuple(
        (rng.normal(size=shape) / np.sqrt(kernel[0])).astype(np.float32)
        for kernel in network.shapes
        for shape in (kernel, kernel[1:])
    )


def fitted_model(
    columns: Mapping[str, NDArray[np.float64]] | None = None,
    *,
    steps: Sequence[Mapping[str, Any]] = NORMALIZE,
    levels: tuple[str, ...] | None = ("a", "b", "c"),
    outcomes: tuple[str, ...] = ("y",),
    hidden: tuple[int, ...] = (5,),
    activation: str = "relu",
    na: tuple[str, ...] = ("", "NA"),
    seed: int = 2,
) -> Artifact:
    """Return a model of random weights; `levels` None makes it a regression."""
    columns = training() if columns is None else columns
    recipe = fitted_recipe(columns, steps)
    network = Network(
        predictors=len(recipe.outputs),
        hidden=hidden,
        activation=activation,
        dropouts=(0.0,) * len(hidden),
        outputs=len(outcomes if levels is None else levels),
        output_activation="linear" if levels is None else "softmax",
    )
    spec = FitSpec.model_validate(
        {
            "kind": "fit",
            "dataset": "training",
            "outcome": list(outcomes),
            "mode": "regression" if levels is None else "classification",
            "recipe": list(steps),
            "model": {"hidden_units": list(hidden), "activation": activation, "seeds": [1, 2, 3]},
            "engine": {"name": "keras3"},
        }
    )
    return Artifact(
        spec=spec,
        network=network,
        recipe=recipe,
        levels=levels,
        outcomes=outcomes,
        columns=profile(columns),
        weights=random_weights(network, seed),
        keras_bytes=b"the bytes of a .keras file",
        summary='Model: "mlp"\n',
        versions={"fitpoint": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0"},
        na=na,
    )
