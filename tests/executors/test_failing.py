"""What exceptions of a training become, and what the kernel's files about memory tell."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import tensorflow as tf

from service.domain.errors import (
    DeviceOutOfMemory,
    Diverged,
    FitpointError,
    NoSpace,
    OutOfMemory,
    Unavailable,
)
from service.executors.death import died_of
from service.executors.failing import failure_of
from service.executors.memory import Kills, kills, limit_bytes, resident_bytes

GPU = "gpu:0 (NVIDIA H100)"
XLA = RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9000 bytes.\nmore")


@pytest.mark.parametrize(
    ("error", "device", "kind", "worn"),
    [
        (MemoryError(), "cpu", OutOfMemory, True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "cpu", OutOfMemory, True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), GPU, DeviceOutOfMemory, True),
        (XLA, GPU, DeviceOutOfMemory, True),
        (RuntimeError("INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: x"), GPU, Unavailable, True),
        (RuntimeError("INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: x"), "cpu", FitpointError, False),
        (OSError(errno.ENOSPC, "full"), "cpu", NoSpace, False),
        (OSError(errno.EIO, "Input/output error"), "cpu", Unavailable, False),
        (ZeroDivisionError(), "cpu", FitpointError, False),
        (Diverged("nan"), "cpu", Diverged, False),
    ],
)
def test_an_exception_becomes_what_a_job_keeps(
    error: Exception, device: str, kind: type[FitpointError], worn: bool
) -> None:
    known, unusable = failure_of(error, device)
    assert type(known) is kind
    assert unusable is worn


def test_the_first_line_of_what_the_backend_said_is_kept() -> None:
    known, _ = failure_of(XLA, GPU)
    assert "allocate 9000 bytes)" in known.detail
    assert "more)" not in known.detail


def fake_kernel(folder: Path, *, version: int, killed: int, limit: str) -> tuple[Path, Path]:
    """Files as the kernel shows them to a process in a control group of its own."""
    proc, cgroup = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    own = cgroup / "box" if version == 2 else cgroup / "memory" / "box"
    own.mkdir(parents=True)
    line = "0::/box" if version == 2 else "4:memory:/box\n0::/"
    (proc / "self" / "cgroup").write_text(f"{line}\n")
    (proc / "vmstat").write_text("nr_free_pages 5\noom_kill 7\n")
    (proc / "meminfo").write_text("MemTotal:       1000 kB\n")
    if version == 2:
        (own / "memory.events").write_text(f"low 0\noom 9\noom_kill {killed}\n")
        (own / "memory.max").write_text(f"{limit}\n")
    else:
        (own / "memory.oom_control").write_text(f"under_oom 0\noom_kill {killed}\n")
        (own / "memory.limit_in_bytes").write_text(f"{limit}\n")
    return proc, cgroup


@pytest.mark.parametrize("version", [1, 2])
def test_the_counters_and_the_limit_of_the_group_are_read(tmp_path: Path, version: int) -> None:
    proc, cgroup = fake_kernel(tmp_path, version=version, killed=3, limit="4096")
    assert kills(proc, cgroup) == Kills(own=3, machine=7)
    assert limit_bytes(proc, cgroup) == 4096


def test_without_a_limit_there_is_what_the_machine_has(tmp_path: Path) -> None:
    assert limit_bytes(*fake_kernel(tmp_path, version=2, killed=0, limit="max")) == 1000 * 1024


def test_where_the_kernel_tells_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert kills(tmp_path, tmp_path) == Kills()
    assert limit_bytes(tmp_path, tmp_path) is None
    assert resident_bytes(2**30) is None


def test_this_process_holds_memory() -> None:
    held = resident_bytes(os.getpid())
    assert held is not None
    assert held > 2**20


@pytest.mark.parametrize(
    ("code", "after", "held", "code_word", "said"),
    [
        (-9, Kills(own=1, machine=1), 5, "out-of-memory", "killed it because memory had run out"),
        (-9, Kills(own=0, machine=1), 5, "out-of-memory", "most likely"),
        (-9, Kills(), 80, "out-of-memory", "likely"),
        (-9, Kills(), 79, "child-died", "signal SIGKILL"),
        (-9, Kills(), None, "child-died", "signal SIGKILL"),
        # Another signal is no kill for memory, whatever happened elsewhere at that time.
        (-11, Kills(own=1, machine=1), 90, "child-died", "signal SIGSEGV"),
        (-40, Kills(), 5, "child-died", "signal 40"),
        (3, Kills(), 5, "child-died", "exit status 3"),
        (None, Kills(), 5, "child-died", "gave no answer"),
    ],
)
def test_a_death_is_told_as_far_as_it_is_known(
    code: int | None, after: Kills, held: int | None, code_word: str, said: str
) -> None:
    error = died_of(code, Kills(), after, held, 100)
    assert error.code == code_word
    assert said in error.detail
