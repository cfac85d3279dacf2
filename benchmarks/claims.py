"""How long a claim takes, its commit included, with 1,000 and with 100,000 queued jobs.

    python benchmarks/claims.py
    python benchmarks/claims.py --url postgresql://user:password@host/an_empty_database

Without a URL a new SQLite file is made in the folder where it is started, on the disk that counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import insert, select, text

from service.store import claims, ids, jobs, migrations
from service.store.database import Database
from service.store.submitting import NewJob
from service.store.tables import JobRow

PRIORITIES = (-5, 0, 0, 0, 5)
BATCH = 5_000


def main() -> None:
    """Queue jobs, claim a thousand of them one by one, and print how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=None)
    parser.add_argument("--queued", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--claims", type=int, default=1_000)
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        url = given.url or f"sqlite:///{folder}/claims.sqlite"
        migrations.migrate(url)
        with closing(Database.open(url)) as database:
            print(" ".join(database.about().values()))
            for queued in given.queued:
                fill(database, queued)
                report(queued, measure(database, given.claims))


def fill(database: Database, queued: int) -> None:
    """Queue jobs until there are so many: copies of one that was submitted."""
    with database.write() as s:
        jobs.submit(s, NewJob(spec={}, spec_sha256="0", kind="fit", epochs=1, datasets={}))
    with database.read() as read:
        row = dict(read.execute(select(JobRow.__table__)).mappings().fetchmany(1)[0])
        newest = max(read.scalars(select(JobRow.id)))
        missing = queued - jobs.counts(read)["queued"]
    fresh = {
        "state": "queued",
        "attempt": 0,
        "lease_token": 0,
        **dict.fromkeys(("lease_owner", "lease_until", "lease_clock", "started_at")),
    }
    for start in range(0, missing, BATCH):
        rows = []
        for number in range(start, min(start + BATCH, missing)):
            newest = ids.new_id("job", row["created_at"], newest)
            priority = PRIORITIES[number % len(PRIORITIES)]
            rows.append({**row, **fresh, "id": newest, "priority": priority})
        with database.write() as s:
            s.execute(insert(JobRow), rows)
    if database.about()["dialect"] == "postgresql":
        # What autovacuum does within a minute.
        with database.write() as s:
            s.execute(text("ANALYZE jobs"))


def measure(database: Database, number: int) -> list[float]:
    """Return the milliseconds of claims, ascending; each is one transaction."""
    taken = []
    for _ in range(number):
        began = time.perf_counter()
        with database.write() as s:
            claimed = claims.claim(s, "wrk_bench")
        taken.append((time.perf_counter() - began) * 1000)
        if claimed is None:
            raise SystemExit("Expected more queued jobs than claims.")
    return sorted(taken)


def report(queued: int, taken: Sequence[float]) -> None:
    """Print the quantiles of some claims."""
    at = {name: taken[min(int(len(taken) * share), len(taken) - 1)] for name, share in QUANTILES}
    words = "  ".join(f"{name} {value:6.2f} ms" for name, value in at.items())
    print(f"{queued:>8,} queued  {words}")


QUANTILES = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))

if __name__ == "__main__":
    main()
