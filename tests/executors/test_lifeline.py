"""A child ends with its parent, however the parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from service.executors.lifeline import watch_parent

# The parent starts a child that ties itself to it, prints the child's id and waits for ever; the
# child holds a pipe open, so that its end can be awaited without polling.
PARENT = """
import os, subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1], str(os.getpid())], stdin=subprocess.DEVNULL
)
child.wait()
"""
CHILD = """
import os, sys, time
from service.executors.lifeline import die_with_parent
die_with_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_child_dies_when_its_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) != parent.pid
        parent.kill()
        # The child holds the other end of the pipe: it reads as ended only when the child is gone.
        assert parent.stdout.read() == ""


def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    stranger = 1 if os.getpid() != 1 else 2
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(stranger)], stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""


def test_the_watching_thread_sends_the_signal_once_the_parent_changed() -> None:
    code = (
        "import os, signal, sys, threading, time\n"
        "from service.executors.lifeline import watch_parent\n"
        "threading.Thread(target=watch_parent, args=(os.getppid(), signal.SIGTERM), "
        "kwargs={'every_seconds': 0.05}, daemon=True).start()\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        parent.kill()
        assert parent.stdout.read() == ""


def test_the_watching_thread_waits_as_long_as_the_parent_lives() -> None:
    watching = threading.Thread(
        target=watch_parent,
        args=(os.getppid(), signal.SIGTERM),
        kwargs={"every_seconds": 60},
        daemon=True,
    )
    watching.start()
    watching.join(0.2)
    assert watching.is_alive()
