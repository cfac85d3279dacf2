"""Many readers on the event stream of one job, while it is written and while the server dies.

    python -m tests.acceptance.event_readers --readers 500 --epochs 200 [--kills 5]

A real server serves; this process writes the job's epochs into the database as a worker would, and
reads the stream over as many connections. With `--kills` the server is killed with SIGKILL so many
times and started again on its port; readers come back with `Last-Event-ID`. Prints what was lost
and doubled, how long an event took from its commit to a reader, what the API's process used of a
core, and how often a reader's transaction held up the database. Exits 1 when anything was lost,
doubled or held. `test_event_streams.py` runs it smaller in the gate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.domain.errors import Diverged
from service.domain.history import EpochRecord
from service.domain.jobs import Progress
from service.store import claims, events
from service.store.database import Database
from service.store.sqlite import driver
from tests.acceptance.running import RunningService

FIT: dict[str, Any] = {
    "kind": "fit",
    "dataset": "iris",
    "outcome": "Species",
    "model": {"epochs": 10_000, "seeds": [1, 2, 3]},
}


@dataclass
class Reader:
    """One client, as a browser's EventSource behaves: it comes back until it has heard `done`."""

    received: list[tuple[int, float]] = field(default_factory=list)
    connections: int = 0

    async def run(self, port: int, path: str) -> None:
        """Follow the job to its end."""
        while not await self._connection(port, path):
            await asyncio.sleep(0.05)

    async def _connection(self, port: int, path: str) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        last = f"Last-Event-ID: {self.received[-1][0]}\r\n" if self.received else ""
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n{last}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise AssertionError(head.decode())
            self.connections += 1
            return await self._events(reader)
        except (OSError, asyncio.IncompleteReadError):
            return False
        finally:
            writer.close()

    async def _events(self, reader: asyncio.StreamReader) -> bool:
        text = b""
        while size := int(await reader.readline() or b"0", 16):
            text += (await reader.readexactly(size + 2))[:-2]
            *blocks, text = text.split(b"\n\n")
            for block in blocks:
                fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
                if b"id" in fields:
                    self.received.append((int(fields[b"id"]), time.monotonic()))
                if fields.get(b"event") == b"done":
                    return True
        return False


@dataclass
class Tally:
    """What the readers saw, against the rows."""

    readers: int = 0
    events: int = 0
    lost: int = 0
    doubled: int = 0
    reconnections: int = 0
    held: int = 0
    lags: list[float] = field(default_factory=list)
    cpu_share: float = 0.0

    def lag(self, quantile: float) -> float:
        """Return the seconds from commit to receipt at a quantile."""
        return sorted(self.lags)[int(quantile * (len(self.lags) - 1))]


def experiment(folder: Path, readers: int, epochs: int, pause: float, kills: int) -> Tally:
    """Follow one job with many readers until it has ended, and compare with the rows."""
    server = RunningService(folder, "--no-worker")
    try:
        server.call("POST", "/v1/datasets", json={"name": "iris", "builtin": "iris"})
        job_id = server.call("POST", "/v1/jobs", json=FIT)["id"]
        return asyncio.run(_experiment(server, job_id, readers, epochs, pause, kills))
    finally:
        server.stop()


async def _experiment(
    server: RunningService, job_id: str, n_readers: int, epochs: int, pause: float, kills: int
) -> Tally:
    port = int(server.address.rpartition(":")[2])
    path = f"/v1/jobs/{job_id}/events"
    file = server.folder / "fitpoint.sqlite"
    readers = [Reader() for _ in range(n_readers)]
    following = [asyncio.create_task(reader.run(port, path)) for reader in readers]
    while not all(reader.received for reader in readers):
        await asyncio.sleep(0.05)
    began, used = time.monotonic(), _cpu_seconds(server.process.pid)
    tally = Tally(readers=n_readers)
    servers = [server]
    with closing(Database.open(f"sqlite:///{file}")) as database:
        writing = asyncio.create_task(asyncio.to_thread(_write, database, epochs, pause))
        holding = asyncio.create_task(asyncio.to_thread(_held, file, epochs * pause))
        try:
            for _ in range(kills):
                await asyncio.sleep(epochs * pause / (kills + 1))
                servers.append(await asyncio.to_thread(servers[-1].killed_and_started_again))
            committed = await writing
            tally.held = await holding
            await asyncio.gather(*following)
        finally:
            if kills == 0:
                used = _cpu_seconds(server.process.pid) - used
                tally.cpu_share = used / (time.monotonic() - began)
            for started in servers[1:]:
                started.stop()
        with database.read() as s:
            told = [event.n for event in events.after(s, job_id, 0, 100_000)]
    tally.events = len(told)
    for reader in readers:
        numbers = [number for number, _ in reader.received]
        tally.lost += len(set(told) - set(numbers))
        tally.doubled += len(numbers) - len(set(numbers))
        tally.reconnections += reader.connections - 1
        assert numbers == sorted(numbers)
        # The first three are there before the readers are, or have no time of their own.
        of_epochs = dict(reader.received)
        tally.lags += [of_epochs[n] - at for n, at in zip(told[2:-2], committed, strict=True)]
    return tally


def _write(database: Database, epochs: int, pause: float) -> list[float]:
    """Do a worker's part: claim, record every epoch, fail. Returns when each was committed."""
    with database.write() as s:
        claim = claims.claim(s, "writer", lease_seconds=600)
    assert claim is not None
    committed = []
    for epoch in range(1, epochs + 1):
        time.sleep(pause)
        values = {"loss": 1 / epoch}
        record = EpochRecord(epoch=epoch, values=values, seconds=pause, samples_per_second=1.0)
        with database.write() as s:
            progress = Progress(epoch=epoch, epochs=10_000)
            claims.record_epochs(s, claim.job.id, claim.token, [record], progress, 600)
        committed.append(time.monotonic())
    with database.write() as s:
        claims.fail(s, claim.job.id, claim.token, Diverged("The loss was not finite."))
    return committed


def _held(file: Path, seconds: float) -> int:
    """Return how often a reader kept the write-ahead log from being cut back, for 2 s or more."""
    deadline = time.monotonic() + seconds
    held = 0
    with closing(driver().connect(str(file), timeout=2)) as raw:
        while time.monotonic() < deadline:
            held += raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            time.sleep(0.25)
    return held


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between epochs")
    parser.add_argument("--kills", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = experiment(
            Path(folder) / "data", asked.readers, asked.epochs, asked.pause, asked.kills
        )
    told = {
        "readers": tally.readers,
        "events": tally.events,
        "kills": asked.kills,
        "reconnections": tally.reconnections,
        "lost": tally.lost,
        "doubled": tally.doubled,
        "transactions_held": tally.held,
        "lag_p50_s": round(tally.lag(0.5), 3),
        "lag_p99_s": round(tally.lag(0.99), 3),
        "api_cpu_share": round(tally.cpu_share, 3) if asked.kills == 0 else None,
    }
    print(json.dumps(told))
    return 1 if tally.lost or tally.doubled or tally.held else 0


if __name__ == "__main__":
    sys.exit(main())
