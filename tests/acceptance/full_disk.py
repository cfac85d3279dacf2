"""A service on a disk that fills up: while it uploads, trains, publishes and writes its rows.

    python -m tests.acceptance.full_disk

In a mount namespace of its own (`unshare -Urm`, no privilege needed) a tmpfs of 96 MB holds the
data folder of a real server with its worker. A filler takes the room and gives it back, while one
client predicts without pause. Prints what happened to whom, as JSON; exits 1 when a prediction
failed or changed, a job was lost, a half dataset was seen, or the database came to harm.
`test_full_disk.py` runs it in the gate.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.namespace import inside, predicting, run_by_hand
from tests.acceptance.running import RunningService, integrity, until

SIZE = "96m"
MIN_FREE = 24 * 2**20
BALLAST = 4 * 2**20
FIT: dict[str, Any] = {
    "kind": "fit",
    "name": "iris",
    "dataset": "iris",
    "outcome": "Species",
    "recipe": [{"step": "normalize"}],
    "model": {"hidden_units": 4, "activation": "relu", "epochs": 5, "seeds": [1, 2, 3]},
}
ENDED = ("succeeded", "failed", "cancelled")


class Filler:
    """A file that takes what room there is, but for `leave` bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def fill(self, leave: int = 0) -> None:
        """Take the room that is there now."""
        self._number += 1
        with (self._folder / f"filler-{self._number}").open("wb") as file:
            for piece in (2**20, 2**12):
                try:
                    while _free(self._folder) - piece >= leave:
                        file.write(bytes(piece))
                        file.flush()
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def empty(self) -> None:
        """Give everything back."""
        for file in self._folder.glob("filler-*"):
            file.unlink()


def experiment(disk: Path) -> dict[str, Any]:
    """Fill the disk in every way, and return what was seen."""
    told: dict[str, Any] = {"predictions": 0, "wrong_predictions": 0}
    filler = Filler(disk)
    server = RunningService(
        disk / "data",
        FITPOINT_MIN_FREE_BYTES=str(MIN_FREE),
        FITPOINT_BALLAST_BYTES=str(BALLAST),
        FITPOINT_SLOTS="1",
    )
    try:
        server.call("POST", "/v1/datasets", json={"name": "iris", "builtin": "iris"})
        first = server.finished(server.call("POST", "/v1/jobs", json=FIT)["id"])
        assert first["state"] == "succeeded", first["error"]
        ballast = server.folder / "ballast"
        until(ballast.exists, 10)
        with predicting(server.address, told):
            _short(server, filler, told)
            _while_uploading(server, filler, told)
            _while_training(server, filler, told, ballast)
            _while_nothing_can_be_written(server, filler, told)
        until(ballast.exists, 10)
        last = server.finished(server.call("POST", "/v1/jobs", json={**FIT, "name": "last"})["id"])
        told["job_after_all"] = last["state"]
        told["same_weights"] = (
            len({_weights(server, job["model_id"]) for job in (first, last)}) == 1
        )
        told["states"] = [job["state"] for job in server.call("GET", "/v1/jobs")["data"]]
        told["datasets"] = [each["name"] for each in server.call("GET", "/v1/datasets")["data"]]
    finally:
        server.stop()
    told["integrity"] = integrity(server.folder)
    left = [*server.folder.glob("staging/*"), *server.folder.glob("datasets/tmp/*")]
    told["left_behind"] = len(left)
    return told


def _short(server: RunningService, filler: Filler, told: dict[str, Any]) -> None:
    """Nearly full: nothing new is let in."""
    filler.fill(leave=MIN_FREE // 2)
    job = server.http.post("/v1/jobs", json=FIT)
    upload = _uploaded(server, "small", 1000)
    told["short"] = {"job": job.status_code, "upload": upload.status_code}
    told["degraded"] = bool(server.call("GET", "/readyz")["degraded"])
    filler.empty()


def _while_uploading(server: RunningService, filler: Filler, told: dict[str, Any]) -> None:
    """A stream that does not say how long it is, larger than the room there is."""
    filler.fill(leave=MIN_FREE + 2**20)
    upload = _uploaded(server, "large", 40 * 2**20)
    told["upload_into_full_disk"] = upload.status_code
    filler.empty()
    assert _uploaded(server, "again", 1000).status_code == 201


def _while_training(
    server: RunningService, filler: Filler, told: dict[str, Any], ballast: Path
) -> None:
    """Full while a job trains: its end can still be written, in the room of the ballast."""
    body = {**FIT, "name": "long", "model": {**FIT["model"], "epochs": 100_000}}
    job = server.call("POST", "/v1/jobs", json=body)["id"]
    until(lambda: server.call("GET", f"/v1/jobs/{job}")["progress"]["epoch"], 60)
    filler.fill()
    until(lambda: not ballast.exists(), 10)
    began = time.monotonic()
    until(lambda: server.http.post(f"/v1/jobs/{job}/cancel").is_success, 10)
    told["cancelled_on_full_disk"] = server.finished(job, 30)["state"]
    told["cancel_seconds"] = round(time.monotonic() - began, 1)
    filler.empty()
    until(ballast.exists, 10)


def _while_nothing_can_be_written(
    server: RunningService, filler: Filler, told: dict[str, Any]
) -> None:
    """The ballast's room is taken as well, while one job trains and one waits; then it is back."""
    body = {**FIT, "model": {**FIT["model"], "epochs": 1500}}
    jobs = [
        server.call("POST", "/v1/jobs", json={**body, "name": name})["id"]
        for name in ("hit", "waits")
    ]
    until(lambda: server.call("GET", f"/v1/jobs/{jobs[0]}")["progress"]["epoch"], 60)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        filler.fill()
        time.sleep(0.2)
    told["cancel_when_nothing_fits"] = server.http.post(f"/v1/jobs/{jobs[1]}/cancel").status_code
    filler.empty()
    told["after_it_was_full"] = [server.finished(job, 120)["state"] for job in jobs]


def _uploaded(server: RunningService, name: str, size: int) -> httpx.Response:
    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + name.encode()
        yield b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="t"\r\n\r\na,b\n'
        for _ in range(max(size // 40_000, 1)):
            yield b"1,2\n" * 10_000
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return server.http.post("/v1/datasets", content=pieces(), headers=headers)


def _weights(server: RunningService, model: str) -> str:
    return str(server.call("GET", f"/v1/models/{model}")["weights_sha256"])


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def is_good(told: dict[str, Any]) -> bool:
    """Return whether nothing was lost and nothing came to harm."""
    return bool(
        told["wrong_predictions"] == 0
        and told["predictions"] > 100
        and told["short"] == {"job": 507, "upload": 507}
        and told["degraded"]
        and told["upload_into_full_disk"] == 507
        and told["cancelled_on_full_disk"] == "cancelled"
        and told["after_it_was_full"][0] == "succeeded"
        and told["after_it_was_full"][1] in ENDED
        and told["job_after_all"] == "succeeded"
        and told["same_weights"]
        and told["datasets"] == ["again", "iris"]
        and told["integrity"] == "ok"
        and told["left_behind"] == 0
    )


def main() -> int:
    """Run the experiment, in a namespace of its own."""
    disk = inside()
    if disk is None:
        return run_by_hand("tests.acceptance.full_disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    told = experiment(disk)
    print(json.dumps(told))
    return 0 if is_good(told) else 1


if __name__ == "__main__":
    sys.exit(main())
