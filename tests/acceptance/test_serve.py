"""`fitpoint serve` as a person runs it: start, stop, a worker that dies, a restart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.running import RunningService, clean_environment, is_running, until

Start = Callable[..., RunningService]

FIT: dict[str, Any] = {
    "kind": "fit",
    "name": "iris",
    "dataset": "iris",
    "outcome": "Species",
    "recipe": [{"step": "normalize"}],
    "model": {"hidden_units": 4, "activation": "relu", "epochs": 3, "seeds": [1, 2, 3]},
    "evaluate": [{"dataset": "iris"}],
}


def with_iris(service: RunningService) -> dict[str, Any]:
    service.call("POST", "/v1/datasets", json={"name": "iris", "builtin": "iris"})
    job: dict[str, Any] = service.call("POST", "/v1/jobs", json=FIT)
    return job


def test_the_greeting_says_where_everything_is(start: Start) -> None:
    service = start("--no-worker")
    text = "\n".join(service.greeting)
    assert f"{service.address}/docs" in text
    assert str(service.folder) in text
    assert "fitpoint worker" in text
    assert service.http.get("/livez").status_code == 200
    assert service.http.get("/docs").status_code == 200


def test_without_a_worker_readiness_says_so(start: Start) -> None:
    service = start("--no-worker")
    ready = service.call("GET", "/readyz")
    assert ready["workers"] == 0
    assert ready["degraded"]


def test_sigterm_ends_an_idle_server_at_once(start: Start) -> None:
    service = start("--no-worker")
    began = time.monotonic()
    assert service.stop() == 128 + signal.SIGTERM
    # uvicorn looks at its flag ten times a second; an idle server has nothing to wait for.
    assert time.monotonic() - began < 3


def test_sigterm_does_not_wait_for_an_open_event_stream(start: Start) -> None:
    service = start("--no-worker")
    job = with_iris(service)
    opened = threading.Event()
    lines: list[str] = []

    def listen() -> None:
        with (
            httpx.Client(base_url=service.address, timeout=60) as http,
            http.stream("GET", f"/v1/jobs/{job['id']}/events") as answer,
        ):
            for line in answer.iter_lines():
                lines.append(line)
                opened.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert opened.wait(20)
    began = time.monotonic()
    assert service.stop() == 128 + signal.SIGTERM
    # The graceful time is 10 s: a stream that nobody ends would use all of it.
    assert time.monotonic() - began < 5
    listener.join(10)
    # It ended in order: had it been cut off, iterating would have raised in the thread.
    assert not listener.is_alive()
    assert lines


def test_a_port_in_use_is_told_and_ends_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "service", "serve", "--port", port],
            env=clean_environment(FITPOINT_DATA_DIR=str(tmp_path / "other")),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    # uvicorn's status for a start that failed; 2 would be misuse.
    assert done.returncode == 3
    assert "address already in use" in done.stderr


def test_a_worker_that_is_killed_is_replaced(start: Start) -> None:
    service = start()
    (first,) = until(lambda: service.workers, 30)
    os.kill(first, signal.SIGKILL)
    second = until(lambda: [pid for pid in service.workers if pid != first], 30)
    assert len(second) == 1
    assert is_running(second[0])


def test_a_worker_ends_when_its_server_is_killed(start: Start) -> None:
    service = start()
    (worker,) = until(lambda: service.workers, 30)
    until(lambda: service.call("GET", "/readyz")["workers"], 60)
    service.stop(signal.SIGKILL)
    until(lambda: not is_running(worker), 40)


def test_sigterm_leaves_no_process_behind(start: Start) -> None:
    service = start()
    (worker,) = until(lambda: service.workers, 30)
    until(lambda: service.call("GET", "/readyz")["workers"], 60)
    service.stop()
    assert not is_running(worker)


def test_everything_is_still_there_after_a_restart(start: Start) -> None:
    first = start()
    job = first.finished(with_iris(first)["id"])
    assert job["state"] == "succeeded", job["error"]
    rows = {"rows": first.call("GET", "/v1/datasets/iris/rows", params={"count": 5})["data"]}
    path = "/v1/models/iris/predictions"
    before = first.call("POST", path, json=rows, params={"type": "class,prob"})
    first.stop()

    second = start()
    assert second.call("GET", f"/v1/jobs/{job['id']}") == job
    assert second.call("GET", f"/v1/jobs/{job['id']}/epochs")["epochs_run"] == 3
    assert second.call("POST", path, json=rows, params={"type": "class,prob"}) == before


def test_the_same_spec_gives_the_same_weights_in_another_process(start: Start) -> None:
    first = start()
    one = first.finished(with_iris(first)["id"])
    first.stop()
    second = start()
    two = second.finished(second.call("POST", "/v1/jobs", json=FIT)["id"])
    hashes = {
        second.call("GET", f"/v1/models/{job['model_id']}")["weights_sha256"] for job in (one, two)
    }
    assert len(hashes) == 1


def test_a_worker_that_trains_inline_keeps_the_databases_own_sqlite(start: Start) -> None:
    service = start(FITPOINT_EXECUTOR="inline")
    mode = service.call("GET", "/v1/about")["journal_mode"]
    job = service.finished(with_iris(service)["id"])
    assert job["state"] == "succeeded", job["error"]
    # Had TensorFlow's SQLite taken the driver's place, the worker would have wanted another mode.
    assert service.call("GET", "/v1/about")["journal_mode"] == mode
    if mode == "wal":
        assert "journal mode TRUNCATE" not in service.log.read_text()
