"""Seconds an epoch of the chapter's 30-unit relu fit: ours against `keras.Model.fit`.

    python benchmarks/epoch.py --data FOLDER [--rounds 7]

FOLDER holds `mnist.npz`; without it the rows are random numbers of the same shape (the speed is
the same). Each contestant lives in a process of its own, as it would for its user: Keras with the
backend's default threads, ours with the one thread of a worker's child. They take turns, an epoch
each, so that the machine's drift meets both. Printed: medians, and the median of paired ratios.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PREDICTORS, HIDDEN, BATCH = 717, 30, 32
Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]


def table(folder: Path | None, rows: int) -> Arrays:
    """Return standardised predictors (rows, 717) and one column a class (rows, 10)."""
    if folder is None:
        draws = np.random.default_rng(1)
        x = draws.normal(size=(rows, PREDICTORS)).astype(np.float32)
        return x, np.eye(10, dtype=np.float32)[draws.integers(0, 10, rows)]
    with np.load(folder / "mnist.npz") as files:
        pixels = files["x_train"].reshape(60_000, 784).astype(np.float64)
        y = np.eye(10, dtype=np.float32)[files["y_train"]]
    kept = pixels[:, pixels.std(axis=0) > 0]
    x = (kept - kept.mean(axis=0)) / kept.std(axis=0, ddof=1)
    return x[:rows].astype(np.float32), y[:rows]


def keras_fit(connection: Connection, folder: Path | None, rows: int, steps: int) -> None:
    """Time epochs of plain Keras, as a user writes them."""
    import keras

    x, y = table(folder, rows)
    model = keras.Sequential(
        [
            keras.Input((PREDICTORS,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", steps_per_execution=steps)
    _answer(connection, lambda: model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0))


def ours(connection: Connection, folder: Path | None, rows: int, threads: int) -> None:
    """Time epochs of the cohort program with a single fit."""
    from service.engine.training import runtime

    runtime.configure(device="cpu", threads=threads)
    from service.domain.fit import FitSpec
    from service.domain.optimizers import Adam
    from service.engine.training.layout import padded
    from service.engine.training.members import member_of
    from service.engine.training.objective import Objective
    from service.engine.training.rows import Rows
    from service.engine.training.train import train

    unpadded, y = table(folder, rows)
    x = np.zeros((rows, padded(PREDICTORS)), np.float32)
    x[:, :PREDICTORS] = unpadded
    spec = FitSpec.model_validate(
        {
            "kind": "fit",
            "dataset": "mnist",
            "outcome": "y",
            "mode": "classification",
            "model": {
                "hidden_units": HIDDEN,
                "activation": "relu",
                "epochs": 100_000,
                "seeds": [87591, 536, 27860],
            },
        }
    )
    member = member_of(spec, predictors=PREDICTORS, levels=tuple("0123456789"))
    objective = Objective(
        mode="classification",
        loss="binary_crossentropy",
        metrics=(),
        optimizer=Adam(name="adam"),
        batch_size=BATCH,
    )
    # The epochs are timed by the engine's own records, between two of the parent's requests.
    asked = connection.recv()
    seconds: list[float] = []

    def on_epoch(records: Any) -> None:
        nonlocal asked
        seconds.append(records[0].seconds)
        connection.send(seconds[-1])
        asked = connection.recv()

    train([member], objective, 1, Rows(x=x, y=y), on_epoch=on_epoch, should_stop=lambda: not asked)


def _answer(connection: Connection, epoch: Any) -> None:
    while connection.recv():
        started = time.perf_counter()
        epoch()
        connection.send(time.perf_counter() - started)


def main() -> None:
    """Run the contest and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=60_000)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    context = multiprocessing.get_context("spawn")
    contestants = {
        "keras.Model.fit": (keras_fit, 1),
        "keras.Model.fit, steps_per_execution=125": (keras_fit, 125),
        "fitpoint, one fit, one thread": (ours, 1),
        "fitpoint, one fit, two threads": (ours, 2),
    }
    lines: dict[str, Connection] = {}
    for name, (target, argument) in contestants.items():
        mine, theirs = context.Pipe()
        lines[name] = mine
        context.Process(
            target=target, args=(theirs, arguments.data, arguments.rows, argument), daemon=True
        ).start()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    # The first round compiles and is not counted.
    for round_ in range(arguments.rounds + 1):
        for name, line in lines.items():
            line.send(True)
            taken = line.recv()
            if round_:
                seconds[name].append(taken)
    peer = seconds["keras.Model.fit"]
    print(f"{'how':<44} {'median s':>9} {'min':>7} {'max':>7} {'keras/this':>11}")
    for name, own in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(peer, own, strict=True))
        print(
            f"{name:<44} {statistics.median(own):9.3f} {min(own):7.3f} {max(own):7.3f} "
            f"{ratio:11.1f}"
        )
    for line in lines.values():
        line.send(False)


if __name__ == "__main__":
    main()
