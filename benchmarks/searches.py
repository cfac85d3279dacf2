"""What a search spends: candidates of the grid "bayes" against random ones, on real tables.

    python benchmarks/searches.py --data FOLDER [--tables digits] [--seeds 5] [--random 60]

FOLDER holds concrete.csv and penguins.csv; the digits come with scikit-learn. Width, learning rate
and penalty are open. For every seed a private server makes a search of `size` candidates and a tune
of `random` ones in the same ranges, on the same resamples. Told are the best mean of both, that of
the first `size` random ones, and after how many random ones their best was as good as the
search's: the ratio to `size` is what a search saves.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from service.demo.client import Client
from service.demo.private_server import PrivateServer
from service.domain.metric_names import direction_of
from service.domain.tune.ranking import badness

Rows = list[dict[str, Any]]
RANGES: dict[str, dict[str, Any]] = {
    "hidden_units": {"min": 2, "max": 64},
    "learn_rate": {"min": -4, "max": -1, "scale": "log10"},
    "penalty": {"min": -6, "max": -1, "scale": "log10"},
}
NORMALIZED: Rows = [{"step": "zv"}, {"step": "normalize", "columns": ["all_numeric_predictors"]}]
# The outcome, the metric, the recipe.
TABLES: dict[str, tuple[str, str, Rows]] = {
    "concrete": ("concrete_compressive_strength", "rmse", NORMALIZED),
    "penguins": (
        "species",
        "mn_log_loss",
        [
            {"step": "impute_median", "columns": ["all_numeric_predictors"]},
            {"step": "impute_mode", "columns": ["all_nominal_predictors"]},
            {"step": "dummy", "columns": ["all_nominal_predictors"]},
            *NORMALIZED,
        ],
    ),
    "digits": ("y", "mn_log_loss", NORMALIZED),
}


def body(table: str, grid: dict[str, Any]) -> dict[str, Any]:
    """Return a tune of a table."""
    outcome, metric, recipe = TABLES[table]
    opened = {name: {"tune": True} for name in RANGES}
    return {
        "kind": "tune",
        "fit": {
            "dataset": table,
            "outcome": outcome,
            "recipe": recipe,
            "model": {**opened, "activation": "relu", "epochs": 30, "seeds": [1, 2, 3]},
        },
        "grid": {**grid, "ranges": RANGES},
        "resamples": {"kind": "vfold", "v": 3, "seed": 4},
        "metrics": [metric],
    }


def found(client: Client, table: str, grid: dict[str, Any]) -> list[float]:
    """Return how bad each candidate of a tune is, in the order in which they were tried."""
    job = client.post("/v1/jobs", body(table, grid))["id"]
    while client.get(f"/v1/jobs/{job}")["state"] in ("queued", "running"):
        time.sleep(0.2)
    rows: Rows = client.get(f"/v1/jobs/{job}/trials?limit=100")["data"]
    direction = direction_of(TABLES[table][1])
    judged = {row["trial"]: row["mean"] for row in rows}
    means = [judged[trial] for trial in sorted(judged)]
    return [float("inf") if mean is None else badness(mean, direction) for mean in means]


def main() -> None:
    """Print a line a table and seed, then each table's medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, default=30)
    parser.add_argument("--random", type=int, default=60, help="at most 100: a page of trials")
    given = parser.parse_args()
    with PrivateServer() as server:
        client = Client(server.address)
        for name in ("concrete", "penguins"):
            client.upload(name, given.data / f"{name}.csv", {})
        client.post("/v1/datasets", {"name": "digits", "builtin": "digits", "part": "train"})
        client.wait_for_worker(60, server.check)
        for table in given.tables:
            ratios, spared = [], []
            for seed in range(given.seeds):
                search = {"kind": "bayes", "initial": 5, "size": given.size, "seed": seed}
                best = min(found(client, table, search))
                drawn = found(client, table, {"kind": "random", "size": given.random, "seed": seed})
                fair = min(drawn[: given.size])
                # More than were drawn counts as one more than that.
                needed = next(
                    (at for at, bad in enumerate(drawn, 1) if bad <= best), len(drawn) + 1
                )
                ratios.append(best / fair)
                spared.append(needed / given.size)
                print(
                    f"{table}, seed {seed}: searched {best:.4f}, as many at random {fair:.4f}, "
                    f"{given.random} at random {min(drawn):.4f}, as good after {needed}",
                    flush=True,
                )
            print(
                f"{table}: {statistics.median(ratios):.3f} of random's best with as many; random "
                f"needs {statistics.median(spared):.1f} times as many",
                flush=True,
            )


if __name__ == "__main__":
    main()
