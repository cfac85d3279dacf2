"""Who trains: our cohorts, plain Keras, scikit-learn, and bare matrix products.

Each is a target of `contest.Contestant`: an epoch of its models at each request. `models` are the
hidden units of each; all are relu networks of the chapter (717 predictors, 10 classes, batch 32).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from contest import PREDICTORS, answer, mnist_like

BATCH = 32
SEEDS = [47612, 67483, 96997]


def ours(
    connection: Connection,
    folder: Path | None,
    rows: int,
    cohorts: Sequence[Sequence[int]],
    penalty: float,
    threads: int = 1,
) -> None:
    """Our engine: the cohorts one after another, each as one program."""
    from service.engine.training import runtime

    runtime.configure(device="cpu", threads=threads)
    from service.domain.fit import FitSpec
    from service.domain.optimizers import Adam
    from service.engine.training import backend
    from service.engine.training.cohort import Cohort
    from service.engine.training.layout import padded, with_ones
    from service.engine.training.members import Member, member_of
    from service.engine.training.objective import Objective
    from service.engine.training.rows import Rows, on_device
    from service.engine.training.states import initial_state

    def member(hidden: int) -> Member:
        model = {"hidden_units": hidden, "activation": "relu", "seeds": SEEDS, "penalty": penalty}
        spec = FitSpec.model_validate(
            {
                "kind": "fit",
                "dataset": "mnist",
                "outcome": "y",
                "mode": "classification",
                "model": {**model, "epochs": 100_000},
            }
        )
        return member_of(spec, predictors=PREDICTORS, levels=tuple("0123456789"))

    adam = Adam(name="adam")
    objective = Objective(
        mode="classification",
        loss="binary_crossentropy",
        metrics=(),
        optimizer=adam,
        batch_size=BATCH,
    )
    unpadded, y = mnist_like(folder, rows)
    x = np.zeros((rows, padded(PREDICTORS)), np.float32)
    with_ones(x, PREDICTORS)[:, :PREDICTORS] = unpadded
    data = on_device(backend.load(), Rows(x=x, y=y), None, BATCH)
    made = []
    for widths in cohorts:
        members = [member(hidden) for hidden in widths]
        states = [initial_state(each, adam) for each in members]
        places = list(range(1, len(members) + 1))
        made.append(Cohort(members, states, places, objective, 1, data))
    answer(connection, lambda: [cohort.epoch() for cohort in made])


def keras_fit(
    connection: Connection,
    folder: Path | None,
    rows: int,
    models: Sequence[int],
    penalty: float,
    steps_per_execution: int = 1,
) -> None:
    """`keras.Model.fit` as a user writes it, one model after another."""
    import keras

    x, y = mnist_like(folder, rows)
    regularizer = keras.regularizers.L2(penalty) if penalty else None
    made = []
    for hidden in models:
        model = keras.Sequential(
            [
                keras.Input((PREDICTORS,)),
                keras.layers.Dense(hidden, activation="relu", kernel_regularizer=regularizer),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            optimizer="adam",
            loss="binary_crossentropy",
            steps_per_execution=steps_per_execution,
        )
        made.append(model)
    answer(
        connection,
        lambda: [model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0) for model in made],
    )


def scikit_learn(
    connection: Connection, folder: Path | None, rows: int, models: Sequence[int]
) -> None:
    """`MLPClassifier` with the same sizes, one model after another."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    x, one_hot = mnist_like(folder, rows)
    y = one_hot.argmax(axis=1)
    made = [
        MLPClassifier(
            hidden_layer_sizes=(hidden,), batch_size=BATCH, max_iter=1, warm_start=True, alpha=1e-4
        )
        for hidden in models
    ]
    answer(connection, lambda: [model.fit(x, y) for model in made])


def products(connection: Connection, folder: Path | None, rows: int, models: Sequence[int]) -> None:
    """Only the two products of the first layer, by numpy's BLAS with one thread, all models as one.

    Start it with OPENBLAS_NUM_THREADS=1 in the environment, as `grid.py` does.
    """
    height = sum(models)
    x, _ = mnist_like(folder, rows)
    kernel = np.full((height, PREDICTORS), 0.01, np.float32)
    hidden = np.empty((height, BATCH), np.float32)
    gradient = np.empty_like(kernel)
    order = np.random.default_rng(1).permutation(rows)

    def epoch() -> None:
        for start in range(0, rows - BATCH + 1, BATCH):
            batch = x[order[start : start + BATCH]]
            np.matmul(kernel, batch.T, out=hidden)
            np.matmul(hidden, batch, out=gradient)

    answer(connection, epoch)


def single_threaded_blas() -> None:
    """Make children that are started from now on multiply with one thread."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
