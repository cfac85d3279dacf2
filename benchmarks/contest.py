"""Contestants in processes of their own that take turns, so that the machine's drift meets all."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PREDICTORS = 717
Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]


def mnist_like(folder: Path | None, rows: int) -> Arrays:
    """Return standardised predictors (rows, 717) and one column a class (rows, 10).

    Without a folder that holds `mnist.npz` the rows are random numbers of the same shape.
    """
    if folder is None:
        draws = np.random.default_rng(1)
        x = draws.normal(size=(rows, PREDICTORS)).astype(np.float32)
        return x, np.eye(10, dtype=np.float32)[draws.integers(0, 10, rows)]
    with np.load(folder / "mnist.npz") as files:
        pixels = files["x_train"].reshape(60_000, 784).astype(np.float64)
        y = np.eye(10, dtype=np.float32)[files["y_train"]]
    kept = pixels[:, pixels.std(axis=0) > 0]
    x = (kept - kept.mean(axis=0)) / kept.std(axis=0, ddof=1)
    return x[:rows].astype(np.float32), y[:rows]


@dataclass(frozen=True)
class Contestant:
    """One way to do the work: `targets` run at the same time, each in a process of its own.

    A target is called with a connection and `arguments`; it answers each request with the seconds
    it took. `share` divides the slowest target's seconds, for a figure per model.
    """

    targets: Sequence[Callable[..., None]]
    arguments: Sequence[tuple[Any, ...]]
    share: float = 1.0


def answer(connection: Connection, work: Callable[[], object]) -> None:
    """Do `work` at each request and answer with its seconds, until told to end."""
    while connection.recv():
        started = time.perf_counter()
        work()
        connection.send(time.perf_counter() - started)


def take_turns(
    contestants: Mapping[str, Contestant], rounds: int, peaks: dict[str, int] | None = None
) -> dict[str, list[float]]:
    """Return each contestant's seconds by round; the first round compiles and is not counted.

    `peaks` is filled with the bytes of memory that its largest process had at its peak (Linux).
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    context = multiprocessing.get_context("spawn")
    lines: dict[str, list[Connection]] = {}
    processes: dict[str, list[Any]] = {name: [] for name in contestants}
    for name, contestant in contestants.items():
        lines[name] = []
        for target, arguments in zip(contestant.targets, contestant.arguments, strict=True):
            mine, theirs = context.Pipe()
            lines[name].append(mine)
            process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
            process.start()
            processes[name].append(process)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(rounds + 1):
        for name, own in lines.items():
            for line in own:
                line.send(True)
            slowest = max(line.recv() for line in own)
            if round_:
                seconds[name].append(slowest / contestants[name].share)
    if peaks is not None:
        for name, running in processes.items():
            peaks[name] = max(_peak_of(process.pid) for process in running)
    for own in lines.values():
        for line in own:
            line.send(False)
    return seconds


def _peak_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(
        int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")
    )


def print_ratios(seconds: Mapping[str, Sequence[float]], peer: str, unit: str) -> None:
    """Print medians, and how many times the peer's median is each contestant's."""
    print(f"{'how':<46} {unit:>12} {'min':>8} {'max':>8} {'peer/this':>10}")
    reference = statistics.median(seconds[peer])
    for name, own in seconds.items():
        median = statistics.median(own)
        print(
            f"{name:<46} {median:12.4f} {min(own):8.4f} {max(own):8.4f} {reference / median:10.1f}"
        )
