"""Predictions a second over HTTP, beside the servers that are made for it.

    python benchmarks/serving.py --mlserver PYTHON --vetiver PYTHON [--rounds 5] [--seconds 4]

PYTHON are interpreters in whose environments `mlserver mlserver-sklearn` and `vetiver` are
installed; without one that peer is left out. `wrk` (Debian's package) makes the load: one thread,
8 connections that each wait for their answer. The same network everywhere: 784 raw columns, `zv`
and `normalize`, 30 relu units, 10 classes. Ours and the endpoint with `model.predict` do the
recipe; scikit-learn's classifier in MLServer and vetiver has it folded into its weights. Servers
take turns, in another order each round; all answers are compared with ours offline before. Printed:
medians of the rounds, and of the ratios to ours within a round. Last, latencies of ours at half of
its own load.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from service.demo.client import Client
from service.demo.private_server import PrivateServer
from service.engine.artifact import Artifact, read
from service.engine.prediction_columns import PredictionRows
from service.engine.predictor import Predictor
from service.engine.recipe import affine

COLUMNS, CONSTANT, HIDDEN, CLASSES, ROWS = 784, 67, 30, 10, 4000
NAMES = [f"x{place + 1}" for place in range(COLUMNS)]
CONNECTIONS = 8


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where rows are sent, as what, and where the classes are in the answer."""

    name: str
    url: str
    body: Callable[[np.ndarray[Any, Any]], Any]
    classes: Callable[[Any], list[int]]


def pixels(rows: int, seed: int) -> np.ndarray[Any, Any]:
    """Return rows that look like pictures: most cells 0, some columns always."""
    draws = np.random.default_rng(seed)
    found = draws.integers(0, 256, (rows, COLUMNS)) * (draws.random((rows, COLUMNS)) < 0.2)
    found[:, :CONSTANT] = 0
    return found


def trained(server: PrivateServer, folder: Path) -> Artifact:
    """Train the network by our own service, and return what it published."""
    client = Client(server.address)
    x = pixels(ROWS, 1)
    y = (x @ np.random.default_rng(2).normal(size=(COLUMNS, CLASSES))).argmax(axis=1)
    file = folder / "pixels.csv"
    header = ",".join([*NAMES, "y"])
    np.savetxt(file, np.column_stack([x, y]), "%d", ",", header=header, comments="")
    client.upload("pixels", file, {"columns": {"y": {"type": "factor"}}})
    client.wait_for_worker(90, server.check)
    asked = {
        "kind": "fit",
        "name": "network",
        "dataset": "pixels",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {
            "hidden_units": HIDDEN,
            "activation": "relu",
            "epochs": 5,
            "seeds": [1, 2, 3],
        },
    }
    job = client.post("/v1/jobs", asked)["id"]
    while client.get(f"/v1/jobs/{job}")["state"] in ("queued", "running"):
        time.sleep(0.1)
    model = client.get("/v1/models/network")
    return read(server.folder / model["artifact_path"], model["artifact_sha256"])


def leave_for_peers(model: Artifact, folder: Path) -> None:
    """Write the network as the peers read it."""
    linear = affine(model.recipe)
    assert linear is not None, "zv and normalize are"
    places = [NAMES.index(name) for name in model.recipe.outputs]
    first, bias, second, last = (part.astype(np.float64) for part in model.weights)
    kernel = np.zeros((COLUMNS, HIDDEN))
    kernel[places] = linear.scale[:, np.newaxis] * first
    folded = bias + linear.offset @ first
    np.savez(folder / "network.npz", kernel_0=kernel, bias_0=folded, kernel_1=second, bias_1=last)
    means, sds = -linear.offset / linear.scale, 1 / linear.scale
    np.savez(folder / "recipe.npz", columns=places, means=means, sds=sds)
    (folder / "model.keras").write_bytes(model.keras_bytes)


def free_port() -> int:
    """Return a port that nobody has at the moment, and two above it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port if port < 65_000 else free_port()


@contextmanager
def peer(role: str, python: str, folder: Path, ready: str) -> Iterator[str]:
    """Run a peer; yield its address once it answers at the path `ready`."""
    port = free_port()
    script = Path(__file__).with_name("serving_peers.py")
    with (folder / f"{role}.log").open("w") as log:
        process = subprocess.Popen(
            [python, str(script), role, str(folder), str(port)],
            stdout=log,
            stderr=log,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(address + ready).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{role} did not start:\n{(folder / f'{role}.log').read_text()}")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def ours(address: str, places: list[int]) -> list[Server]:
    """Return our two ways of asking for classes; `/v2` takes the columns that the model reads."""
    return [
        Server(
            name="fitpoint /v1",
            url=f"{address}/v1/models/network/predictions",
            body=lambda x: {"columns": NAMES, "data": x.tolist()},
            classes=lambda told: [int(row[0]) for row in told["data"]],
        ),
        Server(
            name="fitpoint /v2",
            url=f"{address}/v2/models/network/infer",
            body=lambda x: tensors(x[:, places]),
            classes=lambda told: [int(each) for each in told["outputs"][0]["data"]],
        ),
    ]


def tensors(x: np.ndarray[Any, Any]) -> Any:
    """Return rows as the Open Inference Protocol has them."""
    sent = {"name": "input", "datatype": "FP64", "shape": list(x.shape)}
    return {"inputs": [{**sent, "data": x.ravel().tolist()}]}


def peers(stack: ExitStack, folder: Path, pythons: dict[str, str | None]) -> list[Server]:
    """Start the peers whose interpreters are there."""
    found = []
    address = stack.enter_context(peer("keras", sys.executable, folder, "/openapi.json"))
    found.append(
        Server(
            name="FastAPI + model.predict",
            url=f"{address}/predict",
            body=lambda x: {"data": x.tolist()},
            classes=lambda told: list(told["class"]),
        )
    )
    if python := pythons["mlserver"]:
        address = stack.enter_context(peer("mlserver", python, folder, "/v2/models/network/ready"))
        found.append(
            Server(
                name="MLServer, scikit-learn",
                url=f"{address}/v2/models/network/infer",
                body=tensors,
                classes=lambda told: list(told["outputs"][0]["data"]),
            )
        )
    if python := pythons["vetiver"]:
        address = stack.enter_context(peer("vetiver", python, folder, "/ping"))
        found.append(
            Server(
                name="vetiver, scikit-learn",
                url=f"{address}/predict",
                body=lambda x: [dict(zip(NAMES, row, strict=True)) for row in x.tolist()],
                classes=lambda told: list(told["predict"]),
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Load:
    """What wrk told: answers a second, and latencies in milliseconds."""

    per_second: float
    p50: float
    p99: float


_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def loaded(server: Server, body: bytes, folder: Path, seconds: float, pause_ms: float = 0) -> Load:
    """Ask for a while, and return how fast it answered; `pause_ms` between two of a connection."""
    sent, script = folder / "body.json", folder / "ask.lua"
    sent.write_bytes(body)
    lines = [
        'wrk.method = "POST"',
        'wrk.headers["Content-Type"] = "application/json"',
        f'wrk.body = io.open("{sent}", "rb"):read("*a")',
    ]
    if pause_ms:
        lines.append(f"function delay() return {round(pause_ms)} end")
    script.write_text("\n".join(lines))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "60s"]
    done = subprocess.run(
        [*command, "--latency", "-s", str(script), server.url],
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"{server.name} did not answer every request:\n{done.stdout}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert rate is not None, done.stdout

    def latency(share: str) -> float:
        found = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s)$", done.stdout, re.M)
        assert found is not None, done.stdout
        return float(found[1]) * _UNITS[found[2]]

    return Load(per_second=float(rate[1]), p50=latency("50"), p99=latency("99"))


def compared(server: Server, x: np.ndarray[Any, Any], expected: list[int]) -> None:
    """End the run when a server does not answer what ours says offline."""
    told = httpx.post(server.url, json=server.body(x), timeout=60)
    if told.status_code != 200:
        raise SystemExit(f"{server.name} answered {told.status_code}: {told.text[:500]}")
    if server.classes(told.json()) != expected:
        raise SystemExit(f"{server.name} answers something else than the predictor offline.")


def main() -> None:
    """Run the contest and print its tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mlserver", metavar="PYTHON")
    parser.add_argument("--vetiver", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(PrivateServer())
        model = trained(server, folder)
        leave_for_peers(model, folder)
        pythons = {"mlserver": asked.mlserver, "vetiver": asked.vetiver}
        predictor = Predictor(model)
        places = [NAMES.index(name) for name in predictor.inputs.names]
        servers = [*ours(server.address, places), *peers(stack, folder, pythons)]
        rates: dict[str, float] = {}
        for rows in (1, 100):
            x = pixels(rows, 3)
            given = PredictionRows(
                inputs=predictor.inputs, layout="columns", numbers=x[:, places].astype(np.float64)
            )
            expected = [int(str(name)) for name in predictor.predict(given).classes]
            for each in servers:
                compared(each, x, expected)
            bodies = {each.name: json.dumps(each.body(x)).encode() for each in servers}
            told: dict[str, list[Load]] = {each.name: [] for each in servers}
            for number in range(asked.rounds):
                for each in random.Random(number).sample(servers, len(servers)):
                    found = loaded(each, bodies[each.name], folder, asked.seconds)
                    told[each.name].append(found)
            first = told[servers[0].name]
            print(f"\n{rows} rows a request, {asked.rounds} rounds of {asked.seconds:g} s")
            print(
                f"  {'server':<26} {'rows/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'fitpoint/this':>14}"
            )
            for name, loads in told.items():
                rate = statistics.median(each.per_second for each in loads)
                middle = statistics.median(each.p50 for each in loads)
                slow = statistics.median(each.p99 for each in loads)
                ratio = statistics.median(
                    a.per_second / b.per_second for a, b in zip(first, loads, strict=True)
                )
                print(
                    f"  {name:<26} {rate * rows:>9.0f} {middle:>8.2f} {slow:>8.2f} {ratio:>14.2f}"
                )
                rates[f"{name} {rows}"] = rate
        x = pixels(1, 3)
        for each in servers[:2]:
            full = rates[f"{each.name} 1"]
            pause = 1000 * CONNECTIONS / (full / 2)
            body = json.dumps(each.body(x)).encode()
            half = loaded(each, body, folder, 2 * asked.seconds, pause)
            print(
                f"\n{each.name}, single rows at {half.per_second / full:.0%} of its load "
                f"({half.per_second:.0f}/s): p50 {half.p50:.2f} ms, p99 {half.p99:.2f} ms"
            )


if __name__ == "__main__":
    main()
