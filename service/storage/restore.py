"""From a backup's folder to a storage and a database that a server can start on."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from service.domain.errors import Conflict, Unavailable
from service.storage.backup import (
    DATABASE,
    STORAGE,
    BackupFile,
    BackupManifest,
    copy_durably,
    read_manifest,
    sync_folder,
)
from service.store.snapshot import sqlite_file

# What SQLite would read together with a database of that name.
_BESIDE = ("", "-wal", "-shm", "-journal")


def restore(source: Path, url: str, root: Path) -> BackupManifest:
    """Put a backup where the settings say that database and storage are.

    Everything is verified before anything is written, and the database comes last: a restore that
    is killed leaves none, and can be done again.

    Args:
        source: the folder that `backup` made.
        url: the database, which must not be there.
        root: the storage's folder; files of other names stay as they are.

    Raises:
        Conflict: there is a database already.
        Unavailable: the backup is damaged, or the disk refused.
    """
    file = sqlite_file(url)
    for suffix in _BESIDE:
        there = file.with_name(file.name + suffix)
        if there.exists():
            raise Conflict(
                f"Expected no database where the backup is to go. {there} exists. Stop the server "
                "and move it away, or let FITPOINT_DATA_DIR name a new folder."
            )
    manifest = read_manifest(source)
    for name, told in manifest.files.items():
        _verify(source, name, told)
    try:
        _restored(source, manifest, file, root)
    except OSError as error:
        raise Unavailable(f"The backup could not be restored: {error}.") from error
    return manifest


def _verify(source: Path, name: str, told: BackupFile) -> None:
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise Unavailable(f"Expected paths inside the backup. Received '{name}'.")
    try:
        with (source / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unavailable(f"The backup lacks {name}: {error.strerror}.") from error
    if found != told.sha256:
        raise Unavailable(f"The backup's {name} is damaged: it is not what was saved.")


def _restored(source: Path, manifest: BackupManifest, file: Path, root: Path) -> None:
    folders = set()
    for name in manifest.files:
        if name == DATABASE:
            continue
        target = root / PurePosixPath(name).relative_to(STORAGE)
        copy_durably(source / name, target)
        folders |= {target.parent, *target.parent.relative_to(root).parents}
    for folder in folders:
        sync_folder(root / folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.restoring")
    copy_durably(source / DATABASE, aside)
    aside.rename(file)
    sync_folder(file.parent)
