"""Whether the disk has room for more; what trains or uploads is refused before it is full."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from service.domain.errors import NoSpace

# Between these, 5 % of the disk is kept free.
LEAST_BYTES = 2 * 2**30
MOST_BYTES = 10 * 2**30
_SHARE = 20


def shortage(folders: Iterable[Path], min_free: int | None, incoming: int = 0) -> str | None:
    """Return what is short, in a sentence, or None when there is room.

    Args:
        folders: on the disks that are written to; one that is not there counts by its parent.
        min_free: bytes that must stay free; None for 5 % of the disk, 2 to 10 GiB.
        incoming: bytes that are about to be written.
    """
    for folder in folders:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        usage = shutil.disk_usage(there)
        needed = _kept_free(usage.total) if min_free is None else min_free
        if usage.free - incoming < needed:
            return (
                f"Expected {_told(needed + incoming)} free on the disk of {folder.name}. There "
                f"are {_told(usage.free)}."
            )
    return None


def require_space(folders: Iterable[Path], min_free: int | None, incoming: int = 0) -> None:
    """Raise NoSpace when there is no room; see `shortage`."""
    short = shortage(folders, min_free, incoming)
    if short is not None:
        raise NoSpace(
            f"{short} Delete what nobody needs; predictions and everything that reads go on."
        )


def _kept_free(total: int) -> int:
    return min(max(LEAST_BYTES, total // _SHARE), MOST_BYTES)


def _told(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
