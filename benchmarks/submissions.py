"""How fast jobs are accepted: POSTs over kept-alive connections to a server without a worker.

    python benchmarks/submissions.py [--jobs 1000] [--connections 8] [--keyed]

Every answer is a job whose row is on the disk (`synchronous=FULL`). With `--keyed` each request
carries an idempotency key, and the answer is kept with it. Then the list is read page by page.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from startup import free_port

FIT: dict[str, Any] = {
    "kind": "fit",
    "dataset": "iris",
    "outcome": "Species",
    "recipe": [{"step": "normalize"}],
    "model": {"epochs": 3, "seeds": [1, 2, 3]},
}
JSON = {"Content-Type": "application/json"}


def call(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    """Return the JSON answer of a request that must succeed."""
    connection.request(method, path, None if body is None else json.dumps(body), JSON)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text)


def post(port: int, first: int, count: int, *, keyed: bool) -> list[float]:
    """Submit `count` jobs over one connection and return the seconds of each."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    seconds = []
    for number in range(first, first + count):
        body = json.dumps({**FIT, "name": f"job-{number}"})
        headers = {**JSON, "Idempotency-Key": f"key-{number}"} if keyed else JSON
        began = time.perf_counter()
        connection.request("POST", "/v1/jobs", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        seconds.append(time.perf_counter() - began)
        if answer.status != 202:
            raise SystemExit(f"POST /v1/jobs: {answer.status} {text.decode()}")
    connection.close()
    return seconds


def pages(connection: http.client.HTTPConnection) -> tuple[int, list[float]]:
    """Read the whole list of jobs; return how many there are and the seconds of each page."""
    found, seconds, after = 0, [], ""
    while True:
        began = time.perf_counter()
        page = call(connection, "GET", f"/v1/jobs?limit=100{after}")
        seconds.append(time.perf_counter() - began)
        found += len(page["data"])
        if not page["has_more"]:
            return found, seconds
        after = f"&after={page['next']}"


def main() -> None:
    """Start a server, submit, list, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--keyed", action="store_true")
    asked = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "service", "serve", "--no-worker", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FITPOINT_DATA_DIR": str(Path(folder) / "data")}
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
            try:
                measure(port, asked.jobs, asked.connections, keyed=asked.keyed)
            finally:
                process.terminate()


def measure(port: int, jobs: int, connections: int, *, keyed: bool) -> None:
    """Print the rate, the latencies and what a page of the list takes."""
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5).close()
            break
        except OSError:
            time.sleep(0.05)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    call(connection, "POST", "/v1/datasets", {"name": "iris", "builtin": "iris"})
    each = jobs // connections
    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        working = [
            pool.submit(post, port, at * each, each, keyed=keyed) for at in range(connections)
        ]
        seconds = sorted(second for work in working for second in work.result())
    lasted = time.perf_counter() - began
    connection.close()
    # The first connection was idle for longer than the server keeps one.
    found, listing = pages(http.client.HTTPConnection("127.0.0.1", port, timeout=60))
    keys = "with" if keyed else "without"
    print(
        f"{platform.machine()}, {os.cpu_count()} cores: {len(seconds)} jobs over {connections} "
        f"connections, {keys} keys: {len(seconds) / lasted:.0f} a second, "
        f"p50 {1000 * seconds[len(seconds) // 2]:.1f} ms, "
        f"p99 {1000 * seconds[int(0.99 * (len(seconds) - 1))]:.1f} ms; "
        f"{found} listed, a page of 100 in {1000 * median(listing):.1f} ms"
    )


if __name__ == "__main__":
    main()
