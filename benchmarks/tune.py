"""The chapter's grid of 24 networks on MNIST as one tune over HTTP, beside Keras one by one.

    python benchmarks/tune.py --data FOLDER [--epochs 20]

FOLDER holds mnist_train.csv.gz, mnist.npz and chapter_assessment_rows.txt: the rows that R's split
of the chapter kept for assessment. A private server with one worker, calibrated before; the time is
from the POST to the answer of `show_best`. Right after it `keras.Model.fit` trains a network of
each width for an epoch, in one process with all cores; that is multiplied up. Exits 1 when the
chapter's best four are not the best.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from contest import Contestant, take_turns
from contestants import keras_fit

from service.demo.client import Client
from service.demo.private_server import PrivateServer

WIDTHS = [5, 10, 20, 30, 50, 100]
PENALTIES = [1e-5, 1e-4, 1e-2, 1e-1]
BEST = {(100, 1e-5), (100, 1e-4), (50, 1e-4), (50, 1e-5)}
ROWS = 60_000


def body(data: Path, epochs: int) -> dict[str, Any]:
    """Return the tune; its recipe is learned on the 50,000 analysis rows alone."""
    assessment = sorted(map(int, (data / "chapter_assessment_rows.txt").read_text().split()))
    analysis = sorted(set(range(1, ROWS + 1)) - set(assessment))
    return {
        "kind": "tune",
        "name": "grid",
        "fit": {
            "dataset": "mnist_train",
            "outcome": "y",
            "recipe": [{"step": "zv"}, {"step": "normalize"}],
            "model": {
                "seeds": [47612, 67483, 96997],
                "hidden_units": {"tune": True},
                "penalty": {"tune": True},
                "activation": "relu",
                "epochs": epochs,
            },
        },
        "grid": {"kind": "expand", "values": {"hidden_units": WIDTHS, "penalty": PENALTIES}},
        "resamples": {
            "kind": "rows",
            "splits": [{"analysis": analysis, "assessment": assessment}],
        },
        "metrics": ["accuracy"],
    }


def tuned(server: PrivateServer, data: Path, epochs: int) -> bool:
    """Run the tune and print what came of it; tell whether the chapter found the same."""
    client = Client(server.address)
    options = {"columns": {"y": {"type": "factor"}}}
    client.upload("mnist_train", data / "mnist_train.csv.gz", options)
    client.wait_for_worker(60, server.check)
    while not (server.folder / "calibration.json").exists():
        server.check()
        time.sleep(1)
    asked = body(data, epochs)
    started = time.perf_counter()
    job = client.post("/v1/jobs", asked)["id"]
    accepted = time.perf_counter() - started
    while client.get(f"/v1/jobs/{job}")["state"] in ("queued", "running"):
        time.sleep(0.1)
    best = client.get(f"/v1/jobs/{job}/show_best")["data"]
    took = time.perf_counter() - started
    told = client.get(f"/v1/jobs/{job}")
    print(f"{told['state']}: accepted after {accepted:.2f} s, show_best after {took:.1f} s")
    print(f"bit_exact {told['bit_exact']}, planned {told['plan']['expected_seconds']:.1f} s")
    for row in best:
        print(f"{row['hidden_units']:5d} units, penalty {row['penalty']:g}: {row['mean']:.4f}")
    return {(row["hidden_units"], row["penalty"]) for row in best[:4]} == BEST


def main() -> int:
    """Run the tune, then Keras."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    with PrivateServer() as server:
        as_the_chapter = tuned(server, given.data, given.epochs)
    widths = (given.data, 50_000, WIDTHS, 1e-4)
    keras = Contestant([keras_fit], [widths], share=len(WIDTHS))
    (seconds,) = take_turns({"keras": keras}, 1)["keras"]
    grid = len(WIDTHS) * len(PENALTIES) * given.epochs * seconds
    print(f"keras.Model.fit: {seconds:.3f} s a model and epoch, {grid:.0f} s the grid")
    return 0 if as_the_chapter else 1


if __name__ == "__main__":
    sys.exit(main())
