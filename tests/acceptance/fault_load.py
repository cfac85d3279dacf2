"""A load of small fits: who submits them, and what each of them comes to undisturbed."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from service.store.database import Database
from tests.acceptance.clients import PatientClient
from tests.acceptance.fault_findings import Expected, Given
from tests.acceptance.running import RunningService

# They differ in nothing that a child would have to compile anew.
SPECS = [[seed, 2, 3] for seed in range(1, 5)]
ENDED = ("succeeded", "failed", "cancelled")


def body(number: int, name: str) -> dict[str, Any]:
    """Return the request for one of the specs."""
    return {
        "kind": "fit",
        "name": name,
        "dataset": "digits",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {
            "hidden_units": 16,
            "activation": "relu",
            "dropout": 0.2,
            "epochs": 60,
            "seeds": SPECS[number],
        },
        "engine": {
            "validation_split": 0.2,
            "metrics": ["accuracy"],
            "early_stopping": {"monitor": "val_loss", "patience": 5, "restore_best_weights": True},
        },
    }


class Client:
    """Submits fits until it is told to stop, and follows each to its end."""

    def __init__(self, address: str, draws: random.Random, stop: threading.Event) -> None:
        self.patient = PatientClient(address, draws)
        self.given: list[Given] = []
        self._draws = draws
        self._stop = stop

    def run(self) -> None:
        """Work until asked to stop; the job in hand is followed to its end."""
        with closing(self.patient):
            while not self._stop.is_set():
                self._one()

    def _one(self) -> None:
        number, name = self._draws.randrange(len(SPECS)), f"n{uuid.uuid4().hex}"
        headers = {"Idempotency-Key": name}
        answer = self.patient.ask("POST", "/v1/jobs", headers=headers, json=body(number, name))
        assert answer.status_code == 202, answer.text
        given = Given(id=answer.json()["id"], name=name, spec=number)
        self.given.append(given)
        patience = self._draws.uniform(0, 6) if self._draws.random() < 1 / 8 else float("inf")
        began = time.monotonic()
        while True:
            if time.monotonic() - began > patience:
                patience = float("inf")
                asked = self.patient.ask("POST", f"/v1/jobs/{given.id}/cancel")
                given.cancelled = asked.status_code in (200, 202)
            answer = self.patient.ask("GET", f"/v1/jobs/{given.id}")
            if answer.status_code == 404:
                return
            given.seen = answer.json()["state"]
            if given.seen in ENDED:
                return
            time.sleep(0.5)


@contextmanager
def loaded(address: str, clients: int, draws: random.Random) -> Iterator[list[Client]]:
    """Submit from as many clients; at the end each follows its last job to its end."""
    stop = threading.Event()
    working = [Client(address, random.Random(draws.random()), stop) for _ in range(clients)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in working]
    for thread in threads:
        thread.start()
    try:
        yield working
    finally:
        stop.set()
        # A job whose process died three times waits for over a minute in all.
        deadline = time.monotonic() + 240
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))


def undisturbed(server: RunningService, database: Database) -> list[Expected]:
    """Train every spec once while nobody is disturbed, and say what it comes to."""
    server.call("POST", "/v1/datasets", json={"name": "digits", "builtin": "digits"})
    asked = [body(number, f"undisturbed-{number}") for number in range(len(SPECS))]
    ids = [server.call("POST", "/v1/jobs", json=each)["id"] for each in asked]
    ended = [server.finished(job_id) for job_id in ids]
    return [Expected.of(server, database, job) for job in ended]
