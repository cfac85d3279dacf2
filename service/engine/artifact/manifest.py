"""The manifest: an artifact's files and their hashes. Its own hash is the artifact's name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, Literal

from service.domain.errors import Unavailable
from service.domain.schema import Value
from service.engine.artifact.contents import PartName

FORMAT: Literal[1] = 1
MANIFEST = "manifest.json"
_CHUNK = 2**20


class FileEntry(Value):
    """One file's identity."""

    sha256: str
    bytes: int


class Manifest(Value):
    """The table of contents. It holds no time, so that equal contents have equal names."""

    format: Literal[1]
    created_by: str
    versions: dict[str, str]
    n_parameters: int
    weights_sha256: str
    files: dict[PartName, FileEntry]

    def to_bytes(self) -> bytes:
        """Return the file's bytes; equal manifests have equal ones."""
        ordered = self.model_copy(
            update={
                "versions": dict(sorted(self.versions.items())),
                "files": dict(sorted(self.files.items())),
            }
        )
        return ordered.model_dump_json(indent=2).encode() + b"\n"


def sha256_of(stream: IO[bytes]) -> FileEntry:
    """Return the identity of an open file, read from where it stands to its end."""
    digest = hashlib.sha256()
    size = 0
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return FileEntry(sha256=digest.hexdigest(), bytes=size)


def read_manifest(directory: Path, artifact_sha256: str) -> Manifest:
    """Return the manifest of the artifact called `artifact_sha256`, which `directory` must be.

    Raises:
        Unavailable: there is none, or its bytes are not the ones that have this hash.
    """
    try:
        content = (directory / MANIFEST).read_bytes()
    except OSError as error:
        raise missing(MANIFEST, artifact_sha256, error) from error
    found = hashlib.sha256(content).hexdigest()
    if found != artifact_sha256:
        raise damaged(MANIFEST, artifact_sha256, found)
    try:
        return Manifest.model_validate_json(content)
    except ValueError as error:
        raise Unavailable(
            f"Expected artifact {artifact_sha256[:12]} in format {FORMAT}. Received a manifest "
            "that this version of the service cannot read. Use the version that wrote it, or a "
            "later one."
        ) from error


def check(name: str, entry: FileEntry, found: FileEntry, artifact_sha256: str) -> None:
    """Compare a file with what the manifest says of it.

    Raises:
        Unavailable: the file is another one.
    """
    if found != entry:
        size = f"{found.bytes} bytes, sha256 {found.sha256[:12]}"
        raise damaged(name, artifact_sha256, size, f"{entry.bytes} bytes, {entry.sha256[:12]}")


def missing(name: str, artifact_sha256: str, error: OSError) -> Unavailable:
    """Return the error for a file that is not there or cannot be read."""
    return Unavailable(
        f"Expected file {name} of artifact {artifact_sha256[:12]} in the storage. Received: "
        f"{error.strerror or 'an input/output error'}. Restore the storage folder from a backup, "
        "or train the model again."
    )


def damaged(name: str, artifact_sha256: str, found: str, expected: str = "") -> Unavailable:
    """Return the error for a file that is not the one that was published."""
    return Unavailable(
        f"Expected file {name} of artifact {artifact_sha256[:12]} as it was published"
        f"{f' ({expected})' if expected else ''}. Received {found[:64]}: it is damaged and is not "
        "used. Restore the storage folder from a backup, or train the model again."
    )
