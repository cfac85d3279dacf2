"""Who else cross-validates a grid of networks: scikit-learn's GridSearchCV and KerasTuner.

Each takes a `Task` in a process of its own, and answers with its seconds and the mean score of
every candidate. Imports, reading the table and making the folds are not timed.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORES = 2
Positions = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A table as strings by column, what is asked of it, and the folds that all share.

    `frame` holds the predictors by name: numbers with NaN, or text with None where missing.
    `outcome` is numbers, or 0 and 1, of which 1 is the first level. `folds` are analysis and
    assessment rows, 0-based.
    """

    frame: dict[str, Sequence[Any]]
    numeric: tuple[str, ...]
    nominal: tuple[str, ...]
    outcome: NDArray[np.float64]
    classification: bool
    folds: tuple[tuple[Positions, Positions], ...]
    hidden_units: tuple[int, ...]
    penalty: tuple[float, ...]
    epochs: int
    batch_size: int
    learn_rate: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How long it took, and the mean score over the folds of each (hidden_units, penalty)."""

    seconds: float
    scores: dict[tuple[int, float], float]

    def best(self, classification: bool) -> tuple[tuple[int, float], float]:
        """Return the best candidate and its mean: the largest area, or the smallest error."""
        chosen = max if classification else min
        return chosen(self.scores.items(), key=lambda item: item[1])


Validator = Callable[[Task], Answer]


def apart(validator: Validator, task: Task) -> Answer:
    """Have a validator do its work in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answered, args=(theirs, validator, task))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        raise RuntimeError(f"{validator.__name__} ended without an answer") from None
    finally:
        process.join()
    assert isinstance(answer, Answer)
    return answer


def _answered(connection: Connection, validator: Validator, task: Task) -> None:
    connection.send(validator(task))


def preparation(task: Task) -> Any:
    """Return the steps of our recipe as a ColumnTransformer: impute, dummies, normalize.

    A level that the analysis rows lack has zeros in every dummy, as ours has after `novel`, `zv`.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    dummies = OneHotEncoder(drop="first", handle_unknown="ignore", sparse_output=False)
    levels = make_pipeline(SimpleImputer(strategy="constant", fill_value="unknown"), dummies)
    columns = ColumnTransformer(
        [
            ("numeric", SimpleImputer(strategy="median"), list(task.numeric)),
            ("nominal", levels, list(task.nominal)),
        ]
    )
    return make_pipeline(columns, VarianceThreshold(), StandardScaler())


def grid_search(task: Task) -> Answer:
    """`GridSearchCV` over a Pipeline that ends in an MLP, as many fits at a time as we have slots.

    scikit-learn penalises all kernels by `alpha / (2 * batch) * sum w^2` beside the mean log loss
    or half the mean squared error; `alpha` is such that the first kernel's share is ours.
    """
    import pandas as pd
    from joblib.externals.loky import get_reusable_executor
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline

    network = MLPClassifier if task.classification else MLPRegressor
    share = 2 * task.batch_size if task.classification else task.batch_size
    mlp = network(
        activation="relu",
        solver="adam",
        batch_size=task.batch_size,
        learning_rate_init=task.learn_rate,
        max_iter=task.epochs,
        # All epochs, as the others: nothing stops it earlier.
        tol=0.0,
        n_iter_no_change=task.epochs + 1,
        random_state=1,
    )
    name = network.__name__.lower()
    search = GridSearchCV(
        make_pipeline(preparation(task), mlp),
        {
            f"{name}__hidden_layer_sizes": [(units,) for units in task.hidden_units],
            f"{name}__alpha": [share * penalty for penalty in task.penalty],
        },
        scoring="roc_auc" if task.classification else "neg_root_mean_squared_error",
        cv=list(task.folds),
        n_jobs=CORES,
        refit=False,
    )
    frame = pd.DataFrame(task.frame)
    # Also in its children: that so few epochs do not converge is what was asked for.
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    search.fit(frame, task.outcome)
    seconds = time.perf_counter() - started
    # Its idle workers would keep this process from ending for minutes.
    get_reusable_executor().shutdown(kill_workers=True)
    sign = 1 if task.classification else -1
    found = search.cv_results_
    scores = {}
    for given, mean in zip(found["params"], found["mean_test_score"], strict=True):
        (units,) = given[f"{name}__hidden_layer_sizes"]
        scores[units, given[f"{name}__alpha"] / share] = sign * float(mean)
    return Answer(seconds=seconds, scores=_as_asked(task, scores))


def keras_tuner(task: Task) -> Answer:
    """KerasTuner's GridSearch, its `run_trial` a loop over the folds, as its users write it.

    The rows of each fold are prepared once for all candidates; that is among its seconds.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import keras
    import keras_tuner as kt
    import pandas as pd
    from sklearn.metrics import roc_auc_score, root_mean_squared_error

    frame = pd.DataFrame(task.frame)
    classes = np.column_stack([1 - task.outcome, task.outcome])
    y = classes if task.classification else task.outcome

    def build(chosen: Any) -> Any:
        units = chosen.Choice("hidden_units", list(task.hidden_units))
        penalty = chosen.Choice("penalty", list(task.penalty))
        outputs, activation = (2, "softmax") if task.classification else (1, "linear")
        model = keras.Sequential(
            [
                keras.layers.Dense(
                    units,
                    activation="relu",
                    kernel_regularizer=keras.regularizers.L2(penalty) if penalty else None,
                ),
                keras.layers.Dense(outputs, activation=activation),
            ]
        )
        model.compile(
            optimizer=keras.optimizers.Adam(task.learn_rate),
            loss="categorical_crossentropy" if task.classification else "mse",
        )
        return model

    def score(truth: NDArray[np.float64], told: NDArray[np.float32]) -> float:
        if task.classification:
            return float(roc_auc_score(truth, told[:, 1]))
        return float(root_mean_squared_error(truth, told[:, 0]))

    class CrossValidated(kt.GridSearch):  # type: ignore[misc]
        def run_trial(self, trial: Any, folds: Any, **_: Any) -> Any:
            scores = []
            for x, judged, analysis, assessment in folds:
                model = self.hypermodel.build(trial.hyperparameters)
                batch, epochs = task.batch_size, task.epochs
                model.fit(x, y[analysis], batch_size=batch, epochs=epochs, verbose=0)
                told = model.predict(judged, batch_size=batch, verbose=0)
                scores.append(score(task.outcome[assessment], told))
            return {"score": float(np.mean(scores))}

    candidates = len(task.hidden_units) * len(task.penalty)
    direction = "max" if task.classification else "min"
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        prepared = []
        for analysis, assessment in task.folds:
            made = preparation(task).fit(frame.iloc[analysis])
            tables = [made.transform(frame.iloc[rows]) for rows in (analysis, assessment)]
            x, judged = (each.astype(np.float32) for each in tables)
            prepared.append((x, judged, analysis, assessment))
        tuner = CrossValidated(
            build,
            objective=kt.Objective("score", direction),
            max_trials=candidates,
            directory=folder,
            overwrite=True,
        )
        tuner.search(prepared, verbose=0)
        seconds = time.perf_counter() - started
    scores = {
        (trial.hyperparameters["hidden_units"], trial.hyperparameters["penalty"]): trial.score
        for trial in tuner.oracle.get_best_trials(candidates)
    }
    return Answer(seconds=seconds, scores=_as_asked(task, scores))


def _as_asked(task: Task, scores: dict[tuple[int, float], float]) -> dict[tuple[int, float], float]:
    """Return scores by the candidates as they were asked for; fails when one was not judged."""
    named = {(units, f"{penalty:.6g}"): mean for (units, penalty), mean in scores.items()}
    return {
        (units, penalty): named[units, f"{penalty:.6g}"]
        for units, penalty in itertools.product(task.hidden_units, task.penalty)
    }
