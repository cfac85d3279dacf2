"""What a client sent is read where no socket can be opened, by whatever code that runs."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.domain.datasets import ReadLimits, ReadOptions
from service.domain.errors import UnreadableFile
from service.executors.asking import ask
from service.executors.parsing import parse_upload
from tests.executors.connecting_child import Reach

CHILD = "tests.executors.connecting_child"
filtered = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="the kernel's filter is for Linux on x86-64 and arm64",
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def _connections(listener: socket.socket) -> int:
    found = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return found
        found += 1


@filtered
def test_a_child_reaches_nobody_by_any_way(listener: socket.socket) -> None:
    told = ask(CHILD, Reach(port=listener.getsockname()[1]), 60)
    assert set(told) == {"tcp", "udp", "ipv6", "unix", "libc", "thread", "program"}
    assert set(told.values()) == {"PermissionError"}
    assert _connections(listener) == 0


@filtered
def test_the_child_that_reads_an_upload_is_under_the_filter(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    os.mkfifo(endless)

    def read() -> None:
        with pytest.raises(UnreadableFile):
            parse_upload(endless, tmp_path / "datasets", ReadOptions(), ReadLimits(seconds=60))

    reader = threading.Thread(target=read)
    reader.start()
    # Opening for writing waits until the child opens it, which it does under the filter.
    with endless.open("wb"):
        child = int(Path(f"/proc/self/task/{reader.native_id}/children").read_text())
        said = Path(f"/proc/{child}/status").read_text()
        os.kill(child, signal.SIGKILL)
    reader.join()
    assert "NoNewPrivs:\t1\n" in said
    assert "Seccomp:\t2\n" in said


def test_a_child_that_has_to_download_may(listener: socket.socket) -> None:
    told = ask(CHILD, Reach(port=listener.getsockname()[1], may=True), 60)
    assert told["tcp"] == told["thread"] == told["program"] == "through"
    assert _connections(listener) == 3


def test_where_there_is_no_filter_python_itself_refuses(listener: socket.socket) -> None:
    code = f"""
import platform, socket
platform.machine = lambda: "riscv64"
from service.executors.network_ban import forbid_network
assert forbid_network() is False
try:
    socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 5)
except PermissionError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
    assert _connections(listener) == 0
