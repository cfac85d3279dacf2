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

from tests.acceptance.clients import PatientClient
from tests.acceptance.running import RunningService, integrity

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


class Client:
    """Uploads and submits until it is told to stop, each request until it is answered."""

    def __init__(self, address: str, draws: random.Random, stop: threading.Event) -> None:
        self.patient = PatientClient(address, draws)
        self.answers: dict[str, Any] = {}
        self.refused: list[str] = []
        self._stop = stop

    def run(self) -> None:
        """Work until asked to stop; the request in hand is finished first."""
        with closing(self.patient):
            while not self._stop.is_set():
                name = f"n{uuid.uuid4().hex}"
                answer = self._send(name)
                if answer.is_success:
                    self.answers[name] = answer.json()
                else:
                    self.refused.append(answer.text)

    def _send(self, name: str) -> httpx.Response:
        headers = {"Idempotency-Key": name}
        if int(name[-1], 16) < 2:
            file = {"file": ("t.csv", f"{ROWS}{int(name[1:9], 16)},1\n")}
            form: dict[str, Any] = {"data": {"name": name}, "files": file}
            return self.patient.ask("POST", "/v1/datasets", headers=headers, **form)
        body = {**FIT, "name": name}
        return self.patient.ask("POST", "/v1/jobs", headers=headers, json=body)


def experiment(folder: Path, kills: int, clients: int, seed: int) -> Tally:
    """Kill the server `kills` times under load, and count what was lost, doubled or half."""
    draws = random.Random(seed)
    server = RunningService(folder, "--no-worker")
    form = {"data": {"name": "start"}, "files": {"file": ("t.csv", ROWS)}}
    server.call("POST", "/v1/datasets", **form)
    stop = threading.Event()
    working = [Client(server.address, random.Random(draws.random()), stop) for _ in range(clients)]
    threads = [threading.Thread(target=client.run) for client in working]
    tally = Tally()
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            time.sleep(draws.uniform(0.02, 2.0))
            server = server.killed_and_started_again()
            tally.kills += 1
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    try:
        _compare(server, working, tally)
    finally:
        server.stop()
    tally.integrity = integrity(folder)
    return tally


def _compare(server: RunningService, clients: list[Client], tally: Tally) -> None:
    made = {
        kind: [item for item in server.all(kind) if item["name"] != "start"]
        for kind in ("jobs", "datasets")
    }
    names = [item["name"] for items in made.values() for item in items]
    ids = {item["id"] for items in made.values() for item in items}
    for client in clients:
        tally.requests += len(client.answers)
        tally.sent += client.patient.counts["sent"]
        tally.replayed += client.patient.counts["replayed"]
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
