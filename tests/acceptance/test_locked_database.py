"""Another process holds SQLite's lock: waits while that helps, says so when it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.store.sqlite import driver
from tests.acceptance.running import RunningService, until
from tests.acceptance.test_serve import FIT, with_iris

Start = Callable[..., RunningService]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock that every writer needs."""
    with closing(driver().connect(str(file), isolation_level=None, timeout=30)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            raw.execute("ROLLBACK")


def test_a_lock_is_waited_for_and_one_that_lasts_is_503_while_training_goes_on(
    start: Start,
) -> None:
    service = start(FITPOINT_SLOTS="1")
    first = service.finished(with_iris(service)["id"])
    rows = {"rows": service.call("GET", "/v1/datasets/iris/rows", params={"count": 3})["data"]}
    body: dict[str, Any] = {
        **FIT,
        "name": "long",
        "model": {**FIT["model"], "hidden_units": 256, "epochs": 100_000},
    }
    job = service.call("POST", "/v1/jobs", json=body)["id"]

    def epoch() -> int:
        found: int = service.call("GET", f"/v1/jobs/{job}")["progress"]["epoch"]
        return found

    until(epoch, 60)
    answers: list[httpx.Response] = []
    with closing(httpx.Client(base_url=service.address, timeout=60)) as http:

        def submit() -> None:
            answers.append(http.post("/v1/jobs", json={**FIT, "name": f"n{len(answers)}"}))

        def submitted_while_locked(seconds: float) -> httpx.Response:
            client = threading.Thread(target=submit)
            with locked(service.folder / "fitpoint.sqlite"):
                client.start()
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline:
                    # Readers and predictions do not wait for a writer.
                    answer = service.http.post("/v1/models/iris/predictions", json=rows)
                    assert answer.status_code == 200, answer.text
                    assert service.http.get(f"/v1/jobs/{job}").status_code == 200
                    time.sleep(0.1)
            client.join(30)
            return answers[-1]

        assert submitted_while_locked(3).status_code == 202
        refused = submitted_while_locked(13)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert refused.headers["content-type"] == "application/problem+json"
    before = epoch()
    until(lambda: epoch() > before, 20)
    assert service.call("GET", f"/v1/jobs/{job}")["attempt"] == 1
    service.call("POST", f"/v1/jobs/{job}/cancel")
    assert service.finished(job)["state"] == "cancelled"
    assert (
        service.finished(service.call("GET", "/v1/jobs")["data"][0]["id"])["state"] == "succeeded"
    )
    assert first["state"] == "succeeded"
    # Nothing was an error that nobody foresaw.
    assert "unexpected error" not in service.log.read_text()
