"""SIGKILL under a search: the same candidates and the same table, and none is trained again.

    python -m tests.acceptance.search_kills --times 20 [--seed 1]

As `tune_kills.py`, with the grid "bayes": candidates of one round are proposed from the results of
those before, so that an attempt which lost one, or proposed others than the attempt before, would
go another way from there on. Every search must end with the proposals and the table of the first,
which nobody touched. Every attempt must begin with all results and all proposals that were there,
and train each fit that was left once. Prints what it met; exits 1 when something is wrong.
`test_search_kills.py` runs a few kills in the gate.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from service.domain.tune.proposals import Proposal
from service.store import jobs, logs, proposals
from service.store.audit import audit
from service.store.database import Database
from service.store.sessions import ReadSession
from service.store.tables import ProposalRow, TrialRow
from tests.acceptance.running import RunningService
from tests.acceptance.tune_kills import (
    FOLDS,
    TUNE,
    VICTIMS,
    Found,
    Tally,
    _ended,
    _found,
    _is_over,
    _killed,
    _submit,
)

INITIAL, SIZE, EPOCHS = 3, 12, 60
_LINE = re.compile(r"trains (\d+) fits in \d+ cohorts; (\d+) had ended")


def search(size: int, epochs: int) -> dict[str, Any]:
    """Return the body of a search of the digits."""
    grid = {
        "kind": "bayes",
        "ranges": {
            "hidden_units": {"min": 4, "max": 24},
            "learn_rate": {"min": -3.5, "max": -1.5},
            "activation": {"values": ["relu", "elu"]},
        },
        "initial": INITIAL,
        "size": size,
        "seed": 7,
    }
    opened = {key: {"tune": True} for key in ("hidden_units", "learn_rate", "activation")}
    model = {**TUNE["fit"]["model"], **opened, "epochs": epochs}
    return {**TUNE, "fit": {**TUNE["fit"], "model": model}, "grid": grid}


@dataclass(frozen=True, kw_only=True)
class Searched:
    """All that a search left, but for times."""

    table: Found
    proposals: list[Proposal]


def experiment(
    folder: Path,
    times: int,
    seed: int,
    size: int = SIZE,
    epochs: int = EPOCHS,
    victims: Sequence[str] = VICTIMS,
    slots: int = 2,
) -> Tally:
    """Kill under searches `times` times, and compare what they end with."""
    body = search(size, epochs)
    draws, tally = random.Random(seed), Tally()
    server = RunningService(folder, FITPOINT_SLOTS=str(slots))
    try:
        server.call("POST", "/v1/datasets", json={"name": "digits", "builtin": "digits"})
        job_ids = [_ended(server, _submit(server, body))]
        while sum(tally.kills.values()) < times:
            job_id = _submit(server, body)
            while not _is_over(server, job_id):
                if sum(tally.kills.values()) == times:
                    _ended(server, job_id)
                    break
                server = _killed(server, job_id, draws.choice(victims), draws, tally)
            job_ids.append(job_id)
            print(json.dumps(asdict(tally)), flush=True)
    finally:
        server.stop()
    with closing(Database.open(f"sqlite:///{folder}/fitpoint.sqlite")) as database:
        expected = _searched(database, job_ids[0])
        if len(expected.proposals) != size - INITIAL:
            tally.wrong.append(f"{len(expected.proposals)} proposals of {size - INITIAL}")
        for job_id in job_ids[1:]:
            tally.tunes += 1
            _judge(database, job_id, expected, tally)
        with database.read() as s:
            tally.wrong += [f"{each.invariant}: {each.of} {each.detail}" for each in audit(s)]
    return tally


def _searched(database: Database, job_id: str) -> Searched:
    with database.read() as s:
        told = proposals.of_job(s, job_id)
    return Searched(table=_found(database, job_id), proposals=told)


def _judge(database: Database, job_id: str, expected: Searched, tally: Tally) -> None:
    with database.read() as s:
        job = jobs.get(s, job_id)
        lines = [(line.attempt, line.line) for line in logs.page(s, job_id).data]
        ended = _attempts(s, TrialRow, job_id)
        proposed = _attempts(s, ProposalRow, job_id)
    if job.state != "succeeded":
        tally.wrong.append(f"{job_id} is {job.state}: {job.error}")
        return
    found = _searched(database, job_id)
    if found.proposals != expected.proposals:
        tally.wrong.append(f"{job_id}: other proposals")
    for part in ("results", "histories", "weights"):
        if getattr(found.table, part) != getattr(expected.table, part):
            tally.wrong.append(f"{job_id}: other {part}")
    tally.attempts += job.attempt
    rounds: dict[int, list[tuple[int, int]]] = {}
    for attempt, line in lines:
        said = _LINE.fullmatch(line)
        if said is not None:
            rounds.setdefault(attempt, []).append((int(said[1]), int(said[2])))
    for attempt, told in rounds.items():
        kept = sum(each < attempt for each in ended)
        known = FOLDS * (INITIAL + sum(each < attempt for each in proposed))
        # The first line tells what is left of what was known, each further one a new round.
        if told[0] != (known - kept, kept):
            tally.wrong.append(f"{job_id}, attempt {attempt}: {told[0]}, of {kept} of {known}")
        for (before, had), (_, has) in itertools.pairwise(told):
            if has != had + before:
                tally.wrong.append(f"{job_id}, attempt {attempt}: {told}")
        tally.resumed += 0 < kept < len(ended)
        tally.kept += kept


def _attempts(s: ReadSession, table: type[TrialRow] | type[ProposalRow], job_id: str) -> list[int]:
    """Return in which attempt each row of a job was written."""
    return list(s.scalars(select(table.attempt).where(table.job_id == job_id)))


def main() -> None:
    """Run the experiment; exit 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = experiment(Path(folder) / "data", given.times, given.seed)
    print(json.dumps(asdict(tally), indent=2))
    sys.exit(bool(tally.wrong))


if __name__ == "__main__":
    main()
