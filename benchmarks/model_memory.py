"""What the API process holds with 100 models loaded, and what letting go of them gives back.

    python benchmarks/model_memory.py [--models 100] [--columns 784] [--units 30]

Trains that many small models of one wide table by a private server, asks each once, then deletes
all but one. Prints the API process' memory before, with all of them loaded, and afterwards.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from service.demo.client import Client
from service.demo.private_server import PrivateServer


def megabytes(pid: int) -> float:
    """Return what a process holds in memory."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None, "Linux tells it"
    return int(found[1]) / 1024


def table(folder: Path, columns: int) -> Path:
    """Write a table of whole numbers with an outcome of two classes."""
    draws = np.random.default_rng(1)
    x = draws.integers(0, 256, (500, columns))
    y = x[:, 0] > x[:, 1]
    header = ",".join([*(f"x{place + 1}" for place in range(columns)), "y"])
    file = folder / "wide.csv"
    np.savetxt(file, np.column_stack([x, y]), "%d", ",", header=header, comments="")
    return file


def fit(number: int, units: int) -> dict[str, Any]:
    """Return the body of one fit."""
    return {
        "kind": "fit",
        "name": f"m{number}",
        "dataset": "wide",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {"hidden_units": units, "epochs": 1, "seeds": [number, 2, 3]},
    }


def main() -> None:
    """Train, load, delete, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--columns", type=int, default=784)
    parser.add_argument("--units", type=int, default=30)
    asked = parser.parse_args()
    os.environ["FITPOINT_LOADED_MODELS"] = str(asked.models)
    with tempfile.TemporaryDirectory() as folder, PrivateServer() as server:
        client = Client(server.address)
        file = table(Path(folder), asked.columns)
        client.upload("wide", file, {"columns": {"y": {"type": "factor"}}})
        client.wait_for_worker(90, server.check)
        numbers = range(1, asked.models + 1)
        jobs = [client.post("/v1/jobs", fit(number, asked.units))["id"] for number in numbers]
        while client.get(f"/v1/jobs/{jobs[-1]}")["state"] in ("queued", "running"):
            time.sleep(0.5)
        row = {"rows": [{f"x{place + 1}": 1 for place in range(asked.columns)}]}
        pid = server.pid
        client.post("/v1/models/m1/predictions", row)
        before = megabytes(pid)
        for number in numbers:
            client.post(f"/v1/models/m{number}/predictions", row)
        loaded = megabytes(pid)
        for number in numbers[1:]:
            client.delete(f"/v1/models/m{number}")
        client.post("/v1/models/m1/predictions", row)
        after = megabytes(pid)
        each = (loaded - before) / max(asked.models - 1, 1)
        weights = 4 * (asked.columns * asked.units + asked.units * 3) / 2**20
        print(f"{asked.models} models of {asked.columns} columns and {asked.units} units")
        print(f"with one loaded {before:.0f} MB, with all {loaded:.0f} MB: {each:.2f} MB each,")
        print(f"of which weights {weights:.2f}; with one again {after:.0f} MB")


if __name__ == "__main__":
    main()
