"""SIGKILL under a tune: the same table at the end, and nothing that had ended is trained again.

    python -m tests.acceptance.tune_kills --times 20 [--seed 1] [--race]

A real server trains a tune of the digits that nobody touches. Then the same tune again, while the
process that trains, the worker or the whole server (which is started again) is killed after random
times; each tune until it ends, and the next one until there were enough kills. Every tune must end
with the table of the first: every candidate on every fold with the same weights, the same scores
and the same history, and the same model published. A result must be written once: whoever goes on
must begin with all that was there, and train only the rest. With `--race` candidates are stopped
at the rungs of a race, and the same ones must be. Prints what it met; exits 1 when something is
wrong. `test_tune_kills.py` runs a few kills in the gate.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from service.store import epochs, jobs, logs, models, trials
from service.store.audit import audit
from service.store.database import Database
from service.store.tables import TrialRow
from tests.acceptance.running import RunningService, children, until

UNITS, EPOCHS = (8, 24), (15, 60, 150)
FOLDS = 2
VICTIMS = ("child", "worker", "server")
TUNE: dict[str, Any] = {
    "kind": "tune",
    "name": "grid",
    "fit": {
        "dataset": "digits",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {
            "hidden_units": {"tune": True},
            "epochs": {"tune": True},
            "activation": "relu",
            "dropout": 0.1,
            "seeds": [1, 2, 3],
        },
    },
    "resamples": {"kind": "vfold", "v": FOLDS, "seed": 4},
    "metrics": ["accuracy", "mn_log_loss"],
    "finalize": {"select": "best", "metric": "accuracy"},
}
# Judged after 4, 12, 36 and 108 epochs.
RACE: dict[str, Any] = {"kind": "halving", "factor": 3, "min_epochs": 4}
_LINE = re.compile(r"trains (\d+) fits in \d+ cohorts(?: to epoch \d+)?; (\d+) had ended")
_END_SECONDS = 240.0


@dataclass
class Tally:
    """What came of the kills; `wrong` is empty when all is well."""

    kills: dict[str, int] = field(default_factory=dict)
    tunes: int = 0
    attempts: int = 0
    # Attempts that began with some results and went on with the others.
    resumed: int = 0
    kept: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that a tune left, but for times."""

    results: Any
    histories: Any
    weights: str


def experiment(
    folder: Path,
    times: int,
    seed: int,
    epochs_tried: Sequence[int] = EPOCHS,
    victims: Sequence[str] = VICTIMS,
    slots: int = 2,
    *,
    race: bool = False,
) -> Tally:
    """Kill under tunes `times` times, and compare what they end with."""
    values = {"hidden_units": [*UNITS], "epochs": [*epochs_tried]}
    tune = {**TUNE, "grid": {"kind": "expand", "values": values}, "race": RACE if race else None}
    fits = len(UNITS) * len(epochs_tried) * FOLDS
    draws, tally = random.Random(seed), Tally()
    server = RunningService(folder, FITPOINT_SLOTS=str(slots))
    try:
        server.call("POST", "/v1/datasets", json={"name": "digits", "builtin": "digits"})
        began = time.monotonic()
        job_ids = [_ended(server, _submit(server, tune))]
        lasts = time.monotonic() - began
        print(f"untouched, the tune lasts {lasts:.1f} s", flush=True)
        while sum(tally.kills.values()) < times:
            job_id = _submit(server, tune)
            while not _is_over(server, job_id):
                if sum(tally.kills.values()) == times:
                    _ended(server, job_id)
                    break
                server = _killed(server, job_id, draws.choice(victims), draws, tally)
            job_ids.append(job_id)
            print(json.dumps(asdict(tally)), flush=True)
    finally:
        server.stop()
    _compare(f"sqlite:///{folder}/fitpoint.sqlite", job_ids, fits, tally)
    return tally


def _submit(server: RunningService, tune: dict[str, Any]) -> str:
    return str(server.call("POST", "/v1/jobs", json=tune)["id"])


def _is_over(server: RunningService, job_id: str) -> bool:
    state: str = server.call("GET", f"/v1/jobs/{job_id}")["state"]
    return state not in ("queued", "running")


def _ended(server: RunningService, job_id: str) -> str:
    server.finished(job_id, _END_SECONDS)
    return job_id


def _killed(
    server: RunningService, job_id: str, what: str, draws: random.Random, tally: Tally
) -> RunningService:
    """Kill a victim once the tune runs and got further; return the server that is there then."""

    def further() -> bool:
        job = server.call("GET", f"/v1/jobs/{job_id}")
        return bool(
            job["state"] not in ("queued", "running")
            or (job["state"] == "running" and job["progress"]["epoch"] > before)
        )

    before = server.call("GET", f"/v1/jobs/{job_id}")["progress"]["epoch"]
    # A back-off of 40 s, and the start of a child on a machine that has other things to do.
    until(further, 150)
    time.sleep(draws.uniform(0, 1.5))
    if _is_over(server, job_id):
        return server
    if what == "server":
        server = server.killed_and_started_again()
    else:
        workers = server.workers
        targets = workers if what == "worker" else [c for pid in workers for c in children(pid)]
        if not targets:
            return server
        # It may have ended by itself.
        with suppress(ProcessLookupError):
            os.kill(draws.choice(targets), signal.SIGKILL)
    tally.kills[what] = tally.kills.get(what, 0) + 1
    return server


def _compare(url: str, job_ids: list[str], fits: int, tally: Tally) -> None:
    with closing(Database.open(url)) as database:
        expected = _found(database, job_ids[0])
        for job_id in job_ids[1:]:
            tally.tunes += 1
            _judge(database, job_id, expected, fits, tally)
        with database.read() as s:
            tally.wrong += [f"{each.invariant}: {each.of} {each.detail}" for each in audit(s)]


def _found(database: Database, job_id: str) -> Found:
    with database.read() as s:
        history = [
            (record.trial, record.fold, record.epoch, record.values)
            for record in epochs.page(s, job_id, 10_000).data
        ]
        model = next(each for each in models.page(s, 100).data if each.job_id == job_id)
        return Found(
            results=trials.of_job(s, job_id),
            histories=history,
            weights=model.weights_sha256,
        )


def _judge(database: Database, job_id: str, expected: Found, fits: int, tally: Tally) -> None:
    with database.read() as s:
        job = jobs.get(s, job_id)
        lines = [(line.attempt, line.line) for line in logs.page(s, job_id).data]
        rows = s.scalars(select(TrialRow.attempt).where(TrialRow.job_id == job_id)).all()
    if job.state != "succeeded":
        tally.wrong.append(f"{job_id} is {job.state}: {job.error}")
        return
    found = _found(database, job_id)
    for part in ("results", "histories", "weights"):
        if getattr(found, part) != getattr(expected, part):
            tally.wrong.append(f"{job_id}: other {part}")
    tally.attempts += job.attempt
    begun = set()
    for attempt, line in lines:
        said = _LINE.fullmatch(line)
        if said is None or attempt in begun:
            continue
        begun.add(attempt)
        trained, ended = int(said[1]), int(said[2])
        before = sum(each < attempt for each in rows)
        if (ended, trained) != (before, fits - before):
            tally.wrong.append(f"{job_id}, attempt {attempt}: {line}, of {before} results")
        tally.resumed += 0 < before < fits
        tally.kept += before


def main() -> None:
    """Run the experiment; exit 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--race", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        tally = experiment(data, given.times, given.seed, race=given.race)
    print(json.dumps(asdict(tally), indent=2))
    sys.exit(bool(tally.wrong))


if __name__ == "__main__":
    main()
