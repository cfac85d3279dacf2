"""A data folder that becomes read-only under a running service, and writable again.

    python -m tests.acceptance.read_only

In a mount namespace of its own the data folder of a real server with its worker is mounted over by
itself, read-only, so that nothing in it can be opened for writing, made, renamed or removed; a
limit on the size of files makes every write to what is open already fail as well. Clients predict
without pause. Prints what was answered, as JSON; exits 1 when a prediction failed or changed, a
write was not answered 503, `/readyz` did not say why, a process was started over and over, or it
did not all work again afterwards. `test_read_only.py` runs it in the gate.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.full_disk import FIT
from tests.acceptance.namespace import inside, predicting, run_by_hand
from tests.acceptance.running import RunningService, children, integrity, until

SECONDS = 15
CLIENTS = 4
UPLOAD: dict[str, Any] = {"data": {"name": "new"}, "files": {"file": ("t.csv", "a,b\n1,2\n")}}
SPLIT = {"names": ["first", "second"], "prop": 0.5, "seed": 1}
WRITES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/v1/jobs", {"json": FIT}),
    ("POST", "/v1/datasets", UPLOAD),
    ("POST", "/v1/datasets", {"json": {"name": "wine", "builtin": "wine"}}),
    ("POST", "/v1/datasets/iris/splits", {"json": SPLIT}),
    ("POST", "/v1/jobs/{waits}/cancel", {}),
    ("DELETE", "/v1/models/spare", {}),
    ("PUT", "/v1/aliases/best", {"json": {"model": "iris"}}),
)
READS = ("/v1/jobs", "/v1/jobs/{done}/epochs", "/v1/datasets/iris/rows", "/livez")


def experiment(folder: Path) -> dict[str, Any]:
    """Make the folder read-only for a while, and return what was answered."""
    told: dict[str, Any] = {"predictions": 0, "wrong_predictions": 0}
    server = RunningService(folder, FITPOINT_SLOTS="1")
    try:
        server.call("POST", "/v1/datasets", json={"name": "iris", "builtin": "iris"})
        bodies = ({**FIT, "name": name} for name in ("iris", "spare"))
        done, _ = [server.call("POST", "/v1/jobs", json=body)["id"] for body in bodies]
        first = [server.finished(job["id"]) for job in server.all("jobs")]
        assert {job["state"] for job in first} == {"succeeded"}
        long = {**FIT, "name": "long", "model": {**FIT["model"], "epochs": 100_000}}
        long_job = server.call("POST", "/v1/jobs", json=long)["id"]
        until(lambda: server.call("GET", f"/v1/jobs/{long_job}")["progress"]["epoch"], 60)
        ids = {"waits": long_job, "done": done}
        with ExitStack() as stack:
            for _ in range(CLIENTS):
                stack.enter_context(predicting(server.address, told))
            _make_read_only(server)
            _ask(server, ids, told)
            _make_writable(server)
        told["cancelled_after"] = _cancelled(server, long_job)
        again = until(lambda: _submitted(server), 10)
        told["job_after_all"] = server.finished(again, 120)["state"]
        told["ready_after"] = server.http.get("/readyz").status_code
        told["datasets"] = [each["name"] for each in server.all("datasets")]
    finally:
        server.stop()
    told["integrity"] = integrity(folder)
    return told


def _ask(server: RunningService, ids: dict[str, str], told: dict[str, Any]) -> None:
    """Ask for everything while nothing can be written, and watch who is started over."""
    seen: set[int] = set(server.workers)
    deadline = time.monotonic() + SECONDS
    told["writes"], told["reads"] = {}, {}
    while time.monotonic() < deadline:
        for method, path, arguments in WRITES:
            answer = server.http.request(method, path.format(**ids), **arguments)
            told["writes"].setdefault(f"{method} {path}", set()).add(answer.status_code)
        for path in READS:
            answer = server.http.get(path.format(**ids))
            told["reads"].setdefault(path, set()).add(answer.status_code)
        # A worker that is started again is to meet the same disk.
        _limit(server, "0")
        seen |= set(server.workers)
        time.sleep(0.2)
    ready = server.http.get("/readyz")
    told["ready"] = [ready.status_code, ready.json().get("detail")]
    told["workers_seen"] = len(seen)
    for kind in ("writes", "reads"):
        told[kind] = {name: sorted(codes) for name, codes in told[kind].items()}


def _cancelled(server: RunningService, job_id: str) -> Any:
    # It waits a while for its next attempt, or trains again.
    answer = until(lambda: _answered(server, f"/v1/jobs/{job_id}/cancel"), 30)
    if not answer.is_success:
        return answer.text
    return server.finished(job_id, 120)["state"]


def _answered(server: RunningService, path: str) -> httpx.Response | None:
    answer = server.http.post(path)
    return None if answer.status_code == 503 else answer


def _submitted(server: RunningService) -> Any:
    answer = server.http.post("/v1/jobs", json={**FIT, "name": "again"})
    return answer.json()["id"] if answer.is_success else None


def _make_read_only(server: RunningService) -> None:
    folder = str(server.folder)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    _limit(server, "0")


def _make_writable(server: RunningService) -> None:
    _limit(server, "unlimited")
    # What was opened while it was read-only is still there, until it is opened again.
    subprocess.run(["umount", "--lazy", str(server.folder)], check=True)


def _limit(server: RunningService, size: str) -> None:
    """Let no process of the service write a file larger than this; what is there can be read."""
    processes = [server.process.pid]
    for pid in processes:
        processes += children(pid)
    for pid in processes:
        limit = f"--fsize={size}:unlimited"
        subprocess.run(["prlimit", f"--pid={pid}", limit], check=False, capture_output=True)


def is_good(told: dict[str, Any]) -> bool:
    """Return whether reading went on, and writing was refused in words."""
    return bool(
        told["wrong_predictions"] == 0
        and told["predictions"] > 100
        and all(codes == [503] for codes in told["writes"].values())
        and all(codes == [200] for codes in told["reads"].values())
        and told["ready"][0] == 503
        and told["ready"][1]
        and told["workers_seen"] <= 5
        and told["cancelled_after"] == "cancelled"
        and told["job_after_all"] == "succeeded"
        and told["ready_after"] == 200
        and told["datasets"] == ["iris"]
        and told["integrity"] == "ok"
    )


def main() -> int:
    """Run the experiment, in a namespace of its own."""
    place = inside()
    if place is None:
        return run_by_hand("tests.acceptance.read_only")
    told = experiment(place / "data")
    print(json.dumps(told))
    return 0 if is_good(told) else 1


if __name__ == "__main__":
    sys.exit(main())
