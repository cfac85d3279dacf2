"""Does the state machine's test have power? Break the store on purpose and see whether it tells.

    python tests/store/mutations.py [--database sqlite postgresql] [--suite] [--only WORD ...]

Each mutation of `mutations.txt` changes one place in a copy of the source, and the copy's tests
run on one database and then on the other: the state machine alone, or with `--suite` all tests of
the store. It is killed where they fail. Exits 1 when on either database fewer than 95 % were.
"""

from __future__ import annotations

import argparse
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
# What must not be run, so that one database's tests are left.
OTHER = {"sqlite": "postgres", "postgresql": "sqlite"}
LONGEST = 300.0


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
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(root / part, copy / part, ignore=ignored)
        else:
            shutil.copy(root / part, copy / part)
    return copy


def verdict(root: Path, mutation: Mutation | None, database: str, suite: bool) -> str:
    """Return "killed" or "survived", or why there is no verdict."""
    with tempfile.TemporaryDirectory(prefix="fitpoint-mutant-") as folder:
        copy = copied(root, Path(folder))
        if mutation is not None:
            if (times := mutation.times(copy)) != 1:
                return f"found {times} times"
            mutation.apply(copy)
        what = ["tests/store"] if suite else ["tests/store/test_store_machine.py"]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *what]
        try:
            done = subprocess.run(
                [*command, "-k", f"not {OTHER[database]}", f"--basetemp={copy / 'tmp'}"],
                cwd=copy,
                env={**os.environ, "FITPOINT_TEST_MUTANT": "1"},
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "killed"
        if done.returncode not in (0, 1):
            return f"pytest ended with {done.returncode}: {done.stdout[-200:]}"
        if " passed" not in done.stdout and " failed" not in done.stdout:
            return f"nothing ran: {done.stdout[-200:]}"
        return "killed" if done.returncode else "survived"


def main() -> int:
    """Try mutations of the source as it is now, whatever becomes of it meanwhile."""
    with tempfile.TemporaryDirectory(prefix="fitpoint-source-") as folder:
        return survey(copied(ROOT, Path(folder)))


def survey(root: Path) -> int:
    """Print a line for each mutation and how many were killed; 1 when under 95 % were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", nargs="+", choices=sorted(OTHER), default=sorted(OTHER))
    parser.add_argument("--suite", action="store_true", help="run all tests of the store")
    parser.add_argument("--only", nargs="+", default=[""], help="words of the names to try")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    for database in given.database:
        if (sound := verdict(root, None, database, given.suite)) != "survived":
            print(f"The source itself does not pass its tests on {database}: {sound}")
            return 2
    chosen = [each for each in mutations() if any(word in each.name for word in given.only)]
    began = time.monotonic()
    killed = dict.fromkeys(given.database, 0)

    def tried(mutation: Mutation) -> list[str]:
        return [verdict(root, mutation, database, given.suite) for database in given.database]

    print(*given.database)
    with ThreadPoolExecutor(given.processes) as pool:
        for mutation, told in zip(chosen, pool.map(tried, chosen), strict=True):
            for database, one in zip(given.database, told, strict=True):
                killed[database] += one == "killed"
            verdicts = " ".join(f"{one:<10}" for one in told)
            print(f"{verdicts} {mutation.file:<14} {mutation.name}", flush=True)
    for database, count in killed.items():
        print(f"{database}: {count} of {len(chosen)} killed, {count / len(chosen):.1%}")
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if min(killed.values()) >= 0.95 * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
