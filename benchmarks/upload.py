"""Reading the chapter's upload: ours, to a stored and profiled table, against pandas, to a frame.

    python benchmarks/upload.py FOLDER/mnist_train.csv.gz [--rounds 7]

Every reading is in a fresh process, and they take turns, so that the machine's drift meets all.
`ingest` also writes, syncs and hashes the canonical file and profiles its columns; `parse_upload`
is what a client waits for, the start of the child included. Printed: median seconds, their ratio to
pandas', and the peak of resident memory in sizes of the table as float64.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTESTANTS = ("pandas", "ingest", "parse_upload")


def read(contestant: str, source: Path) -> dict[str, float]:
    """Read the file once in this process; return seconds, peak bytes and cells."""
    if contestant == "pandas":
        return _read_with_pandas(source)
    from service.domain.datasets import ReadOptions

    with tempfile.TemporaryDirectory() as folder:
        if contestant == "parse_upload":
            from service.executors.parsing import parse_upload

            started = time.perf_counter()
            stored = parse_upload(source, Path(folder), ReadOptions())
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        else:
            from service.executors.answering import hide_pandas

            hide_pandas()
            from service.engine.tables.ingest import ingest

            started = time.perf_counter()
            stored = ingest(source, Path(folder), ReadOptions())
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": seconds,
        "peak": peak * 1024,
        "cells": stored.n_rows * len(stored.columns),
    }


def _read_with_pandas(source: Path) -> dict[str, float]:
    import pandas as pd
    import pyarrow.csv  # noqa: F401  (as warm as ours)

    started = time.perf_counter()
    frame = pd.read_csv(source, engine="pyarrow")
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak": peak * 1024, "cells": frame.size}


def _in_a_fresh_process(contestant: str, source: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, str(source), "--contestant", contestant],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Run the contest and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.contestant:
        print(json.dumps(read(chosen.contestant, chosen.source)))
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
    for _ in range(chosen.rounds):
        for name in CONTESTANTS:
            runs[name].append(_in_a_fresh_process(name, chosen.source))
    seconds = {
        name: statistics.median(run["seconds"] for run in found) for name, found in runs.items()
    }
    paired = {
        name: statistics.median(
            run["seconds"] / other["seconds"]
            for run, other in zip(found, runs["pandas"], strict=True)
        )
        for name, found in runs.items()
    }
    table_bytes = 8 * runs["pandas"][0]["cells"]
    print(f"{chosen.source.name}, {chosen.rounds} rounds; table {table_bytes / 1e6:.0f} MB")
    print(f"{'':14}{'seconds':>9}{'/pandas':>9}{'paired':>8}{'peak MB':>9}{'/table':>8}")
    for name, found in runs.items():
        peak = max(run["peak"] for run in found)
        print(
            f"{name:14}{seconds[name]:9.2f}{seconds[name] / seconds['pandas']:9.2f}"
            f"{paired[name]:8.2f}{peak / 1e6:9.0f}{peak / table_bytes:8.2f}"
        )


if __name__ == "__main__":
    main()
