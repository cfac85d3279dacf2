"""Reading and preparing against pandas and scikit-learn: their times, peaks, and the same numbers.

    python benchmarks/preparation.py --data FOLDER [--rounds 5] [--rows 1000000] [--scratch FOLDER]

Two contests: MNIST's training rows (`mnist_train.csv.gz` of FOLDER) read, then `zv, normalize`; and
a made table of ten numbers and four factors with gaps and rare levels, imputed, with dummies,
normalised, from the file that each keeps: ours the canonical one, theirs Parquet with categories.
Reading that table's CSV is told apart. `prep` learns on all rows and `bake` gives the float32
matrix of all. Every contestant has a process of its own, and they take turns.

First the matrices are compared: scikit-learn divides by n where R divides by n - 1, which is taken
out, and then they agree to 1e-5 of a value, or of 1 where it is smaller.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import preparers
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from contest import Contestant, answer, take_turns

Way = tuple[Callable[..., Callable[[], Any]], tuple[Any, ...]]
LEVELS = {"f1": 3, "f2": 6, "f3": 12, "f4": 24}
NUMBERS = 10
TOLERANCE = 1e-5


def contestant(connection: Connection, way: Callable[..., Callable[[], Any]], *about: Any) -> None:
    """A target of `Contestant`: one way to do the work."""
    answer(connection, way(*about))


def write_matrix(path: Path, way: Callable[..., Callable[[], Any]], *about: Any) -> None:
    """Save the matrix that a way gives."""
    np.save(path, way(*about)())


def make_table(folder: Path, rows: int) -> None:
    """Write the made table as `table.parquet` and `table.csv`."""
    draws = np.random.default_rng(1)
    columns: dict[str, Any] = {}
    for at in range(NUMBERS):
        values = draws.normal(at, 1 + at, rows).round(4)
        gaps = draws.random(rows) < (0.05 if at % 2 else 0)
        columns[f"x{at}"] = pa.array(values, mask=gaps)
    for name, levels in LEVELS.items():
        # Each level is rarer than the one before: the last of f4 has some rows in a million.
        odds = 0.65 ** np.arange(levels)
        codes = draws.choice(levels, rows, p=odds / odds.sum()).astype(np.int32)
        codes[:levels] = np.arange(levels)
        gaps = draws.random(rows) < 0.03
        gaps[:levels] = False
        words = [f"level {at:02}" for at in range(levels)]
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=gaps), words)
    columns["y"] = pa.array(draws.random(rows))
    table = pa.table(columns)
    pa_parquet.write_table(table, folder / "table.parquet")
    plain = [
        column.cast(pa.string()) if name in LEVELS else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    pa_csv.write_csv(pa.table(plain, names=table.column_names), folder / "table.csv")


def stored(source: Path, folder: Path) -> Path:
    """Return the canonical file of an upload, read in the child that reads uploads."""
    from service.domain.datasets import ReadOptions
    from service.executors.parsing import parse_upload

    return folder / parse_upload(source, folder, ReadOptions()).path


def contest(title: str, ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Let ways take turns, print them, and return each one's median seconds."""
    contestants = {
        name: Contestant([contestant], [(way, *about)]) for name, (way, about) in ways.items()
    }
    peaks: dict[str, int] = {}
    seconds = take_turns(contestants, rounds, peaks)
    medians = {name: statistics.median(own) for name, own in seconds.items()}
    best = min(median for name, median in medians.items() if not name.startswith("ours"))
    print(f"\n{title}\n{'':44}{'s':>8}{'min':>8}{'max':>8}{'/best peer':>11}{'peak MB':>9}")
    for name, own in seconds.items():
        median = medians[name]
        print(
            f"{name:44}{median:8.2f}{min(own):8.2f}{max(own):8.2f}"
            f"{median / best:11.2f}{peaks[name] / 1e6:9.0f}"
        )
    return medians


def agree(ways: Mapping[str, Way], folder: Path, rows: int) -> None:
    """Compare every way's matrix with that of `ours`.

    Raises:
        SystemExit: two differ by more than `TOLERANCE`.
    """
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    for at, (name, (way, about)) in enumerate(ways.items()):
        path = folder / f"matrix{at}.npy"
        process = context.Process(target=write_matrix, args=(path, way, *about))
        process.start()
        process.join()
        found[name] = np.load(path, mmap_mode="r")
        path.unlink()
    ours = found.pop("ours")
    divisor = np.sqrt(rows / (rows - 1))
    for name, theirs in found.items():
        if theirs.shape != ours.shape:
            raise SystemExit(f"{name} gives {theirs.shape}, ours {ours.shape}")
        worst = 0.0
        for start in range(0, rows, 50_000):
            mine = ours[start : start + 50_000].astype(np.float64)
            off = np.abs(mine * divisor - theirs[start : start + 50_000])
            worst = max(worst, float((off / np.maximum(np.abs(mine), 1)).max()))
        print(f"{name}: {ours.shape[0]:,} x {ours.shape[1]}, at most {worst:.1e} from ours")
        if worst > TOLERANCE:
            raise SystemExit(f"{name} is more than {TOLERANCE} from ours")


def readers(source: Path, folder: Path) -> dict[str, Way]:
    """Return the ways to read a CSV file."""
    return {
        "pandas, read_csv": (preparers.pandas_reads, (source, "c")),
        "pandas, read_csv with pyarrow": (preparers.pandas_reads, (source, "pyarrow")),
        "ours, to the stored and profiled table": (preparers.ours_reads, (source, folder / "a")),
        "ours, child included": (preparers.our_child_reads, (source, folder / "b")),
    }


def total(title: str, read: Mapping[str, float], prepared: Mapping[str, float]) -> None:
    """Print how ours compares with the best peers in reading and preparing together."""
    peers = [
        min(seconds for name, seconds in medians.items() if not name.startswith("ours"))
        for medians in (read, prepared)
    ]
    ours = read["ours, to the stored and profiled table"] + prepared["ours"]
    print(f"{title}: ours {ours:.2f} s, best peers {sum(peers):.2f} s, {ours / sum(peers):.2f}")


def mnist(source: Path, folder: Path, rounds: int) -> None:
    """Hold the first contest."""
    kept = stored(source, folder)
    ways: dict[str, Way] = {
        "scikit-learn in float64": (preparers.scikit_prepares_mnist, (source, np.float64)),
        "scikit-learn in float32": (preparers.scikit_prepares_mnist, (source, np.float32)),
        "ours": (preparers.ours_prepares, (kept, preparers.MNIST_STEPS)),
    }
    agree(ways, folder, 60_000)
    read = contest("reading mnist_train.csv.gz", readers(source, folder), rounds)
    prepared = contest("zv and normalize of its rows", ways, rounds)
    total("reading and preparing MNIST", read, prepared)


def made(folder: Path, rows: int, rounds: int) -> None:
    """Hold the second contest."""
    make_table(folder, rows)
    parquet = folder / "table.parquet"
    kept = stored(parquet, folder)
    ways: dict[str, Way] = {
        "scikit-learn, ColumnTransformer": (preparers.scikit_prepares, (parquet,)),
        "scikit-learn on categories' codes": (preparers.scikit_prepares_codes, (parquet,)),
        "pandas, get_dummies": (preparers.pandas_prepares, (parquet,)),
        "ours": (preparers.ours_prepares, (kept, preparers.TABLE_STEPS)),
    }
    agree(ways, folder, rows)
    prepared = contest(f"imputing, dummies and normalize of {rows:,} rows", ways, rounds)
    read = contest("reading their CSV", readers(folder / "table.csv", folder), rounds)
    total("reading and preparing the table", read, prepared)


def main() -> None:
    """Hold the contests that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="where mnist_train.csv.gz lies")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the made table; 0 for none")
    parser.add_argument("--scratch", type=Path, help="where the files are made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.scratch) as folder:
        if asked.data is not None:
            mnist(asked.data / "mnist_train.csv.gz", Path(folder), asked.rounds)
        if asked.rows:
            made(Path(folder), asked.rows, asked.rounds)


if __name__ == "__main__":
    main()
