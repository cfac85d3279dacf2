"""How long a claim takes, its commit included, with 1,000 and with 100,000 queued jobs.

    python -m benchmarks.claims [--url postgresql://user:password@host/an_empty_database]

Without a URL: a new SQLite file in the folder where it is started, on the disk that counts, and,
where PostgreSQL is installed, a private server of it with fsync on. Of each database it prints the
whole claim, as a worker waits for it, its parts (the statements, the commit), and how much of the
whole this process computed; before them how long the disk takes to keep 4 KiB (`fdatasync`), for
which a commit waits on either database. Exits 1 when a p99 is over its limit.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, select, text

from service.store import claims, ids, jobs, migrations
from service.store.database import Database
from service.store.submitting import NewJob
from service.store.tables import JobRow
from tests.store import private_cluster

PRIORITIES = (-5, 0, 0, 0, 5)
BATCH = 5_000
# Milliseconds that the p99 may have, by the number of queued jobs.
LIMITS = {1_000: 10.0, 100_000: 20.0}
QUANTILES = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
SYNCS = 400


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The milliseconds of one claim."""

    whole: float
    statements: float
    commit: float
    computed: float


def main() -> int:
    """Queue jobs, claim a thousand of them one by one, and print how long that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=None)
    parser.add_argument("--queued", type=int, nargs="+", default=sorted(LIMITS))
    parser.add_argument("--claims", type=int, default=1_000)
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    within = True
    for url, disk in [(given.url, None)] if given.url else each_database():
        migrations.migrate(url)
        with closing(Database.open(url)) as database:
            print(" ".join(database.about().values()))
            if disk is not None:
                report("fdatasync of 4 KiB", sync(disk))
            for queued in given.queued:
                fill(database, queued)
                taken = measure(database, given.claims)
                p99 = report(f"claim of {queued:,} queued", [one.whole for one in taken])
                for part in ("statements", "commit", "computed"):
                    report(f"  {part}", [getattr(one, part) for one in taken])
                within = within and p99 <= LIMITS.get(queued, p99)
    return 0 if within else 1


def each_database() -> Iterator[tuple[str, Path]]:
    """Yield the URLs of new databases, and where they lie; each is gone when the next comes."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        yield f"sqlite:///{folder}/claims.sqlite", Path(folder)
    if (why := private_cluster.missing()) is not None:
        print(why)
        return
    with closing(private_cluster.PrivateCluster(durable=True)) as cluster:
        yield cluster.url(cluster.create()), cluster.folder


def sync(folder: Path) -> list[float]:
    """Return the milliseconds in which the disk keeps a page of a file, again and again."""
    taken = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return taken


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


def measure(database: Database, number: int) -> list[Claimed]:
    """Claim jobs one by one, each in one transaction."""
    taken = []
    for _ in range(number):
        began, began_computing = time.perf_counter(), time.thread_time()
        with database.write() as s:
            claimed = claims.claim(s, "wrk_bench")
            written = time.perf_counter()
        ended, computed = time.perf_counter(), time.thread_time() - began_computing
        if claimed is None:
            raise SystemExit("Expected more queued jobs than claims.")
        taken.append(
            Claimed(
                whole=(ended - began) * 1000,
                statements=(written - began) * 1000,
                commit=(ended - written) * 1000,
                computed=computed * 1000,
            )
        )
    return taken


def report(what: str, taken: Sequence[float]) -> float:
    """Print the quantiles of some milliseconds and return their p99."""
    ordered = sorted(taken)
    at = {
        name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] for name, share in QUANTILES
    }
    words = "  ".join(f"{name} {value:6.2f} ms" for name, value in at.items())
    print(f"{what:>26}  {words}", flush=True)
    return at["p99"]


if __name__ == "__main__":
    sys.exit(main())
