"""How long a client waits from its POST to the first epoch: server, worker, warm Keras child.

    python benchmarks/first_epoch.py [--times 9]

Fits of 300 digits, one after the other over real HTTP, their events read as a stream. Each shape is
submitted twice: with a program that its child has not compiled yet, and with the same program and
other seeds. What compiling adds is the difference of the medians. Before, one fit wakes the child.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from statistics import median
from typing import Any

from service.demo.client import Client
from service.demo.private_server import START_SECONDS, PrivateServer

TARGET_SECONDS = 1.5


def first_epoch(client: Client, units: int, seed: int) -> float:
    """Return the seconds from a fit's POST to its first epoch, once the fit has ended."""
    body: dict[str, Any] = {
        "kind": "fit",
        "dataset": "digits",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {"hidden_units": units, "activation": "relu", "epochs": 5, "seeds": [seed, 2, 3]},
        "engine": {"validation_split": 0.2},
    }
    began = time.perf_counter()
    job_id = client.post("/v1/jobs", body)["id"]
    seconds = None
    for kind, _ in client.events(job_id):
        if kind == "epoch" and seconds is None:
            seconds = time.perf_counter() - began
    client.finished(job_id)
    assert seconds is not None, "a finished fit has a first epoch"
    return seconds


def main() -> None:
    """Start a server, submit, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=9)
    times = parser.parse_args().times
    # One child, so that the second fit of a shape meets the child of the first.
    os.environ["FITPOINT_SLOTS"] = "1"
    with PrivateServer() as server:
        client = Client(server.address)
        client.wait_for_worker(START_SECONDS, server.check)
        client.post("/v1/datasets", {"name": "digits", "builtin": "digits", "part": "test"})
        woken = first_epoch(client, 5, 1)
        shapes = [8 * (number + 2) for number in range(times)]
        new = sorted(first_epoch(client, units, 1) for units in shapes)
        known = sorted(first_epoch(client, units, 2) for units in shapes)
        client.close()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores: from POST to the first epoch "
        f"{median(known):.2f} s with a compiled program (at most {known[-1]:.2f}, target "
        f"{TARGET_SECONDS}); a new shape {median(new):.2f} s (at most {new[-1]:.2f}), of which "
        f"compiling {median(new) - median(known):.2f}; the first fit of a worker, which may wait "
        f"for its import, {woken:.1f} s"
    )


if __name__ == "__main__":
    main()
