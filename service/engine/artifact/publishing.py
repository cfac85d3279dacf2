"""Moving a written artifact to its place: whole or not at all, whatever is killed when."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from service.domain.errors import Unavailable
from service.engine.artifact.manifest import (
    MANIFEST,
    check,
    missing,
    read_manifest,
    sha256_of,
)

FOLDER = "artifacts"


def publish(staging: Path, root: Path) -> tuple[str, str]:
    """Make a staged artifact durable under its content's name and return where it is.

    Every file is fsynced, then the staging directory is renamed to `artifacts/<sha[:2]>/<sha>` and
    the folder above it fsynced: after a kill at any moment the place holds the whole artifact or
    none, and a second attempt with another staging directory completes. If a sound copy is there
    already, staging is removed and the answer is the same; a damaged copy is replaced.

    Args:
        staging: what `write` wrote, on the file system of `root`.
        root: the storage's folder.

    Returns:
        The path relative to `root`, with forward slashes, and the manifest's sha256.

    Raises:
        Unavailable: staging is not what `write` left there.
        OSError: the disk refused; nothing was published, and staging must not be used again.
    """
    sha256 = _sealed(staging)
    relative = f"{FOLDER}/{sha256[:2]}/{sha256}"
    target = root / relative
    _made(target.parent)
    was_there = _touched(target)
    if was_there and _sound(target, sha256):
        shutil.rmtree(staging)
    else:
        # Only what was looked at: one that has come since is another worker's, and sound.
        if was_there:
            _aside(target)
        try:
            os.rename(staging, target)
        except OSError:
            # Another worker published the same content between the look and the rename.
            if not _sound(target, sha256):
                raise
            shutil.rmtree(staging)
    _sync(target.parent)
    return relative, sha256


def _sealed(staging: Path) -> str:
    """Make staging's files durable and return its name, once all are what the manifest says."""
    try:
        sha256 = hashlib.sha256((staging / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise missing(MANIFEST, "in staging", error) from error
    _verify(staging, sha256)
    names = {path.name for path in staging.iterdir()}
    unknown = names - {MANIFEST, *read_manifest(staging, sha256).files}
    if unknown:
        raise Unavailable(
            f"Expected only an artifact's files in staging. Received also {sorted(unknown)[:5]}."
        )
    for name in sorted(names):
        _sync(staging / name)
    _sync(staging)
    return sha256


def _verify(directory: Path, sha256: str) -> None:
    for name, entry in read_manifest(directory, sha256).files.items():
        try:
            with (directory / name).open("rb") as stream:
                check(name, entry, sha256_of(stream), sha256)
        except OSError as error:
            raise missing(name, sha256, error) from error


def _sound(directory: Path, sha256: str) -> bool:
    try:
        _verify(directory, sha256)
    except Unavailable:
        return False
    return True


def _touched(target: Path) -> bool:
    """Make a copy that is there look new, so that nobody sweeps it away before its row comes."""
    try:
        os.utime(target)
    except FileNotFoundError:
        return False
    return True


def _aside(target: Path) -> None:
    """Move a damaged copy out of the way, in place of an older one, for a person to look at."""
    damaged = target.with_name(f"{target.name}.damaged")
    shutil.rmtree(damaged, ignore_errors=True)
    # Another worker may have found it damaged, too, and be quicker.
    with suppress(FileNotFoundError):
        os.rename(target, damaged)


def _made(folder: Path) -> None:
    """Make a folder, and the entries of it and of those above it durable."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    # Also those that are there: a killed attempt may have made them and not synced their entries.
    for path in {*new, folder, folder.parent}:
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
