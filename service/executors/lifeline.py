"""A child that does not outlive its parent, even when the parent is killed with SIGKILL."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None, *, sent: signal.Signals = signal.SIGKILL) -> None:
    """Make the kernel send this process `sent` when its parent ends. Call it first in the child.

    `parent` is the process id of the parent as the parent knows it; without it, a parent that
    ended before this call goes unnoticed. On Linux the parent is the *thread* that started the
    child: start children from a thread that lives as long as they may. Elsewhere a thread looks
    once a second whether the process was orphaned.
    """
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
        if os.getppid() != expected:
            os.kill(os.getpid(), sent)
    else:
        watch = threading.Thread(
            target=watch_parent, args=(expected, sent), name="lifeline", daemon=True
        )
        watch.start()


def watch_parent(parent: int, sent: signal.Signals, *, every_seconds: float = 1.0) -> None:
    """Send this process `sent` once its parent is no longer `parent`; returns then."""
    while os.getppid() == parent:
        time.sleep(every_seconds)
    os.kill(os.getpid(), sent)
