"""Keeps one worker process alive beside the API: restarts it when it dies, ends it at the end."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import service

log = logging.getLogger(__name__)

# A worker asked to stop finishes its epoch, hands its job back and exits within 30 s.
STOP_SECONDS = 35.0


class Supervisor:
    """One child process that is started again with growing pauses until `stop()`.

    A thread of its own starts and awaits the child, and lives as long as the child does: the
    kernel ends a child whose starting *thread* has gone (see `service.executors.lifeline`).
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        first_pause_seconds: float = 1.0,
        longest_pause_seconds: float = 30.0,
        steady_seconds: float = 60.0,
        stop_seconds: float = STOP_SECONDS,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_end` is called each time the child has ended, before another one starts."""
        self._command = list(command)
        self._environment = dict(os.environ if environment is None else environment)
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._steady_seconds = steady_seconds
        self._stop_seconds = stop_seconds
        self._on_end = on_end
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process id of the child that runs now, or None between two of them."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def start(self) -> None:
        """Start the child; returns at once."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Send the child SIGTERM and start no other; returns at once and may be called twice.

        Safe in a signal handler: it takes no lock that the interrupted thread may hold.
        """
        self._stopping.set()
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()

    def stop(self) -> None:
        """End the child and wait for it; it is killed when it takes longer than `stop_seconds`."""
        self.ask_to_stop()
        if not self._thread.is_alive():
            return
        self._thread.join(self._stop_seconds)
        child = self._child
        if self._thread.is_alive() and child is not None:
            log.warning("The worker did not end within %.0f s and is killed", self._stop_seconds)
            child.kill()
            self._thread.join()

    def _run(self) -> None:
        pause = self._first_pause_seconds
        while not self._stopping.is_set():
            started = time.monotonic()
            outcome = self._run_once()
            self._on_end()
            if self._stopping.is_set():
                return
            if time.monotonic() - started >= self._steady_seconds:
                pause = self._first_pause_seconds
            log.error("The worker %s; the next starts in %.0f s", outcome, pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, self._longest_pause_seconds)

    def _run_once(self) -> str:
        try:
            # Its own group: Ctrl-C at the terminal reaches us, and we end it in order.
            child = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, process_group=0
            )
        except OSError as error:
            return f"could not be started ({error})"
        self._child = child
        if self._stopping.is_set():
            # Asked to stop between the look at the flag and the start.
            child.terminate()
        return f"ended with status {child.wait()}"


def worker_command() -> list[str]:
    """Return the command of a worker that ends with this process."""
    # -P: a folder called `service` in the current directory is not ours.
    return [sys.executable, "-P", "-m", "service", "worker", "--parent", str(os.getpid())]


def child_environment() -> dict[str, str]:
    """Return this process's environment with the place that our package was imported from."""
    root = str(Path(service.__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
