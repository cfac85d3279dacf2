"""A child that tries, from where uploads are read, to reach a listener in every way it can."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from service.domain.schema import Value
from service.executors.answering import answer


class Reach(Value):
    """Where somebody listens, and whether this request may download."""

    port: int
    may: bool = False


def main() -> None:
    """Answer one `Reach` with what came of each way: "through" or the name of the error."""
    answer(Reach, _tried, lambda _: "", needs_network=lambda request: request.may)


def _tried(request: Reach) -> dict[str, Any]:
    # Started before, as a library's pool of threads would be.
    ways: dict[str, Callable[[], object]] = {
        "tcp": lambda: socket.create_connection(("127.0.0.1", request.port), 5).close(),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "ipv6": lambda: socket.socket(socket.AF_INET6).close(),
        "unix": lambda: socket.socket(socket.AF_UNIX).close(),
        "libc": _libc,
        "thread": lambda: _in_thread(request.port),
        "program": lambda: _program(request.port),
    }
    return {name: _outcome(way) for name, way in ways.items()}


def _outcome(way: Callable[[], object]) -> str:
    try:
        way()
    except OSError as error:
        return type(error).__name__
    return "through"


def _libc() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "socket")
    os.close(handle)


def _in_thread(port: int) -> None:
    found: list[OSError] = []

    def connect() -> None:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    if found:
        raise found[0]


def _program(port: int) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    if b"PermissionError" in done.stderr:
        raise PermissionError(done.stderr.decode())


if __name__ == "__main__":
    main()
