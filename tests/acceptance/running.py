"""A real `fitpoint serve` in a process of its own, for tests that talk to it over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from service.settings import PREFIX, TEST_PREFIX
from service.store.sqlite import driver

ROOT = Path(__file__).parents[2]


def clean_environment(**given: str) -> dict[str, str]:
    """This process's environment without what a person's own service reads, and with `given`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "KERAS_BACKEND" and (not name.startswith(PREFIX) or name.startswith(TEST_PREFIX))
    }
    return {**inherited, "PYTHONPATH": str(ROOT), **given}


def until(condition: Callable[[], Any], seconds: float) -> Any:
    """Return the first true answer of `condition`; fail when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children, zombies included."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and _parent(entry) == pid
    ]


def integrity(folder: Path) -> str:
    """Return what SQLite says of the file in a data folder: "ok" when it is whole."""
    with closing(driver().connect(str(folder / "fitpoint.sqlite"))) as raw:
        return str(raw.execute("PRAGMA integrity_check").fetchone()[0])


class NotStarted(AssertionError):
    """A service ended before it answered; says what it logged."""


class RunningService:
    """A service that answers; `stop()` ends it and returns its exit status."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self._started_with = (arguments, environment)
        self.log = folder.with_suffix(".log")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "service", "serve", "--port", "0", "--parent", str(os.getpid())),
                    *arguments,
                ],
                cwd=folder.parent,
                env=clean_environment(
                    FITPOINT_DATA_DIR=str(folder),
                    # The disk of who runs the tests may be nearly full.
                    **{"FITPOINT_MIN_FREE_BYTES": "0", **environment},
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,
            )
        self.http = httpx.Client(timeout=60)
        assert self.process.stdout is not None
        self.greeting: list[str] = []
        for line in self.process.stdout:
            self.greeting.append(line.rstrip())
            if line.split()[:1] == ["worker"]:
                break
        if not self.greeting:
            self.stop()
            raise NotStarted(self.log.read_text())
        (self.address,) = (
            line.split()[1] for line in self.greeting if line.split()[0] == "address"
        )
        self.http.base_url = httpx.URL(self.address)

    @property
    def workers(self) -> list[int]:
        """Process ids of the children that supervise nothing and train: the workers."""
        return children(self.process.pid)

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Return the JSON answer; fail with the problem when there is one."""
        answer = self.http.request(method, path, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def all(self, kind: str) -> list[Any]:
        """Return everything that a list such as "jobs" has, page by page, newest first."""
        items: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self.call("GET", f"/v1/{kind}", params={"limit": 100, **after})
            items += page["data"]
            if not page["has_more"]:
                return items
            after = {"after": page["next"]}

    def finished(self, job_id: str, seconds: float = 90) -> Any:
        """Return a job once it has ended."""

        def ended() -> Any:
            job = self.call("GET", f"/v1/jobs/{job_id}")
            return job if job["state"] in ("succeeded", "failed", "cancelled") else None

        return until(ended, seconds)

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """End the process and return its status; a second call returns the same."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(sent)
        status = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def killed_and_started_again(self) -> RunningService:
        """Kill the process with SIGKILL and return its successor, on the same port."""
        self.stop(signal.SIGKILL)
        arguments, environment = self._started_with
        port = self.address.rpartition(":")[2]
        return RunningService(self.folder, *arguments, "--port", port, **environment)


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return -1
