"""A `fitpoint serve` of one's own: a free port, a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

from service.supervisor import STOP_SECONDS, child_environment

START_SECONDS = 60.0
ADDRESS = re.compile(r"^\s*address\s+(http://\S+)$")
# Where a user's own service keeps its things: the private one must not touch them.
NOT_INHERITED = ("FITPOINT_DATABASE_URL", "FITPOINT_STORAGE_URL", "FITPOINT_TRUSTED_NETWORK")


class ServerFailed(Exception):
    """The private server did not start, or ended; the message holds the end of its log."""


class PrivateServer:
    """A server process for the duration of a `with` block; `address` is set inside it."""

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self.folder = Path(tempfile.mkdtemp(prefix="fitpoint-demo-"))
        self.address = ""
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> PrivateServer:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS + 10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process that answers requests."""
        assert self._process is not None, "inside the `with` block"
        return self._process.pid

    def check(self) -> None:
        """Raise ServerFailed when the server has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise self._failed(f"ended with status {self._process.returncode}")

    def _start(self) -> None:
        environment = {
            name: value for name, value in child_environment().items() if name not in NOT_INHERITED
        }
        environment["FITPOINT_DATA_DIR"] = str(self.folder)
        command = [sys.executable, "-P", "-m", "service", "serve", "--port", "0"]
        with self._log.open("w") as log:
            # Its own group, so that Ctrl-C reaches only us; should we be killed, it ends too.
            self._process = subprocess.Popen(
                [*command, "--parent", str(os.getpid())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,
            )
        assert self._process.stdout is not None
        found: list[str] = []
        reader = threading.Thread(
            target=_read_address, args=(self._process.stdout, found), daemon=True
        )
        reader.start()
        reader.join(START_SECONDS)
        if not found:
            raise self._failed("did not start")
        self.address = found[0]

    def _failed(self, what: str) -> ServerFailed:
        last = self._log.read_text(errors="replace").splitlines()[-15:]
        return ServerFailed("\n".join([f"The private server {what}. Its log ends with:", *last]))


def _read_address(stdout: IO[str], found: list[str]) -> None:
    for line in stdout:
        match = ADDRESS.match(line)
        if match:
            found.append(match[1])
            return
