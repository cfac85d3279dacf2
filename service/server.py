"""Runs the API in this process under uvicorn, with the worker's supervisor beside it."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from service.app import create_app
from service.presence import rescue_now
from service.settings import Settings
from service.storage.keeper import Keeper
from service.store import migrations
from service.supervisor import Supervisor, child_environment, worker_command

# How long a thread that computes keeps the others waiting. Python's 5 ms is many requests long: the
# event loop would wait for them before it reads the next one.
SWITCH_SECONDS = 0.0005
# An answer in flight may take this long after SIGTERM; open event streams end at once.
GRACEFUL_SECONDS = 10


class NotLoopback(Exception):
    """`serve` was asked to listen where others reach it, and no key protects it."""


class Server(uvicorn.Server):
    """uvicorn's server that tells when it listens, and ends open event streams when it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        stopping: asyncio.Event,
        supervisor: Supervisor | None,
        on_ready: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._supervisor = supervisor
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # Only now: importing TensorFlow beside the API's own start would slow it down.
            if self._supervisor is not None:
                self._supervisor.start()
            self._on_ready(self._address())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # An open event stream would hold the exit for all of GRACEFUL_SECONDS.
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.ask_to_stop()
        super().handle_exit(sig, frame)

    def _address(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    with_worker: bool,
    on_ready: Callable[[str], None],
) -> int:
    """Migrate, then serve until SIGTERM or SIGINT. Returns the exit status.

    `on_ready` is called with the address once requests are answered; with port 0 it holds the one
    that the system chose.

    Raises:
        NotLoopback: `host` is not loopback and the settings do not trust the network.
    """
    if not settings.trusted_network and not is_loopback(host):
        raise NotLoopback(
            f"Expected a loopback host such as 127.0.0.1. Received '{host}'. Requests need no key "
            "yet, so everybody who reaches the port could train and delete. Where the network "
            "itself keeps others out (a container whose port is published on 127.0.0.1), set "
            "FITPOINT_TRUSTED_NETWORK=1."
        )
    settings.make_data_dir()
    migrations.migrate(settings.database_url)
    app = create_app(settings)
    supervisor = (
        Supervisor(
            worker_command(),
            environment=child_environment(),
            on_end=lambda: rescue_now(settings),
        )
        if with_worker
        else None
    )
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    server = Server(config, stopping=app.state.stopping, supervisor=supervisor, on_ready=on_ready)
    sys.setswitchinterval(SWITCH_SECONDS)
    # uvicorn raises the signal again once it has shut down; without a handler that would end
    # the process before the worker has ended.
    signal.signal(signal.SIGTERM, _exit_terminated)
    try:
        with Keeper(settings):
            server.run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        if supervisor is not None:
            supervisor.stop()
    return 0


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _exit_terminated(_sig: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)
