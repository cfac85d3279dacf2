"""Time from the command to the first `/livez`, and what the API process then weighs.

    python benchmarks/startup.py [--runs 5]

Each run starts `fitpoint serve --no-worker` in a fresh folder, migration included, and once more in
the same folder, as after a restart. The memory is the process's resident set, in megabytes.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from socket import socket
from statistics import median

TARGET_SECONDS = 2.0
TARGET_MEGABYTES = 250.0


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with closing(socket()) as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port


def start_once(folder: str) -> tuple[float, float]:
    """Return the seconds to the first answer of `/livez` and the megabytes after it."""
    port = free_port()
    environment = {**os.environ, "FITPOINT_DATA_DIR": folder}
    command = [sys.executable, "-m", "service", "serve", "--no-worker", "--port", str(port)]
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5):
                        return time.perf_counter() - started, megabytes(process.pid)
                except (urllib.error.URLError, ConnectionError):
                    if process.poll() is not None:
                        raise SystemExit("The server did not start.") from None
                    time.sleep(0.005)
        finally:
            process.terminate()


def megabytes(pid: int) -> float:
    """Return a process's resident set; Linux only."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"No resident set of process {pid} in /proc.")


def main() -> int:
    """Measure, print medians beside the targets, and return 1 when one is missed."""
    parser = argparse.ArgumentParser(description="Start-up of the API process.")
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    first, again = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="fitpoint-startup-") as folder:
            first.append(start_once(folder))
            again.append(start_once(folder))
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"median (least to most) of {runs} runs")
    missed = False
    for label, runs_ in (("fresh folder, migrates", first), ("after a restart", again)):
        seconds, weights = zip(*runs_, strict=True)
        for unit, values, target in (
            ("s to /livez", seconds, TARGET_SECONDS),
            ("MB resident", weights, TARGET_MEGABYTES),
        ):
            middle = median(values)
            missed = missed or middle > target
            print(
                f"{label:<23} {middle:8.2f} {unit} ({min(values):.2f} to {max(values):.2f}), "
                f"target {target:g}"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
