"""Permutation importance and bootstrap intervals against scikit-learn's own and a loop of its own.

    python benchmarks/judging.py [--rounds 5]

Importance: 784 raw columns, of which `zv` leaves 717, normalised, 30 relu units, 10 classes with
random weights, 500 rows, each column shuffled twice, accuracy. The peer is
`sklearn.inspection.permutation_importance` of a scikit-learn pipeline with the same weights (its
scaler is given our recipe's numbers), on the 717 columns; it shuffles otherwise, so that columns
differ by a few rows of 500. Bootstrap: 2,000 rows of 10 classes, 100
resamples; the peer takes the rows of each and asks scikit-learn for the same scores. All take turns
in one process. Printed: the largest difference of what they say, medians, and the median of the
paired ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from prediction import CLASSES, COLUMNS, CONSTANT, HIDDEN, fitted
from sklearn import metrics as sk
from sklearn.inspection import permutation_importance
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from service.domain.evaluations import Bootstrap
from service.engine.judging.permutation import importances
from service.engine.metrics.resampling import replicates, resamples
from service.engine.metrics.scoring import judged
from service.engine.predictor import Predictor
from service.engine.recipe import Category, MemoryColumns, affine

ROWS, TIMES = 500, 2
JUDGED, RESAMPLES = 2000, 100
LEVELS = tuple("0123456789")


def main() -> None:
    """Run both contests and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    contest("importance of 717 columns", importance_contestants(), rounds)
    for name in ("accuracy", "roc_auc", "mn_log_loss"):
        contest(f"bootstrap of {name}", bootstrap_contestants(name), rounds)


def contest(title: str, calls: dict[str, Callable[[], Any]], rounds: int) -> None:
    """Let all take turns and print what they took."""
    said = {name: np.asarray(call()) for name, call in calls.items()}
    first, second = said.values()
    print(f"{title}: largest difference {np.abs(first - second).max():.1e}")
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
    ours = next(iter(taken.values()))
    for name, times in taken.items():
        ratio = statistics.median(b / a for a, b in zip(ours, times, strict=True))
        print(f"  {name:<34} {statistics.median(times):>9.3f} s {ratio:>9.2f}")


def importance_contestants() -> dict[str, Callable[[], Any]]:
    """Return both importances of the columns, in the columns' order, of the same model and rows."""
    model = fitted()
    predictor, draws = Predictor(model), np.random.default_rng(3)
    raw = draws.integers(0, 256, (ROWS, COLUMNS)) * (draws.random((ROWS, COLUMNS)) < 0.2) * 1.0
    raw[:, :CONSTANT] = 0
    columns: dict[str, Any] = {f"x{place + 1}": column for place, column in enumerate(raw.T)}
    codes = predictor.predict(MemoryColumns(columns)).codes
    truth = [LEVELS[code] for code in codes]
    source = MemoryColumns({**columns, "y": Category(truth, LEVELS)})
    names = model.recipe.outputs
    used = np.column_stack([columns[name] for name in names])
    pipeline = same_model(model, used)

    def ours() -> list[float]:
        found = importances(predictor, source, "accuracy", times=TIMES, rows=ROWS)
        by_name = {each.column: each.importance for each in found.columns}
        return [by_name[name] for name in names]

    def theirs() -> Any:
        found = permutation_importance(
            pipeline, used, np.array(truth), n_repeats=TIMES, scoring="accuracy", random_state=1
        )
        return found.importances_mean

    return {"fitpoint": ours, "sklearn permutation_importance": theirs}


def same_model(model: Any, rows: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Return a scikit-learn pipeline that says what the model says."""
    linear = affine(model.recipe)
    assert linear is not None
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier(hidden_layer_sizes=(HIDDEN,), max_iter=1)
    )
    with warnings.catch_warnings():
        # One step, so that its arrays are there to be replaced.
        warnings.simplefilter("ignore")
        labels = np.array(LEVELS)[np.arange(len(rows)) % CLASSES]
        pipeline.fit(rows, labels)
    scaler, network = pipeline[0], pipeline[1]
    scaler.scale_, scaler.mean_ = 1 / linear.scale, -linear.offset / linear.scale
    network.coefs_ = [kernel.astype(np.float64) for kernel in model.weights[::2]]
    network.intercepts_ = [bias.astype(np.float64) for bias in model.weights[1::2]]
    return pipeline


def bootstrap_contestants(name: str) -> dict[str, Callable[[], Any]]:
    """Return both scores of the same resamples."""
    draws = np.random.default_rng(4)
    truth = draws.integers(0, CLASSES, JUDGED)
    prob = draws.dirichlet(np.ones(CLASSES), JUDGED) + 0.3 * np.eye(CLASSES)[truth]
    prob /= prob.sum(axis=1, keepdims=True)
    rows = judged(truth, prob, LEVELS, "classification")
    bootstrap = Bootstrap(times=RESAMPLES, seed=1)
    peers: dict[str, Callable[[Any, Any], float]] = {
        "accuracy": lambda y, p: float(sk.accuracy_score(y, p.argmax(axis=1))),
        "roc_auc": lambda y, p: float(sk.roc_auc_score(y, p, multi_class="ovo", average="macro")),
        "mn_log_loss": lambda y, p: float(sk.log_loss(y, p)),
    }

    def ours() -> Any:
        return replicates([name], [rows], LEVELS, "classification", bootstrap)[0][name]

    def theirs() -> list[float]:
        scores = []
        for counts in resamples(JUDGED, RESAMPLES, 1):
            for each in counts.astype(np.int64):
                taken = np.repeat(np.arange(JUDGED), each)
                scores.append(peers[name](truth[taken], prob[taken]))
        return scores

    return {"fitpoint": ours, "sklearn, resample by resample": theirs}


if __name__ == "__main__":
    main()
