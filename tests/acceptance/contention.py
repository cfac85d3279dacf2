"""Four writers and eight readers on one SQLite file, each a process: how long a commit takes.

    python -m tests.acceptance.contention --seconds 600

A writer carries a job and records an epoch every 20 ms, as the fastest trainings do; a reader asks
twenty times a second for a job, its history and its events. Prints how long a commit took, from
the moment that the write was asked for, what was answered "busy", and how large the write-ahead
log became. Exits 1 when the p99 is 100 ms or more, anything was answered "busy", or the log reached
64 MB. Its folder is made where it is started: on a disk, not in memory. `test_contention.py` runs
it shorter in the gate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from service.domain.errors import Unavailable
from service.store import claims, epochs, events, jobs, migrations
from service.store.database import Database
from tests.acceptance.running import ROOT, clean_environment
from tests.store import samples

WRITERS, READERS = 4, 8
EVERY_SECONDS = 0.02
READ_EVERY_SECONDS = 0.05
P99_SECONDS = 0.1
LOG_BYTES = 64 * 10**6


def write(url: str, seconds: float) -> dict[str, Any]:
    """Record epochs of one job after the other, and return how long each commit took."""
    took: list[float] = []
    busy = 0
    with closing(Database.open(url)) as database:
        until = due = time.monotonic()
        until += seconds
        job_id, token = samples.submit_and_claim(database, epochs=1_000_000)
        epoch = 0
        while time.monotonic() < until:
            due += EVERY_SECONDS
            time.sleep(max(due - time.monotonic(), 0))
            began = time.monotonic()
            try:
                with database.write() as s:
                    records = [samples.record(epoch + 1)]
                    told = samples.progress(epoch + 1, 1_000_000)
                    claims.record_epochs(s, job_id, token, records, told)
            except Unavailable:
                busy += 1
                continue
            took.append(time.monotonic() - began)
            epoch += 1
            due = max(due, began)
    return {"took": took, "busy": busy}


def read(url: str, seconds: float) -> dict[str, Any]:
    """Read what a client that follows a job reads, again and again."""
    reads = busy = 0
    with closing(Database.open(url)) as database:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                with database.read() as s:
                    listed = jobs.page(s, 20).data
                for job in listed:
                    with database.read() as s:
                        jobs.get(s, job.id)
                        epochs.page(s, job.id, 100)
                        events.after(s, job.id, max(events.last(s, job.id) - 20, 0))
                    reads += 1
                    time.sleep(READ_EVERY_SECONDS)
            except Unavailable:
                busy += 1
    return {"reads": reads, "busy": busy}


def experiment(folder: Path, seconds: float) -> dict[str, Any]:
    """Let all of them work for a while, and return what they met."""
    file = folder / "fitpoint.sqlite"
    url = f"sqlite:///{file}"
    migrations.migrate(url)
    with closing(Database.open(url)) as database:
        mode = database.about()["journal_mode"]
    # Told in files: what a long run tells is more than a pipe holds before somebody reads it.
    answers = [folder / f"{number}.json" for number in range(WRITERS + READERS)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.contention", role, url, str(seconds), answer],
            cwd=ROOT,
            env=clean_environment(),
        )
        for role, answer in zip(("write",) * WRITERS + ("read",) * READERS, answers, strict=True)
    ]
    largest = 0
    log = file.with_name(f"{file.name}-wal")
    while any(process.poll() is None for process in started):
        largest = max(largest, log.stat().st_size if log.exists() else 0)
        time.sleep(0.1)
    told = [json.loads(answer.read_text()) for answer in answers]
    took = sorted(each for one in told for each in one.get("took", ()))
    return {
        "journal_mode": mode,
        "commits": len(took),
        "p50_ms": round(1000 * took[len(took) // 2], 1),
        "p99_ms": round(1000 * took[int(0.99 * (len(took) - 1))], 1),
        "max_ms": round(1000 * took[-1], 1),
        "commits_a_second": round(len(took) / seconds),
        "reads": sum(one.get("reads", 0) for one in told),
        "busy": sum(one["busy"] for one in told),
        "largest_log_mb": round(largest / 1e6, 1),
    }


def is_good(told: dict[str, Any]) -> bool:
    """Return whether nobody was turned away and the log stayed small; the pace is a machine's."""
    return bool(told["busy"] == 0 and told["largest_log_mb"] * 1e6 < LOG_BYTES)


def main() -> int:
    """Run the experiment that the command line asks for, or one of its processes."""
    roles = {"write": write, "read": read}
    if sys.argv[1:2] and sys.argv[1] in roles:
        role, url, seconds, answer = sys.argv[1:]
        Path(answer).write_text(json.dumps(roles[role](url, float(seconds))))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        told = experiment(Path(folder), asked.seconds)
    print(json.dumps({"seconds": asked.seconds, "cores": os.cpu_count(), **told}))
    return 0 if is_good(told) and told["p99_ms"] < 1000 * P99_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
