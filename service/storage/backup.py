"""A backup: the database as it is at one moment, and every file that its rows name."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

import service
from service.domain.errors import Conflict, Unavailable
from service.domain.schema import Value
from service.engine import artifact
from service.engine.tables.storage import relative_path
from service.storage.sweeper import files_stay
from service.store.database import Database
from service.store.named_files import NamedFiles, named_files
from service.store.snapshot import snapshot

MANIFEST = "manifest.json"
DATABASE = "fitpoint.sqlite"
STORAGE = "storage"
_CHECKPOINTS = "checkpoints"


class BackupFile(Value):
    """One file of a backup."""

    sha256: str
    bytes: int


class BackupManifest(Value):
    """What a backup holds: every file but this one, by its path in the backup's folder."""

    format: int = 1
    fitpoint: str
    created_at: datetime
    files: dict[str, BackupFile]

    @property
    def bytes(self) -> int:
        """Return the size of all files."""
        return sum(file.bytes for file in self.files.values())


def backup(url: str, root: Path, target: Path) -> BackupManifest:
    """Save the database and the files that it names into the new folder `target`.

    Others go on reading, writing and training. The folder appears whole, once everything in it is
    durable, or not at all.

    Args:
        url: the database.
        root: the storage's folder.
        target: a folder that is not there, or is empty.

    Raises:
        Conflict: the folder is not empty.
        Unavailable: a file that a row names is missing or damaged, or the disk is full.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(f"Expected a new or empty folder for the backup. {target} is neither.")
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        (partial / STORAGE).mkdir(parents=True)
        with files_stay(root, wait=True):
            manifest = _saved(url, root, partial)
        write_durably(partial / MANIFEST, manifest.model_dump_json(indent=1).encode())
        for folder, _, _ in os.walk(partial):
            sync_folder(Path(folder))
        if target.exists():
            target.rmdir()
        partial.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise Unavailable(f"The backup could not be written: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def read_manifest(folder: Path) -> BackupManifest:
    """Return what the backup in `folder` holds.

    Raises:
        Unavailable: there is no backup, or it is one of a later version.
    """
    try:
        manifest = BackupManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise Unavailable(
            f"Expected a folder that `fitpoint backup` made. {folder} has no readable {MANIFEST}."
        ) from error
    if manifest.format != 1:
        raise Unavailable(
            f"Expected a backup of format 1. Received format {manifest.format}. Restore it with "
            f"Fitpoint {manifest.fitpoint}."
        )
    return manifest


def copy_durably(source: Path, target: Path) -> BackupFile:
    """Copy a file, make the copy durable, and return the hash of what was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as read, target.open("wb") as written:
        while piece := read.read(2**20):
            digest.update(piece)
            written.write(piece)
            size += len(piece)
        written.flush()
        os.fsync(written.fileno())
    return BackupFile(sha256=digest.hexdigest(), bytes=size)


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file and make it durable."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _saved(url: str, root: Path, partial: Path) -> BackupManifest:
    file = partial / DATABASE
    snapshot(url, file)
    # Read from the copy: what is deleted or published meanwhile is another moment's.
    with (
        closing(Database.open(f"sqlite:///{file}", journal="truncate")) as database,
        database.read() as s,
    ):
        named = named_files(s)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    files = {DATABASE: BackupFile(sha256=digest, bytes=file.stat().st_size)}
    for relative in _files(root, named):
        try:
            found = copy_durably(root / relative, partial / STORAGE / relative)
        except FileNotFoundError:
            # A worker thins out checkpoints; without any its job begins anew.
            if relative.startswith(f"{_CHECKPOINTS}/"):
                continue
            raise
        if relative.endswith(".arrow") and PurePosixPath(relative).stem != found.sha256:
            raise Unavailable(f"The dataset's file {relative} is damaged. Restore a backup.")
        files[f"{STORAGE}/{relative}"] = found
    for path in named.artifacts:
        # Raises for a file that is not what was published.
        artifact.read(partial / STORAGE / path, PurePosixPath(path).name)
    return BackupManifest(
        fitpoint=service.__version__,
        created_at=datetime.now(UTC),
        files=dict(sorted(files.items())),
    )


def _files(root: Path, named: NamedFiles) -> Iterator[str]:
    """Yield the named files, relative to the storage."""
    for sha256 in sorted(named.datasets):
        yield f"datasets/{relative_path(sha256)}"
    for path in sorted(named.artifacts):
        yield from _inside(root, path)
    for job_id in sorted(named.unfinished):
        yield from _inside(root, f"{_CHECKPOINTS}/{job_id}")


def _inside(root: Path, folder: str) -> list[str]:
    found = (path for path in (root / folder).rglob("*") if path.is_file())
    return sorted(path.relative_to(root).as_posix() for path in found)
