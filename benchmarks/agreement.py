"""How far our engine is from plain Keras: same initial weights, same order, same dropout masks.

    python benchmarks/agreement.py --data FOLDER

Prints the largest difference of a weight relative to the largest weight, after 300 steps for every
engine, activation, penalty and dropout, and after 1 and 3 epochs of 60,000 rows for the penalised
fit. Rounding is amplified without a penalty (ENGINE: standardised rare pixels are huge, and Adam
divides tiny gradients by their size), so longer fits compare accuracy, not weights.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from contest import PREDICTORS, mnist_like


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    from service.engine.training import runtime

    runtime.configure(device="cpu", threads=1)
    from service.domain.fit import KERAS3_ACTIVATIONS, KERAS_ACTIVATIONS, FitSpec
    from service.domain.optimizers import Adam
    from service.engine.training.layout import padded, with_ones
    from service.engine.training.members import member_of
    from service.engine.training.objective import Objective
    from service.engine.training.reference import reference_fit
    from service.engine.training.rows import Rows
    from service.engine.training.train import train

    unpadded, y = mnist_like(given.data, 60_000)
    x = np.zeros((len(unpadded), padded(PREDICTORS)), np.float32)
    with_ones(x, PREDICTORS)[:, :PREDICTORS] = unpadded

    def compare(engine: str, rows: int, epochs: int, **model: Any) -> None:
        spec = FitSpec.model_validate(
            {
                "kind": "fit",
                "dataset": "mnist",
                "outcome": "y",
                "mode": "classification",
                "model": {"hidden_units": 30, "seeds": [47612, 67483, 96997], **model},
                "engine": {"name": engine},
            }
        )
        member = member_of(spec, predictors=PREDICTORS, levels=tuple("0123456789"))
        member = replace(member, epochs=epochs)
        loss = "binary_crossentropy" if engine == "keras" else "categorical_crossentropy"
        objective = Objective(
            mode="classification",
            loss=loss,
            metrics=("accuracy",),
            optimizer=Adam(name="adam"),
            batch_size=32,
        )
        ours = train([member], objective, 1, Rows(x=x[:rows], y=y[:rows]))[0]
        theirs, logs = reference_fit(
            member, objective, 1, Rows(x=unpadded[:rows], y=y[:rows]), epochs=epochs
        )
        largest = max(float(np.abs(array).max()) for array in theirs)
        pairs = zip(ours.weights, theirs, strict=True)
        difference = max(float(np.abs(a - b).max()) for a, b in pairs) / largest
        steps = epochs * -(-rows // 32)
        asked = ", ".join(f"{name} {value}" for name, value in model.items())
        print(
            f"{engine:<7} {asked:<42} {steps:>6} steps  difference {difference:8.1e}  accuracy "
            f"{ours.history[-1].values['accuracy']:.5f} and {logs[-1]['accuracy']:.5f}",
            flush=True,
        )

    for engine, activations in (("keras", KERAS_ACTIVATIONS), ("keras3", KERAS3_ACTIVATIONS)):
        for activation in activations:
            compare(engine, 9_600, 1, activation=activation)
        for extra in ({"penalty": 1e-4}, {"penalty": 1e-4, "mixture": 0.5}, {"dropout": 0.1}):
            compare(engine, 9_600, 1, activation="relu", **extra)
    for epochs in (1, 3):
        compare("keras", 60_000, epochs, activation="relu", penalty=1e-4)


if __name__ == "__main__":
    main()
