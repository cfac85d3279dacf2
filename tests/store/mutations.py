"""Does the state machine's test have power? Break the store on purpose and see whether it tells.

    python tests/store/mutations.py [--suite] [--only WORD ...] [--processes 2]

Each mutation of `mutations.txt` changes one place in a copy of the source, and the copy's tests
run on both databases: the state machine alone, or with `--suite` all tests of the store. It is
killed where they fail. Exits 1 when on either database fewer than 95 % were.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutations.txt")
COPIED = ("service", "alembic", "tests/store", "tests/conftest.py", "pyproject.toml")
# The word of the other database's tests, by which one's own are told apart.
OTHER = {"sqlite": "postgres", "postgresql": "sqlite"}
TOLD = ("PASSED", "FAILED", "ERROR")
LONGEST = 1800.0


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One place in a file of the store, and what it is changed to."""

    name: str
    file: str
    old: str
    new: str

    def times(self, root: Path) -> int:
        """Return how often the place is found; anything but once is a mistake in the list."""
        return self._path(root).read_text(encoding="utf-8").count(self.old)

    def apply(self, root: Path) -> None:
        path = self._path(root)
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace(self.old, self.new), encoding="utf-8")

    def _path(self, root: Path) -> Path:
        return root / "service" / "store" / self.file


def mutations() -> Iterator[Mutation]:
    """Yield what `mutations.txt` lists."""
    file = ""
    _, *blocks = LIST.read_text(encoding="utf-8").strip().split("\n\n")
    for block in blocks[1:]:
        name, *lines = block.split("\n")
        if name.startswith("=== "):
            file = name.removeprefix("=== ")
            continue
        old = "\n".join(line[1:] for line in lines if line[0] == "-")
        new = "\n".join(line[1:] for line in lines if line[0] == "+")
        # A place without a successor is whole lines.
        yield Mutation(name=name, file=file, old=old if new else f"{old}\n", new=new)


def copied(root: Path, copy: Path) -> Path:
    """Copy what the tests of the store need and return the copy."""
    for part in COPIED:
        if (root / part).is_dir():
            shutil.copytree(root / part, copy / part)
        else:
            shutil.copy(root / part, copy / part)
    return copy


def verdicts(root: Path, mutation: Mutation | None, suite: bool) -> dict[str, str]:
    """Return for each database "killed" or "survived", or why there is no verdict."""
    with tempfile.TemporaryDirectory(prefix="fitpoint-mutant-") as folder:
        copy = copied(root, Path(folder))
        if mutation is not None:
            if (times := mutation.times(copy)) != 1:
                return dict.fromkeys(OTHER, f"found {times} times")
            mutation.apply(copy)
        what = ["tests/store"] if suite else ["tests/store/test_store_machine.py"]
        command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=no", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*command, f"--basetemp={copy / 'tmp'}", *what],
                cwd=copy,
                env={**os.environ, "FITPOINT_TEST_MUTANT": "1"},
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return dict.fromkeys(OTHER, f"no end in {LONGEST:.0f} s")
    told = [line for line in done.stdout.splitlines() if line.split(" ")[0] in TOLD]
    return {database: _verdict(told, other) for database, other in OTHER.items()}


def _verdict(told: list[str], other: str) -> str:
    ours = [line for line in told if other not in line]
    if any("Timeout (>" in line for line in ours):
        # A machine that is busy with other things has found nothing.
        return "too slow"
    words = {line.split()[0] for line in ours}
    if words & {"FAILED", "ERROR"}:
        return "killed"
    return "survived" if "PASSED" in words else "nothing ran"


def main() -> int:
    """Try mutations of the source as it is now, whatever becomes of it meanwhile."""
    with tempfile.TemporaryDirectory(prefix="fitpoint-source-") as folder:
        root = copied(ROOT, Path(folder))
        # Once, and not for every mutant.
        compileall.compile_dir(root, quiet=1)
        return survey(root)


def survey(root: Path) -> int:
    """Print a line for each mutation and how many were killed; 1 when under 95 % were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", action="store_true", help="run all tests of the store")
    parser.add_argument("--only", nargs="+", default=[""], help="words of the names to try")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    sound = verdicts(root, None, given.suite)
    if set(sound.values()) != {"survived"}:
        print(f"The source itself does not pass its tests, or not on both databases: {sound}")
        return 2
    chosen = [each for each in mutations() if any(word in each.name for word in given.only)]
    began = time.monotonic()
    killed = dict.fromkeys(OTHER, 0)
    print(*OTHER)
    with ThreadPoolExecutor(given.processes) as pool:
        found = pool.map(lambda mutation: verdicts(root, mutation, given.suite), chosen)
        for mutation, told in zip(chosen, found, strict=True):
            for database, verdict in told.items():
                killed[database] += verdict == "killed"
            words = " ".join(f"{verdict:<10}" for verdict in told.values())
            print(f"{words} {mutation.file:<14} {mutation.name}", flush=True)
    for database, count in killed.items():
        print(f"{database}: {count} of {len(chosen)} killed, {count / len(chosen):.1%}")
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if min(killed.values()) >= 0.95 * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
