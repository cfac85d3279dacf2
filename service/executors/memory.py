"""What the kernel tells of memory: how much a process holds, and how often it killed for it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")


def resident_bytes(pid: int) -> int | None:
    """Return what a process holds in memory, None where the system does not tell or it is gone."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Kills:
    """How many processes the kernel has killed for want of memory: of our group, of the machine."""

    own: int = 0
    machine: int = 0


def kills(proc: Path = _PROC, cgroup: Path = _CGROUP) -> Kills:
    """Read the kernel's counters; 0 where it keeps none."""
    own = [
        _counter(folder / name, "oom_kill")
        for folder in _folders(proc, cgroup)
        for name in ("memory.events", "memory.oom_control")
    ]
    return Kills(own=max(own, default=0), machine=_counter(proc / "vmstat", "oom_kill"))


def limit_bytes(proc: Path = _PROC, cgroup: Path = _CGROUP) -> int | None:
    """Return how much memory this process's group may have: its limit, or what the machine has."""
    found = []
    for folder in _folders(proc, cgroup):
        for name in ("memory.max", "memory.limit_in_bytes"):
            # "max" is no number.
            with suppress(OSError, ValueError):
                found.append(int((folder / name).read_text()))
    total = _counter(proc / "meminfo", "MemTotal:")
    if total:
        found.append(total * 1024)
    return min(found, default=None)


def _folders(proc: Path, cgroup: Path) -> list[Path]:
    """Return where the group's files may be: as the process is told, or at the root it sees."""
    folders = [cgroup, cgroup / "memory"]
    with suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                folders.append(cgroup / path.lstrip("/"))
            elif "memory" in controllers.split(","):
                folders.append(cgroup / "memory" / path.lstrip("/"))
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _counter(file: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            words = line.split()
            if words[:1] == [name]:
                return int(words[1])
    return 0
