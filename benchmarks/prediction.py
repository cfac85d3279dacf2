"""Rows a second of one answer: our predictor on raw rows against Keras on prepared ones.

    python benchmarks/prediction.py [--rounds 15]

784 raw columns, of which `zv` leaves 717, normalised, 30 relu units, 10 classes: the chapter's
network with random weights. Ours is given raw float64 numbers, as a parsed request holds them, and
has the recipe inside. Keras is given the baked float32 rows, the recipe not counted, and once the
same raw numbers, normalised by numpy as its user would. All take turns in one process, so that the
machine's drift meets all of them. Printed: medians, and the median of the paired ratios. The last
line of each size is ours from the bytes of a JSON request.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from pydantic_core import from_json as parsed

from service.domain.datasets import Column
from service.domain.fit import FitSpec
from service.domain.network import Network
from service.domain.recipe import Recipe
from service.engine.artifact import Artifact
from service.engine.prediction_columns import PredictionRows
from service.engine.prediction_rows import from_json
from service.engine.predictor import Predictor
from service.engine.recipe import MemoryColumns, bake, prep

COLUMNS, CONSTANT, HIDDEN, CLASSES = 784, 67, 30, 10
STEPS: list[dict[str, Any]] = [{"step": "zv"}, {"step": "normalize"}]


def fitted() -> Artifact:
    """Return the chapter's network with random weights, its recipe fitted on random pixels."""
    draws = np.random.default_rng(1)
    pixels = draws.integers(0, 256, (1000, COLUMNS)) * (draws.random((1000, COLUMNS)) < 0.2)
    pixels[:, :CONSTANT] = 0
    table = {f"x{place + 1}": column for place, column in enumerate(pixels.T)}
    steps = TypeAdapter(Recipe).validate_python(STEPS)
    recipe = prep(steps, MemoryColumns(table), list(table))
    network = Network(
        predictors=len(recipe.outputs),
        hidden=(HIDDEN,),
        activation="relu",
        dropouts=(0.0,),
        outputs=CLASSES,
        output_activation="softmax",
    )
    model = {"hidden_units": HIDDEN, "activation": "relu"}
    return Artifact(
        spec=FitSpec.model_validate(
            {"kind": "fit", "dataset": "d", "outcome": "y", "recipe": STEPS, "model": model}
        ),
        network=network,
        recipe=recipe,
        levels=tuple("0123456789"),
        outcomes=("y",),
        columns=tuple(Column(name=name, type="numeric", n_missing=0, n_unique=2) for name in table),
        weights=tuple(
            draws.normal(0, 0.05, shape).astype(np.float32)
            for kernel in network.shapes
            for shape in (kernel, kernel[1:])
        ),
        keras_bytes=b"",
        summary="",
        versions={},
    )


def contestants(model: Artifact, rows: int) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name; the answers are compared first."""
    import keras

    predictor = Predictor(model)
    names = predictor.inputs.names
    raw = np.random.default_rng(2).integers(0, 256, (rows, len(names))).astype(np.float64)
    source = PredictionRows(inputs=predictor.inputs, layout="columns", numbers=raw)
    baked = bake(model.recipe, source)
    means, sds = raw.mean(axis=0), raw.std(axis=0) + 1
    body = json.dumps({"columns": list(names), "data": raw.tolist()}).encode()
    built = keras.Sequential(
        [
            keras.Input((model.network.predictors,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    built.set_weights(list(model.weights))
    ours = predictor.predict(source).raw
    difference = float(np.abs(ours - built.predict(baked, verbose=0)).max())
    print(f"{rows} rows: largest difference to Keras {difference:.1e}")
    return {
        "fitpoint, raw rows": lambda: predictor.predict(source),
        "keras model(x), baked rows": lambda: np.asarray(built(baked)),
        "keras model(x), raw rows": lambda: np.asarray(
            built(((raw - means) / sds).astype(np.float32))
        ),
        "keras model.predict(x), baked rows": lambda: built.predict(baked, verbose=0),
        "fitpoint, from the JSON of a request": lambda: predictor.predict(
            from_json(parsed(body, allow_inf_nan=False), predictor.inputs)
        ),
    }


def seconds_of(call: Callable[[], Any], at_least: float = 0.02) -> float:
    """Return the seconds of one call, as the mean over as many as fill `at_least` seconds."""
    calls = 0
    started = time.perf_counter()
    while (taken := time.perf_counter() - started) < at_least or not calls:
        call()
        calls += 1
    return taken / calls


def main() -> None:
    """Run the contest and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    model = fitted()
    for rows in (1, 100, 10_000):
        calls = contestants(model, rows)
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                taken[name].append(seconds_of(call))
        ours = next(iter(taken.values()))
        print(f"  {'how':<38} {'median us':>10} {'rows/s':>12} {'this/fitpoint':>14}")
        for name, times in taken.items():
            median = statistics.median(times)
            ratio = statistics.median(b / a for a, b in zip(ours, times, strict=True))
            print(f"  {name:<38} {median * 1e6:>10.1f} {rows / median:>12,.0f} {ratio:>14.2f}")


if __name__ == "__main__":
    main()
