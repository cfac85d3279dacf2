"""A file that takes room until the disk is full, so that there is room to say how things ended."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

_NAME = "ballast"


class Ballast:
    """One file beside the database; every process that looks after the folder shares it.

    A full disk then still takes the last rows: that a job was cancelled, that one failed and why.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._path = folder / _NAME
        self._size = size

    def adjust(self) -> bool | None:
        """Let go when the disk is full, take hold again when there is plenty of room.

        Returns:
            True when it was taken, False when it was let go, None when nothing changed.
        """
        if self._size == 0:
            return None
        free = shutil.disk_usage(self._path.parent).free
        if free < self._size // 4:
            return False if self.release() else None
        if free > 4 * self._size and not self._path.exists():
            return True if self._take() else None
        return None

    def release(self) -> bool:
        """Give the room back; return whether there was any."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _take(self) -> bool:
        aside = self._path.with_name(f"{_NAME}.{os.getpid()}.tmp")
        try:
            with aside.open("wb") as file:
                # Blocks, and not a hole in a file.
                os.posix_fallocate(file.fileno(), 0, self._size)
            aside.replace(self._path)
        except OSError:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            return False
        return True
