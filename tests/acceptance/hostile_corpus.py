"""Every hostile file over real HTTP: its answer, its time, and what API and child took for it.

By hand, with the large files whole and some thousands of damaged ones:

    python -m tests.acceptance.hostile_corpus --scale 1 --damaged 10000
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.acceptance.running import RunningService
from tests.api.hostile_files import GOOD, HOSTILE

MB = 2**20
# What the API and a child that refuses may hold, beside what they hold when nothing has come.
API_GROWTH_MB = 100
CHILD_MB = 300
ANSWERS = frozenset((201, 413, 422))


def _repeated(piece: bytes, size: int) -> Iterator[bytes]:
    """Yield about `size` bytes."""
    block = piece * max(1, MB // len(piece))
    for _ in range(max(1, size // len(block))):
        yield block


def _gzip_members(piece: bytes, size: int) -> Iterator[bytes]:
    """Yield gzip members that unpack to a header and about `size` bytes: packing one is enough."""
    yield gzip.compress(b"a,b\n")
    unpacked = piece * (16 * MB // len(piece))
    packed = gzip.compress(unpacked)
    for _ in range(max(1, size // len(unpacked))):
        yield packed


def _row_groups(count: int) -> Iterator[bytes]:
    sink = io.BytesIO()
    row = pa.table({"a": [1]})
    with pq.ParquetWriter(sink, row.schema) as writer:
        for _ in range(count):
            writer.write_table(row)
    yield sink.getvalue()


def _quote(size: int) -> Iterator[bytes]:
    yield b'a,b\n1,"2\n'
    yield from _repeated(b"3,4\n", size)


# By name, of a scale from 0 to 1: RELIABILITY's S2 to S4.
LARGE: dict[str, Callable[[float], Iterator[bytes]]] = {
    "line-of-1-GB": lambda scale: _repeated(b"x", int(scale * 2**30)),
    "columns-5-million": lambda scale: _repeated(b"c,", int(scale * 10**7)),
    "quote-then-500-MB": lambda scale: _quote(int(scale * 500 * MB)),
    "gzip-of-10-GB": lambda scale: _gzip_members(b"0,0\n", int(scale * 10 * 2**30)),
    "gzip-of-10-GB-of-NUL": lambda scale: _gzip_members(b"\0", int(scale * 10 * 2**30)),
    # Not scaled: 10,000 are allowed.
    "parquet-11000-row-groups": lambda _: _row_groups(11_000),
}


@dataclass
class Peaks:
    """The most that the API held, and any child of it since the last `reset`, in megabytes."""

    api: int = 0
    child: int = 0


class Watch:
    """Looks at the API's process and its children every few milliseconds."""

    def __init__(self, pid: int, workers: Sequence[int]) -> None:
        self.peaks = Peaks()
        self._pid, self._workers = pid, set(workers)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def held(self) -> int:
        """Return what the API holds now, without pages of files, in megabytes."""
        return _status(self._pid, "RssAnon") // 1024

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.004):
            self.peaks.api = max(self.peaks.api, self.held())
            for child in _children(self._pid) - self._workers:
                # The high-water mark: a look just before its end tells of its whole life.
                self.peaks.child = max(self.peaks.child, _status(child, "VmHWM") // 1024)


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found |= {int(child) for child in task.read_text().split()}
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _status(pid: int, what: str) -> int:
    """Return a line of a process's status in kilobytes, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(what)), 0)


def damaged(count: int, seed: int) -> Iterator[bytes]:
    """Yield files of every format with a few bytes changed, cut off or doubled."""
    draws = random.Random(seed)
    table = pa.table({"a": list(range(300)), "s": [f"w{at % 7}" for at in range(300)]})
    stream, file, parquet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    for sink, make in ((stream, pa.ipc.new_stream), (file, pa.ipc.new_file)):
        with make(sink, table.schema) as writer:
            writer.write_table(table)
    pq.write_table(table, parquet)
    whole = [stream.getvalue(), file.getvalue(), parquet.getvalue()]
    whole += [GOOD.encode(), gzip.compress(GOOD.encode(), mtime=0)]
    for at in range(count):
        hurt = bytearray(whole[at % len(whole)])
        for _ in range(draws.randint(1, 8)):
            hurt[draws.randrange(len(hurt))] = draws.randrange(256)
        place = draws.randrange(len(hurt))
        match draws.randrange(6):
            case 0:
                del hurt[place:]
            case 1:
                hurt[place:place] = hurt[: draws.randrange(64)]
        yield bytes(hurt)


class Corpus:
    """Sends files one after the other and keeps what came of each."""

    def __init__(self, service: RunningService, folder: Path) -> None:
        self.found: list[tuple[str, int, float, int]] = []
        self.wrong: list[str] = []
        self._service, self._path = service, folder / "upload"
        self.watch = Watch(service.process.pid, service.workers)

    def send(
        self, name: str, pieces: Iterator[bytes], options: Any = None, wanted: int | None = None
    ) -> int:
        """Upload a file; note its status, seconds and the child's megabytes."""
        with self._path.open("wb") as out:
            out.writelines(pieces)
        data = {"name": "hostile", **({"options": json.dumps(options)} if options else {})}
        self.watch.peaks.child = 0
        begun = time.perf_counter()
        with self._path.open("rb") as file:
            got = self._service.http.post(
                "/v1/datasets", data=data, files={"file": (name, file)}, timeout=900
            )
        took = time.perf_counter() - begun
        self.found.append((name, got.status_code, took, self.watch.peaks.child))
        good = got.status_code == wanted if wanted else got.status_code in ANSWERS
        problem = got.headers["content-type"] == "application/problem+json"
        alive = self._service.http.get("/livez").status_code == 200
        if not (good and alive and problem == (got.status_code != 201)):
            self.wrong.append(f"{name}: {got.status_code} {got.text[:200]}")
        if got.status_code == 201:
            self._service.http.delete("/v1/datasets/hostile")
        return got.status_code


def run(folder: Path, *, named: int | None, scale: float, n_damaged: int) -> dict[str, Any]:
    """Send `named` of the small files (None: all), the large ones and damaged ones."""
    service = RunningService(folder / "data", "--no-worker")
    corpus = Corpus(service, folder)
    try:
        corpus.send("good.csv", iter([GOOD.encode()]), wanted=201)
        before = corpus.watch.held()
        for hostile in HOSTILE[:named]:
            # Some of these are refused by the small limits of tests alone.
            corpus.send(hostile.name, iter([hostile.make()]), hostile.options)
        for name, make in LARGE.items():
            corpus.send(name, make(scale))
        refusals = max((mb for _, status, _, mb in corpus.found if status != 201), default=0)
        counts = Counter(
            corpus.send(f"damaged-{at}", iter([raw]))
            for at, raw in enumerate(damaged(n_damaged, 1))
        )
        corpus.send("good.csv", iter([GOOD.encode()]), wanted=201)
        data = folder / "data"
        tried = [path.relative_to(data) for path in data.rglob("*")]
        left = [str(path) for path in tried if "tmp" in path.parts[:-1]]
        return {
            "found": [row for row in corpus.found if not row[0].startswith("damaged")],
            "wrong": corpus.wrong,
            "damaged": dict(counts),
            "api_mb": {
                "before": before, "peak": corpus.watch.peaks.api, "after": corpus.watch.held()
            },
            "child_mb": refusals,
            "left": left,
        }  # fmt: skip
    finally:
        corpus.watch.close()
        service.stop()


def is_good(told: dict[str, Any]) -> bool:
    """Return whether each file had its answer, and memory was flat."""
    api = told["api_mb"]
    return bool(
        not told["wrong"]
        and not told["left"]
        and api["peak"] - api["before"] < API_GROWTH_MB
        and told["child_mb"] < CHILD_MB
    )


def main() -> int:
    """Send everything and print it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--named", type=int, default=None, help="Only the first so many.")
    asked.add_argument("--scale", type=float, default=0.05, help="Of the large files, 0 to 1.")
    asked.add_argument("--damaged", type=int, default=50)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = run(Path(folder), named=given.named, scale=given.scale, n_damaged=given.damaged)
    for name, status, took, megabytes in told.pop("found"):
        print(f"{name:<36} {status} {took:7.2f} s  child {megabytes:4} MB")
    print(json.dumps(told))
    return 0 if is_good(told) else 1


if __name__ == "__main__":
    sys.exit(main())
