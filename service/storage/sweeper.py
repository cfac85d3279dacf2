"""Removes from the storage what no row names: files of deleted rows, leftovers of what was killed.

Files come first and rows second, so a file without a row may be one whose row is about to come.
Only what has not changed for an hour is removed, and it is moved aside before it is looked at for
the last time: who publishes the same content meanwhile either finds it gone and writes it anew, or
has touched it, and then it is put back.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.store.database import Database
from service.store.named_files import NamedFiles, named_files

AGE_SECONDS = 3600.0
_TRASH = "trash"
_LOCK = "sweep.lock"
# What a worker makes for a job begins with the job's id and the token of its claim.
_OF_A_CLAIM = re.compile(r"([^.]+)\.([0-9]+)(?![0-9])")


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file or folder that no row names: when it last changed (wall clock), and its size."""

    path: Path
    changed_at: float
    bytes: int


@contextmanager
def files_stay(root: Path, *, wait: bool) -> Iterator[bool]:
    """Keep every other sweeper of this storage away; False when one is at work already."""
    with (root / _LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def leftovers(root: Path, database: Database, age_seconds: float = AGE_SECONDS) -> list[Leftover]:
    """Return what no row names and nobody has changed for `age_seconds`."""
    # The rows after the files: what is named by then was there before.
    found = [(place, _measured(place)) for place in _places(root)]
    with database.read() as s:
        named = named_files(s)
    oldest = time.time() - age_seconds
    return [
        left
        for place, left in found
        if left is not None and left.changed_at <= oldest and not _is_named(root, place, named)
    ]


def remove(root: Path, database: Database, found: Iterable[Leftover]) -> list[Leftover]:
    """Remove leftovers, but for those that a row names by now or that changed; return which.

    To be called while other sweepers are kept away.
    """
    _recover(root)
    moved = [left for left in found if _moved(left.path, _aside(root, left.path))]
    removed = []
    try:
        with database.read() as s:
            named = named_files(s)
        for left in moved:
            again = _measured(_aside(root, left.path))
            if again is None or again.changed_at != left.changed_at:
                continue
            if not _is_named(root, left.path, named):
                _delete(_aside(root, left.path))
                removed.append(left)
    finally:
        _recover(root)
    return removed


def sweep(
    root: Path, database: Database, *, dry_run: bool = False, age_seconds: float = AGE_SECONDS
) -> list[Leftover] | None:
    """Remove every leftover of the storage, and return what was, or would be, removed.

    None when another process sweeps it, or a backup is being made.
    """
    if dry_run:
        return leftovers(root, database, age_seconds)
    with files_stay(root, wait=False) as alone:
        if not alone:
            return None
        return remove(root, database, leftovers(root, database, age_seconds))


def _places(root: Path) -> Iterator[Path]:
    for pattern in (
        "artifacts/*/*",
        "datasets/*/*",
        "exports/*/*",
        "staging/*",
        "checkpoints/*",
    ):
        yield from root.glob(pattern)


def _is_named(root: Path, place: Path, named: NamedFiles) -> bool:
    relative = place.relative_to(root).as_posix()
    kind, _, name = relative.partition("/")
    match kind:
        case "artifacts":
            return relative in named.artifacts
        case "exports":
            return f"artifacts/{name}" in named.artifacts
        case "datasets":
            return place.suffix == ".arrow" and place.stem in named.datasets
        case "checkpoints":
            return name in named.unfinished
        case "staging":
            claim = _OF_A_CLAIM.match(name)
            return claim is not None and (claim[1], int(claim[2])) in named.claims
        case _:
            return False


def _measured(place: Path) -> Leftover | None:
    """Return a file or folder with its newest change, None when it has gone meanwhile."""
    try:
        stat = place.lstat()
        changed, size = stat.st_mtime, stat.st_size if place.is_file() else 0
        for folder, _, files in os.walk(place):
            changed = max(changed, Path(folder).stat().st_mtime)
            for name in files:
                inside = (Path(folder) / name).lstat()
                changed, size = max(changed, inside.st_mtime), size + inside.st_size
    except FileNotFoundError:
        return None
    return Leftover(path=place, changed_at=changed, bytes=size)


def _aside(root: Path, place: Path) -> Path:
    return root / _TRASH / place.relative_to(root)


def _moved(place: Path, to: Path) -> bool:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.rename(to)
    except OSError:
        # It went, or what is there now was written anew.
        return False
    return True


def _recover(root: Path) -> None:
    """Put back what lies aside, as a sweeper that was killed left it, unless it is there anew."""
    trash = root / _TRASH
    for aside in _places(trash):
        place = root / aside.relative_to(trash)
        if place.exists() or not _moved(aside, place):
            _delete(aside)
    shutil.rmtree(trash, ignore_errors=True)


def _delete(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
