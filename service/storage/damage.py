"""Files that a row names and that are gone, or not what was published under their name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.domain.errors import Unavailable
from service.engine import artifact
from service.engine.tables.storage import relative_path
from service.store.named_files import NamedFiles


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A dataset's file or an artifact's folder, relative to the storage, and what is wrong."""

    path: str
    detail: str


def damage(root: Path, named: NamedFiles) -> Iterator[Damage]:
    """Read everything that the rows name, and yield what cannot be relied on.

    It takes as long as reading it all; nothing is changed. A file is kept for an hour after its
    row was removed, so that `named` may be of a moment ago.
    """
    for sha256 in sorted(named.datasets):
        path = f"datasets/{relative_path(sha256)}"
        try:
            with (root / path).open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            yield Damage(path=path, detail=f"It cannot be read ({error.strerror}).")
            continue
        if found != sha256:
            yield Damage(path=path, detail=f"Its content is another: it has the hash {found}.")
    for path in sorted(named.artifacts):
        try:
            artifact.read(root / path, PurePosixPath(path).name)
        except Unavailable as error:
            yield Damage(path=path, detail=error.detail)
