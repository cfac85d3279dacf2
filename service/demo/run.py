"""`fitpoint demo`: a private server, the walk, the pictures, and everything tidied away."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console
from rich.markup import escape

import service
from service.demo.client import Client, JobFailed, Refused
from service.demo.plan import NotForUs
from service.demo.private_server import PrivateServer, ServerFailed
from service.demo.tables import load_builtin, load_files
from service.demo.walk import WORKER_SECONDS, walk

PICTURES = Path("fitpoint-demo")


def _interruptible() -> threading.Event:
    """Have Ctrl-C and SIGTERM end the walk in order; return what tells that one of them came.

    What a handler raises is dropped where it meets a destructor, so it is asked for again later.
    """
    interrupted = threading.Event()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, interrupt)
    return interrupted


def run_demo(*, data: str, own: tuple[Path, Path] | None, outcome: str, keep: bool) -> int:
    """Make the walk on built-in data, or on a person's `own` two files; returns the exit status."""
    interrupted = _interruptible()
    console = Console()
    console.print(f"[bold]Fitpoint {service.__version__}[/]: a walk over HTTP on a private server")

    def say(line: str) -> None:
        console.print(f"  {line}", markup=False)

    try:
        with PrivateServer(keep=keep) as server:
            console.print(f"  {server.address}, docs at {server.address}/docs")
            client = Client(server.address)
            try:
                console.print("[bold]Data[/]")
                if own is None:
                    tables = load_builtin(client, data)
                else:
                    tables = load_files(client, *own, outcome, say)
                client.wait_for_worker(WORKER_SECONDS, server.check)
                saved = walk(client, console, PICTURES, tables, outcome if own else "y")
                if interrupted.is_set():
                    raise KeyboardInterrupt
            except (httpx.TransportError, JobFailed):
                # The reason is more likely in the server's log than in the broken connection.
                server.check()
                raise
            finally:
                client.close()
    except KeyboardInterrupt:
        console.print("Interrupted; the private server has ended.")
        return 128 + signal.SIGINT
    except (Refused, JobFailed, NotForUs, ServerFailed, httpx.TransportError) as error:
        console.print(f"[red]The walk ended here:[/] {escape(str(error))}", highlight=False)
        return 1
    console.print("[bold]Pictures[/]")
    for path in saved:
        console.print(f"  {path.resolve()}", soft_wrap=True)
    if keep:
        console.print(f"The server's folder was kept: {server.folder}", soft_wrap=True)
        console.print(f"  FITPOINT_DATA_DIR={server.folder} fitpoint serve", soft_wrap=True)
    return 0
