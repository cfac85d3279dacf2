"""Experiments in a mount namespace of their own, and a client that predicts all the while.

`unshare -Urm` needs no privilege where the kernel lets anybody have a user namespace.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.running import ROOT

_INSIDE = "--inside"


def inside() -> Path | None:
    """Return the folder that this process was given within its namespace, None outside of one."""
    return Path(sys.argv[-1]) if _INSIDE in sys.argv else None


def run_in_namespace(module: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a module whose mounts only its own processes see; it finds the folder with `inside`."""
    return subprocess.run(
        ["unshare", "-Urm", sys.executable, "-m", module, _INSIDE, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def can_mount() -> bool:
    """Return whether this machine lets anybody mount a tmpfs in a namespace of one's own."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False


def run_by_hand(module: str) -> int:
    """Run a module in a namespace, pass on what it prints, and return its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        done = run_in_namespace(module, Path(folder))
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


@contextmanager
def predicting(address: str, told: dict[str, Any]) -> Iterator[None]:
    """Predict without pause, and count the answers that are not the first one."""
    stop = threading.Event()

    def work() -> None:
        rows = {"rows": [{"Sepal.Length": 5.1, "Sepal.Width": 3.5, "Petal.Length": 1.4,
                          "Petal.Width": 0.2}]}  # fmt: skip
        first: Any = None
        with httpx.Client(base_url=address, timeout=30) as http:
            while not stop.is_set():
                answer = http.post("/v1/models/iris/predictions?type=prob", json=rows)
                first = first or answer.content
                good = answer.status_code == 200 and answer.content == first
                told["predictions" if good else "wrong_predictions"] += 1
                time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
