"""SIGKILL of the API while clients upload and submit: what was acknowledged is there, and once.

    python -m tests.acceptance.api_kills --kills 200 [--clients 8] [--seed 1]

Clients send uploads and jobs, each request with an idempotency key of its own, and send it again
with the same key until it is answered, as a client does that heard nothing; some do not wait for
the answer, so that requests are sent again that were met. The server is killed after random times
and started again on its port. At the end every acknowledged resource must be there, every request
must have made exactly one, and no dataset may be half. Prints the counts; exits 1 when one is
wrong. `test_api_kills.py` runs a few in the gate.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import sys
import tempfile
import threading
import time
import uuid
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from service.store.sqlite import driver
from tests.acceptance.running import RunningService

FIT: dict[str, Any] = {
    "kind": "fit",
    "dataset": "start",
    "outcome": "a",
    "model": {"epochs": 3, "seeds": [1, 2, 3]},
}
ROWS = "a,b\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(2000))


@dataclass
class Tally:
    """What came of the requests."""

    kills: int = 0
    requests: int = 0
    sent: int = 0
    replayed: int = 0
    lost: int = 0
    doubled: int = 0
    half: int = 0
    refused: list[str] = field(default_factory=list)
    integrity: str = ""


@dataclass
class Client:
    """Sends requests one after the other until it is told to stop, each until it is answered."""

    address: str
    draws: random.Random
    stop: threading.Event
    sent: int = 0
    replayed: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Work until asked to stop; the request in hand is finished first."""
        with httpx.Client(base_url=self.address, timeout=30) as http:
            while not self.stop.is_set():
                self._one(http)

    def _one(self, http: httpx.Client) -> None:
        name = f"n{uuid.uuid4().hex}"
        headers = {"Idempotency-Key": name}
        while True:
            self.sent += 1
            try:
                # Now and then nobody waits for the answer: the request is done, and sent again.
                http.timeout = self.draws.choice((0.01, 0.05, 30))
                answer = self._send(http, name, headers)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code == 503:
                time.sleep(0.1)
                continue
            break
        if not answer.is_success:
            self.refused.append(answer.text)
            return
        self.replayed += "idempotent-replayed" in answer.headers
        self.answers[name] = answer.json()

    def _send(self, http: httpx.Client, name: str, headers: dict[str, str]) -> httpx.Response:
        # Which of the two follows from the name, so that a repetition is the same request.
        if int(name[-1], 16) < 2:
            file = {"file": ("t.csv", f"{ROWS}{int(name[1:9], 16)},1\n")}
            return http.post("/v1/datasets", data={"name": name}, files=file, headers=headers)
        return http.post("/v1/jobs", json={**FIT, "name": name}, headers=headers)


def experiment(folder: Path, kills: int, clients: int, seed: int) -> Tally:
    """Kill the server `kills` times under load, and count what was lost, doubled or half."""
    draws = random.Random(seed)
    server = RunningService(folder, "--no-worker")
    form = {"data": {"name": "start"}, "files": {"file": ("t.csv", ROWS)}}
    server.call("POST", "/v1/datasets", **form)
    port = server.address.rpartition(":")[2]
    stop = threading.Event()
    working = [Client(server.address, random.Random(draws.random()), stop) for _ in range(clients)]
    threads = [threading.Thread(target=client.run) for client in working]
    tally = Tally()
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            time.sleep(draws.uniform(0.02, 2.0))
            server.stop(signal.SIGKILL)
            tally.kills += 1
            server = RunningService(folder, "--no-worker", "--port", port)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    try:
        _compare(server, working, tally)
    finally:
        server.stop()
    with closing(driver().connect(str(folder / "fitpoint.sqlite"))) as raw:
        (tally.integrity,) = raw.execute("PRAGMA integrity_check").fetchone()
    return tally


def _compare(server: RunningService, clients: list[Client], tally: Tally) -> None:
    made = {
        kind: [item for item in _all(server, kind) if item["name"] != "start"]
        for kind in ("jobs", "datasets")
    }
    names = [item["name"] for items in made.values() for item in items]
    ids = {item["id"] for items in made.values() for item in items}
    for client in clients:
        tally.requests += len(client.answers)
        tally.sent += client.sent
        tally.replayed += client.replayed
        tally.refused += client.refused
        tally.lost += sum(answer["id"] not in ids for answer in client.answers.values())
    tally.doubled = len(names) - len(set(names))
    answered = {name for client in clients for name in client.answers}
    # Every request was sent until it was answered, so nothing else can have been made.
    tally.doubled += len(set(names) - answered)
    for dataset in made["datasets"]:
        sha256 = dataset["sha256"]
        file = server.folder / "datasets" / sha256[:2] / f"{sha256}.arrow"
        with file.open("rb") as stream:
            whole = hashlib.file_digest(stream, "sha256").hexdigest() == sha256
        with pa.memory_map(str(file)) as mapped:
            rows = pa.ipc.open_file(mapped).read_all().num_rows
        tally.half += not whole or rows != dataset["n_rows"] or rows != 2001


def _all(server: RunningService, kind: str) -> list[Any]:
    items: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = server.call("GET", f"/v1/{kind}", params={"limit": 100, **after})
        items += page["data"]
        if not page["has_more"]:
            return items
        after = {"after": page["next"]}


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = experiment(Path(folder) / "data", asked.kills, asked.clients, asked.seed)
    print(json.dumps(asdict(tally)))
    wrong = tally.lost or tally.doubled or tally.half or tally.refused or tally.integrity != "ok"
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
