"""A real `fitpoint worker` in a process of its own, with the child that it trains in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select, text

from service.domain.errors import Unavailable
from service.store.database import Database
from service.store.tables import JobRow
from tests.acceptance.running import children, clean_environment


class RunningWorker:
    """A worker that is started again when it has ended.

    `program` is the module that is run: `service`, or one that changes the worker before it starts.
    """

    def __init__(
        self, folder: Path, number: int, program: str = "service", **environment: str
    ) -> None:
        self.log = folder.with_name(f"worker-{number}.log")
        # Ended by itself, and not by who tests it.
        self.gave_up = 0
        self._folder = folder
        self._program = program
        self._environment = environment
        self._process = self._started()

    @property
    def pid(self) -> int:
        """The process that claims."""
        return self._process.pid

    @property
    def child(self) -> int | None:
        """The process that trains, None before there is one."""
        return next((pid for pid in children(self.pid) if _trains(pid)), None)

    def kill(self) -> None:
        """End it with SIGKILL, and with it its child; another one takes its place at once."""
        self._process.kill()
        self._process.wait()
        self._process = self._started()

    def look_after(self) -> None:
        """Start another one where it ended by itself."""
        if self._process.poll() is not None:
            self.gave_up += 1
            self._process = self._started()

    def stop(self) -> int:
        """End it in order and return its status."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            return self._process.wait(40)
        finally:
            self._process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", self._program, "worker", "--parent", str(os.getpid())]
        with self.log.open("a") as log:
            return subprocess.Popen(
                command,
                cwd=self._folder.parent,
                env=clean_environment(FITPOINT_DATA_DIR=str(self._folder), **self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )


def having_jobs(database: Database) -> dict[int, str]:
    """Return the processes that hold jobs which have begun, and each one's newest job."""
    query = (
        "SELECT pid, jobs.id FROM jobs JOIN workers ON workers.id = lease_owner "
        "WHERE jobs.epoch > 0 ORDER BY jobs.id"
    )
    with database.read() as s:
        return {row.pid: row.id for row in s.execute(text(query))}


def stop_between_writes(pid: int, job_id: str, database: Database) -> bool:
    """Stop a worker in the middle of its job where it keeps nobody else from writing.

    With a transaction open it would hold up everybody else until it wakes up, and so nobody could
    take its job. False when it is gone, or the job has ended.

    Args:
        database: opened with little patience.
    """
    while signalled(pid, signal.SIGSTOP):
        state = None
        try:
            with database.write() as s:
                its = select(JobRow.state).where(JobRow.id == job_id)
                state = s.scalar(its.with_for_update(skip_locked=True))
        except Unavailable:
            pass
        if state == "running":
            return True
        signalled(pid, signal.SIGCONT)
        if state is not None:
            return False
        time.sleep(0.02)
    return False


def signalled(pid: int, sent: signal.Signals) -> bool:
    """Send a signal; False when the process is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, sent)
        return True
    return False


def _trains(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
