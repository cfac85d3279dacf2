"""PostgreSQL killed and started again under a real server and its worker (RELIABILITY.md, R6).

    python -m tests.acceptance.database_kills --outages 60 [--longest 60] [--seed 1]

A private server of PostgreSQL is stopped at once (`pg_ctl stop -m immediate`) after random times
and stays away for 5 to 40 s, while clients submit jobs, sending each with its idempotency key until
it is answered, and while one long fit trains. During an outage the API must answer 503 with
Retry-After, within seconds; after it a job must be accepted and the long fit must get further, both
within 10 s. At the end every acknowledged job must be there once and must have succeeded with the
same weights, no epoch that was seen may be gone, the long fit must still be in its first attempt,
and `audit` must find nothing. Prints what it met; exits 1 when something is wrong.
`test_database_kills.py` runs one short outage in the gate.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from service.store import jobs
from service.store.audit import audit
from service.store.database import Database
from tests.acceptance.running import RunningService, until
from tests.store.private_cluster import PrivateCluster

FIT: dict[str, Any] = {
    "kind": "fit",
    "dataset": "digits",
    "outcome": "y",
    "model": {"hidden_units": 8, "epochs": 3, "seeds": [1, 2, 3]},
}
LONG: dict[str, Any] = {
    **FIT,
    "name": "long",
    "model": {"hidden_units": [256, 256], "epochs": 100_000, "seeds": [1, 2, 3]},
}
# So long the API may take to say that its database is away, and everything to work again.
ANSWER_SECONDS = 15.0
RECOVERY_SECONDS = 10.0
_GIVE_UP_SECONDS = 120.0


@dataclass
class Tally:
    """What came of the outages; the lists of what is wrong are empty when all is well."""

    outages: list[float] = field(default_factory=list)
    accepted_after: list[float] = field(default_factory=list)
    trained_after: list[float] = field(default_factory=list)
    slowest_answer: float = 0.0
    refused: int = 0
    acknowledged: int = 0
    epochs: int = 0
    attempts: int = 0
    wrong: list[str] = field(default_factory=list)


class Client:
    """Submits jobs one after the other, each until it is accepted, and looks at its answers."""

    def __init__(self, address: str, tally: Tally) -> None:
        self._address = address
        self._tally = tally
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="client")
        self.acknowledged: list[str] = []
        self.accepted = 0
        self._thread.start()

    def stop(self) -> None:
        """Finish the request in hand and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._address, timeout=60) as http:
            while not self._stop.is_set():
                name = f"n{uuid.uuid4().hex}"
                while not self._is_accepted(http, name):
                    time.sleep(0.25)
                # A small fit takes about as long: the queue stays short.
                self._stop.wait(2)

    def _is_accepted(self, http: httpx.Client, name: str) -> bool:
        began = time.monotonic()
        answer = http.post(
            "/v1/jobs", json={**FIT, "name": name}, headers={"Idempotency-Key": name}
        )
        took = time.monotonic() - began
        self._tally.slowest_answer = max(self._tally.slowest_answer, took)
        if took > ANSWER_SECONDS:
            self._tally.wrong.append(f"{answer.status_code} after {took:.1f} s")
        if answer.status_code == 202:
            self.acknowledged.append(answer.json()["id"])
            self.accepted += 1
            return True
        self._tally.refused += 1
        if answer.status_code != 503 or not answer.headers.get("retry-after"):
            self._tally.wrong.append(f"{answer.status_code} {dict(answer.headers)} {answer.text}")
        return False


def experiment(folder: Path, lengths: list[float], pauses: random.Random) -> Tally:
    """Let PostgreSQL be away for these seconds, one outage after the other, and tell all."""
    tally = Tally()
    with closing(PrivateCluster(durable=True)) as cluster:
        url = cluster.url(cluster.create())
        server = RunningService(folder, FITPOINT_DATABASE_URL=url, FITPOINT_SLOTS="2")
        try:
            server.call("POST", "/v1/datasets", json={"name": "digits", "builtin": "digits"})
            long = server.call("POST", "/v1/jobs", json=LONG)["id"]
            until(lambda: _epoch(server, long), _GIVE_UP_SECONDS)
            client = Client(server.address, tally)
            try:
                for length in lengths:
                    time.sleep(pauses.uniform(2, 8))
                    _outage(cluster, server, client, long, length, tally)
            finally:
                client.stop()
            _compare(server, client.acknowledged, long, tally)
        finally:
            server.stop()
        with closing(Database.open(url)) as database, database.read() as s:
            there = sum(jobs.counts(s).values()) - 1
            if there != tally.acknowledged:
                tally.wrong.append(f"{there} jobs for {tally.acknowledged} acknowledged requests")
            tally.wrong += [f"{each.invariant}: {each.of} {each.detail}" for each in audit(s)]
    log = server.log.read_text()
    if "unexpected error" in log:
        tally.wrong.append(log[-4000:])
    return tally


def _outage(
    cluster: PrivateCluster,
    server: RunningService,
    client: Client,
    long: str,
    length: float,
    tally: Tally,
) -> None:
    seen = _epoch(server, long)
    cluster.stop("immediate")
    began = time.monotonic()
    while (left := length - (time.monotonic() - began)) > 0:
        time.sleep(min(left, 1.0))
        if not server.http.get("/livez").is_success:
            tally.wrong.append("the server is not alive without its database")
    accepted = client.accepted
    cluster.start()
    back = time.monotonic()
    tally.outages.append(round(back - began, 1))
    until(lambda: client.accepted > accepted, _GIVE_UP_SECONDS)
    tally.accepted_after.append(round(time.monotonic() - back, 1))
    # What was told is kept, and the fit gets further than that.
    until(lambda: _epoch(server, long), _GIVE_UP_SECONDS)
    kept = _epoch(server, long)
    if kept < seen:
        tally.wrong.append(f"epoch {seen} was told, and {kept} is kept")
    until(lambda: _epoch(server, long) > kept, _GIVE_UP_SECONDS)
    tally.trained_after.append(round(time.monotonic() - back, 1))
    slow = max(tally.accepted_after[-1], tally.trained_after[-1])
    if slow > RECOVERY_SECONDS:
        tally.wrong.append(f"all worked again only after {slow} s")
    print(f"away {tally.outages[-1]} s, worked again after {slow} s", flush=True)


def _epoch(server: RunningService, job_id: str) -> int:
    """Return how far a job is, 0 while nobody can say."""
    answer = server.http.get(f"/v1/jobs/{job_id}")
    return int(answer.json()["progress"]["epoch"]) if answer.is_success else 0


def _compare(server: RunningService, acknowledged: list[str], long: str, tally: Tally) -> None:
    tally.acknowledged = len(set(acknowledged))
    found = server.call("GET", f"/v1/jobs/{long}")
    tally.attempts = found["attempt"]
    if found["attempt"] != 1:
        tally.wrong.append(f"the long fit was begun {found['attempt']} times")
    server.call("POST", f"/v1/jobs/{long}/cancel")
    ended = server.finished(long)
    tally.epochs = ended["progress"]["epoch"]
    if ended["state"] != "cancelled":
        tally.wrong.append(f"the long fit {ended['state']}")
    weights: Counter[str] = Counter()
    for job_id in acknowledged:
        job = server.finished(job_id, 300)
        if job["state"] != "succeeded":
            tally.wrong.append(f"{job_id} {job['state']}: {job['error']}")
        else:
            model = server.call("GET", f"/v1/models/{job['model_id']}")
            weights[model["weights_sha256"]] += 1
    if len(weights) > 1:
        tally.wrong.append(f"the same fit left other weights: {weights.most_common()}")


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outages", type=int, default=60)
    parser.add_argument("--shortest", type=float, default=5.0)
    parser.add_argument("--longest", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    draws = random.Random(asked.seed)
    lengths = [draws.uniform(asked.shortest, asked.longest) for _ in range(asked.outages)]
    with tempfile.TemporaryDirectory() as folder:
        tally = experiment(Path(folder) / "data", lengths, draws)
    print(json.dumps(asdict(tally)))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
