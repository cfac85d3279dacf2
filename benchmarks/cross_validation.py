"""5-fold cross-validation of 20 networks: ours over HTTP, scikit-learn's grid search, KerasTuner.

    python benchmarks/cross_validation.py --data FOLDER [--epochs 10] [--tables ames,adult]

FOLDER holds ames.csv and adult_train.csv. Who takes part gets the same folds (ours are drawn first
and read back from `/resamples`), the same candidates (five widths, four penalties), Adam, batch
size and number of epochs, and the same recipe, learned within each fold: gaps filled in, dummies,
constant columns dropped, normalized. One after the other, each with both cores: a private server
with one worker, calibrated before, from the POST to the answer of `show_best`; the same tune once
more, whose programs are compiled by then; `GridSearchCV` with n_jobs=2; KerasTuner, whose extra is
`benchmark`. The scores differ as weights and batches are drawn by each in its own way.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cross_validators import CORES, Answer, Task, apart, grid_search, keras_tuner

from service.demo.client import Client
from service.demo.private_server import START_SECONDS, PrivateServer

FOLDS = 5
HIDDEN_UNITS = (8, 16, 32, 64, 128)
PENALTY = (0.0, 1e-4, 1e-3, 1e-2)
# Prices are compared by their ratio; this one is about the median.
DOLLARS = 160_000
RECIPE: list[dict[str, Any]] = [
    {"step": "impute_median"},
    {"step": "novel"},
    {"step": "unknown"},
    {"step": "dummy"},
    {"step": "zv"},
    {"step": "normalize"},
]


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A table and what is asked of it; `batch_size` is for its number of rows.

    `learn_rate` is such that ten epochs suffice: of ames with 0.001 the rmse of one candidate goes
    from 0.20 to 0.24 with the seeds, with 0.003 from 0.137 to 0.143.
    """

    name: str
    file: str
    outcome: str
    metric: str
    batch_size: int
    learn_rate: float
    left_out: tuple[str, ...] = ()
    levels: tuple[str, ...] | None = None

    def csv(self, data: Path, folder: Path) -> Path:
        """Write what is uploaded: the table without its numbers of rows, prices as logarithms."""
        frame = pd.read_csv(data / self.file, dtype=str, keep_default_na=False)
        frame = frame.drop(columns=list(self.left_out))
        if self.levels is None:
            prices = frame.pop("SalePrice").astype(float)
            frame[self.outcome] = [f"{each:.9f}" for each in np.log(prices / DOLLARS)]
        path = folder / f"{self.name}.csv"
        frame.to_csv(path, index=False)
        return path

    def body(self, epochs: int) -> dict[str, Any]:
        """Return the tune."""
        engine = {"name": "keras3", "batch_size": self.batch_size}
        tuned = {"hidden_units": {"tune": True}, "penalty": {"tune": True}}
        return {
            "kind": "tune",
            "fit": {
                "dataset": self.name,
                "outcome": self.outcome,
                "recipe": RECIPE,
                "model": {
                    **tuned,
                    "activation": "relu",
                    "epochs": epochs,
                    "learn_rate": self.learn_rate,
                    "seeds": [1, 2, 3],
                },
                "engine": engine,
            },
            "grid": {
                "kind": "expand",
                "values": {"hidden_units": HIDDEN_UNITS, "penalty": PENALTY},
            },
            "resamples": {
                "kind": "vfold",
                "v": FOLDS,
                "seed": 20261128,
                "strata": self.outcome if self.levels else None,
            },
            "metrics": [self.metric],
        }


CONTESTS = {
    "ames": Contest(
        name="ames",
        file="ames.csv",
        outcome="log_price",
        metric="rmse",
        batch_size=32,
        learn_rate=0.003,
        left_out=("Order", "PID"),
    ),
    "adult": Contest(
        name="adult",
        file="adult_train.csv",
        outcome="income",
        metric="roc_auc",
        batch_size=256,
        learn_rate=0.001,
        levels=(">50K", "<=50K"),
    ),
}


def ours(client: Client, contest: Contest, epochs: int) -> tuple[Answer, str]:
    """Run the tune; return the answer and the job's path."""
    body = contest.body(epochs)
    started = time.perf_counter()
    path = f"/v1/jobs/{client.post('/v1/jobs', body)['id']}"
    while client.get(path)["state"] in ("queued", "running"):
        time.sleep(0.05)
    best = client.get(f"{path}/show_best", n=len(HIDDEN_UNITS) * len(PENALTY))["data"]
    seconds = time.perf_counter() - started
    client.finished(path.rpartition("/")[2])
    scores = {(row["hidden_units"], row["penalty"]): row["mean"] for row in best}
    return Answer(seconds=seconds, scores=scores), path


def task_of(client: Client, contest: Contest, path: str, csv: Path, epochs: int) -> Task:
    """Return what the others are given: the table in our types, and the folds of the tune."""
    columns = client.get(f"/v1/datasets/{contest.name}")["columns"]
    types = {each["name"]: each["type"] for each in columns if each["name"] != contest.outcome}
    numeric = tuple(name for name, kind in types.items() if kind in ("numeric", "integer"))
    frame = pd.read_csv(
        csv,
        dtype={name: float if name in numeric else object for name in types},
        keep_default_na=False,
        na_values=["", "NA"],
        skipinitialspace=True,
    )
    outcome = frame[contest.outcome]
    truth = outcome == contest.levels[0] if contest.levels else outcome
    folds = client.get(f"{path}/resamples", limit=FOLDS)["data"]
    return Task(
        frame={name: frame[name].to_list() for name in types},
        numeric=numeric,
        nominal=tuple(name for name in types if name not in numeric),
        outcome=np.asarray(truth, dtype=np.float64),
        classification=contest.levels is not None,
        folds=tuple(
            (np.asarray(each["analysis"]) - 1, np.asarray(each["assessment"]) - 1) for each in folds
        ),
        hidden_units=HIDDEN_UNITS,
        penalty=PENALTY,
        epochs=epochs,
        batch_size=contest.batch_size,
        learn_rate=contest.learn_rate,
    )


def told(who: str, contest: Contest, answer: Answer, first: Answer) -> None:
    """Print one line."""
    (units, penalty), mean = answer.best(contest.levels is not None)
    times = "" if answer is first else f", {answer.seconds / first.seconds:.1f} times ours"
    print(
        f"{contest.name:6} {who:32} {answer.seconds:7.1f} s{times}; best {contest.metric} "
        f"{mean:.4f} at {units} units, penalty {penalty:g}",
        flush=True,
    )


def contested(contest: Contest, data: Path, epochs: int) -> None:
    """Have everybody do one table, and print as they come."""
    with tempfile.TemporaryDirectory() as folder, PrivateServer() as server:
        csv = contest.csv(data, Path(folder))
        client = Client(server.address)
        levels = {contest.outcome: {"type": "factor", "levels": contest.levels}}
        options = {"columns": levels} if contest.levels else None
        client.upload(contest.name, csv, options)
        client.wait_for_worker(START_SECONDS, server.check)
        while not (server.folder / "calibration.json").exists():
            server.check()
            time.sleep(0.5)
        first, path = ours(client, contest, epochs)
        told("ours over HTTP", contest, first, first)
        again, _ = ours(client, contest, epochs)
        told("ours, programs compiled before", contest, again, first)
        task = task_of(client, contest, path, csv, epochs)
        client.close()
    told(f"GridSearchCV, n_jobs={CORES}", contest, apart(grid_search, task), first)
    told("KerasTuner", contest, apart(keras_tuner, task), first)


def main() -> None:
    """Run the contest of each table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tables", default=",".join(CONTESTS), help="of " + ", ".join(CONTESTS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as caches:
        # Programs that an earlier run compiled must not be there already.
        os.environ["XDG_CACHE_HOME"] = caches
        for name in given.tables.split(","):
            contested(CONTESTS[name], given.data, given.epochs)


if __name__ == "__main__":
    main()
