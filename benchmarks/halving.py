"""A race against the whole grid, over HTTP: what it finds, and how many epochs that takes.

    python benchmarks/halving.py --data FOLDER [--seeds 5] [--only TABLE] [--rates]

FOLDER holds ames.csv and adult_train.csv; the third table are the digits that scikit-learn ships.
24 candidates (hidden_units, penalty) on 5 folds, 30 epochs: once all of them to their end, once as
a race that halves them after epochs 5, 10 and 20. Each seed draws the folds, the weights and the
orders anew. A private server with one worker, the two tunes of a seed one after the other. With
`--rates` candidates learn at different speeds, which a race cannot see through: it keeps the fast.

A race found it when the candidate that it selects is at most one standard error of the whole grid's
best worse than that best, in the whole grid's own table. Its results must be the whole grid's to
the last bit. Exits 1 when a race did not find it, or trained more than 40 % of the epochs.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from service.demo.client import Client
from service.demo.private_server import PrivateServer
from service.domain.metric_names import direction_of
from service.domain.tune.ranking import badness

GRID = {
    "hidden_units": [4, 8, 16, 32],
    "penalty": [0.00001, 0.0001, 0.001, 0.003, 0.01, 0.1],
    "learn_rate": [0.003],
}
RATES = {
    "hidden_units": [4, 8, 16, 32],
    "penalty": [0.0001, 0.01],
    "learn_rate": [0.001, 0.003, 0.01],
}
EPOCHS, FOLDS = 30, 5
RACE = {"kind": "halving", "factor": 2, "min_epochs": 5}
MOST = 0.4
ADULT_ROWS = 3000
DUMMIES: list[dict[str, Any]] = [
    {"step": "impute_median"},
    {"step": "unknown"},
    {"step": "other", "threshold": 0.02},
    {"step": "novel"},
    {"step": "dummy"},
    {"step": "zv"},
    {"step": "normalize"},
]
# By table: the fit's own parts, and the metric that candidates are judged by.
TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "ames": ({"outcome": "log_price", "id": ["Order", "PID"], "recipe": DUMMIES}, "rmse"),
    "adult": ({"outcome": "income", "id": "fnlwgt", "recipe": DUMMIES}, "roc_auc"),
    "digits": (
        {"outcome": "y", "recipe": [{"step": "zv"}, {"step": "normalize"}]},
        "mn_log_loss",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A tune's table by trial, the trial that it selects, its epochs and its seconds."""

    rows: dict[int, dict[str, Any]]
    selected: int
    epochs: int
    seconds: float


def register(client: Client, data: Path) -> None:
    """Register the tables; prices by their logarithm, of adult's rows the first ones."""
    with tempfile.TemporaryDirectory() as folder:
        ames = Path(folder) / "ames.csv"
        with (data / "ames.csv").open() as source, ames.open("w", newline="") as made:
            lines = list(csv.DictReader(source))
            for line in lines:
                line["log_price"] = str(math.log10(float(line.pop("SalePrice")) / 100_000))
            writer = csv.DictWriter(made, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
        client.upload("ames", ames)
        adult = Path(folder) / "adult.csv"
        with (data / "adult_train.csv").open() as source:
            adult.write_text("".join(source.readlines()[: ADULT_ROWS + 1]))
        levels = {"income": {"type": "factor", "levels": ["<=50K", ">50K"]}}
        client.upload("adult", adult, {"na": ["?"], "columns": levels})
    client.post("/v1/datasets", {"name": "digits", "builtin": "digits"})


def tuned(client: Client, table: str, grid: Mapping[str, Any], seed: int, *, race: bool) -> Tuned:
    """Run a tune to its end."""
    fit, metric = TABLES[table]
    model = {name: {"tune": True} for name in grid}
    body = {
        "kind": "tune",
        "fit": {
            "dataset": table,
            **fit,
            "model": {
                **model,
                "activation": "relu",
                "epochs": EPOCHS,
                "seeds": [seed, seed + 1, seed + 2],
            },
        },
        "grid": {"kind": "expand", "values": grid},
        "resamples": {"kind": "vfold", "v": FOLDS, "seed": seed},
        "metrics": [metric],
        "race": RACE if race else None,
    }
    started = time.perf_counter()
    job = client.post("/v1/jobs", body)["id"]
    while client.get(f"/v1/jobs/{job}")["state"] in ("queued", "running"):
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    rows = client.get(f"/v1/jobs/{job}/trials")["data"]
    return Tuned(
        rows={row["trial"]: row for row in rows},
        selected=client.get(f"/v1/jobs/{job}/select")["trial"],
        epochs=client.finished(job)["progress"]["epoch"],
        seconds=seconds,
    )


def compared(table: str, whole: Tuned, raced: Tuned) -> tuple[bool, float]:
    """Print a seed's two tunes side by side; tell whether it was found, and the share."""
    best, found = whole.rows[whole.selected], whole.rows[raced.selected]
    for trial, row in raced.rows.items():
        if "pruned_at" not in row and row != whole.rows[trial]:
            raise SystemExit(f"{table}: trial {trial} has other results in the race: {row}")
    direction = direction_of(best["metric"])
    lost = badness(found["mean"], direction) - badness(best["mean"], direction)
    share = raced.epochs / whole.epochs
    print(
        f"{table:7} best {best['mean']:.5f} +- {best['std_err']:.5f}, the race's "
        f"{found['mean']:.5f} ({lost / best['std_err']:.2f} standard errors worse), {share:.0%} of "
        f"{whole.epochs} epochs, {raced.seconds:.1f} s of {whole.seconds:.1f}",
        flush=True,
    )
    return lost <= best["std_err"], share


def main() -> int:
    """Run both for each table and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=TABLES)
    parser.add_argument("--rates", action="store_true")
    given = parser.parse_args()
    grid = RATES if given.rates else GRID
    found, shares, times = [], [], []
    with PrivateServer() as server:
        client = Client(server.address)
        register(client, given.data)
        client.wait_for_worker(60, server.check)
        for seed in range(1, given.seeds + 1):
            for table in [given.only] if given.only else TABLES:
                whole = tuned(client, table, grid, 1000 * seed, race=False)
                raced = tuned(client, table, grid, 1000 * seed, race=True)
                reached, share = compared(table, whole, raced)
                found.append(reached)
                shares.append(share)
                times.append(raced.seconds / whole.seconds)
    print(
        f"within one standard error of the best: {sum(found)} of {len(found)}; share of epochs "
        f"{min(shares):.0%} to {max(shares):.0%}, of the time {median(times):.0%} (median)"
    )
    return 0 if all(found) and max(shares) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
