"""Two clocks: one for leases, which nobody can set, and the wall clock, for display only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A time of the lease clock; moments of two sources cannot be compared."""

    source: str
    seconds: float


class Clock(Protocol):
    """Where the store reads the time."""

    def lease(self) -> Moment:
        """Return the time by which leases end and back-off passes."""
        ...

    def utc(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clocks.

    Leases count on CLOCK_BOOTTIME, which no NTP step moves and which goes on through suspend; its
    source is the kernel's boot id, so that a lease of an earlier boot is known to be over. Where
    the kernel has none (it is not Linux) the wall clock stands in.
    """

    def __init__(self, boot_id: Path = _BOOT_ID) -> None:
        try:
            self._boot_id: str | None = boot_id.read_text(encoding="ascii").strip()
        except OSError:
            self._boot_id = None

    def lease(self) -> Moment:
        if self._boot_id is None:
            return Moment(source="wall", seconds=time.time())
        return Moment(source=self._boot_id, seconds=time.clock_gettime(time.CLOCK_BOOTTIME))

    def utc(self) -> datetime:
        return datetime.now(UTC)
