"""Does the state machine's test have power? Break the store on purpose and see whether it tells.

    python tests/store/mutations.py [--suite] [--only WORD ...]

Each mutation changes one place in a copy of the source, and the copy's tests run: the state machine
on SQLite alone, or with `--suite` all tests of the store there. It is killed when they fail.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("service", "alembic", "tests/store")
LONGEST = 300.0


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One place in a file of the store, and what it is changed to."""

    name: str
    file: str
    old: str
    new: str


def _of(file: str, *changes: tuple[str, str, str]) -> tuple[Mutation, ...]:
    return tuple(Mutation(name=name, file=file, old=old, new=new) for name, old, new in changes)


MUTATIONS = (
    *_of(
        "claims.py",
        (
            "claim forgets the priority",
            "order_by(JobRow.priority.desc(), JobRow.id)",
            "order_by(JobRow.id)",
        ),
        (
            "claim takes the newest",
            "JobRow.priority.desc(), JobRow.id)",
            "JobRow.priority.desc(), JobRow.id.desc())",
        ),
        (
            "claim does not wait for a back-off",
            "where(is_state(JobState.QUEUED), due)",
            "where(is_state(JobState.QUEUED))",
        ),
        (
            "a back-off outlives its boot",
            "JobRow.run_after_clock != now.source",
            "JobRow.run_after_clock == 'none'",
        ),
        ("claim forgets the attempt", "attempt=JobRow.attempt + 1", "attempt=JobRow.attempt"),
        (
            "claim gives the old token",
            "lease_token=JobRow.lease_token + 1",
            "lease_token=JobRow.lease_token",
        ),
        (
            "claim gives a lease of no length",
            "lease_until=now.seconds + lease_seconds,\n            lease_clock",
            "lease_until=now.seconds,\n            lease_clock",
        ),
        (
            "claim keeps the back-off",
            "            run_after=None,\n            run_after_clock=None,\n",
            "",
        ),
        ("claim begins at epoch 0", "epoch=func.coalesce(JobRow.ckpt_epoch, 0)", "epoch=0"),
        (
            "claim starts the clock anew",
            "func.coalesce(JobRow.started_at, clock.utc())",
            "clock.utc()",
        ),
        (
            "claim tells nobody",
            "    events.append_state(s, row.id, row.lease_token, JobState.RUNNING)\n",
            "",
        ),
        ("claim hides the checkpoint", "if row.ckpt_epoch is not None:", "if False:"),
        (
            "heartbeats pass without the fence",
            ".where(held(job_id, token))\n        .values(lease_until",
            ".where(JobRow.id == job_id)\n        .values(lease_until",
        ),
        (
            "a heartbeat extends nothing",
            ".values(lease_until=now.seconds + lease_seconds, lease_clock=now.source, **values)",
            ".values(lease_clock=now.source, **values)",
        ),
        (
            "a heartbeat keeps the old boot",
            "lease_until=now.seconds + lease_seconds, lease_clock=now.source, **values",
            "lease_until=now.seconds + lease_seconds, **values",
        ),
        (
            "a heartbeat hides a cancel",
            "cancel_asked=row.cancel_requested_at is not None",
            "cancel_asked=False",
        ),
        (
            "any checkpoint forgives deaths",
            "stalls=case((further, 0), else_=JobRow.stalls)",
            "stalls=0",
        ),
        (
            "no checkpoint forgives deaths",
            "stalls=case((further, 0), else_=JobRow.stalls)",
            "stalls=JobRow.stalls",
        ),
        (
            "repeated epochs are told again",
            "for record in appended.new])\n    events",
            "for record in records])\n    events",
        ),
        (
            "nondeterminism is not told",
            '    events.append(s, job_id, token, "nondeterminism_detected", appended.differing)\n',
            "",
        ),
        ("progress is not kept", "        epoch=progress.epoch,\n", ""),
        (
            "success ignores an accepted cancel",
            "    job = _require_uncancelled(s, job_id, token)\n    leave_running(\n",
            "    job = require_held(s, job_id, token)\n    leave_running(\n",
        ),
        (
            "a success is not refused after a cancel",
            "        raise CancelRequested(\n",
            "        CancelRequested(\n",
        ),
        (
            "a cancel of nobody is acknowledged",
            "    if job.cancel_requested_at is None:\n        raise",
            "    if False:\n        raise",
        ),
        (
            "release counts as a failure",
            "leave_running(s, require_held(s, job_id, token), JobState.QUEUED)",
            "retry_later(s, job_id, token, Conflict('x'))",
        ),
        (
            "a log line is of the first attempt",
            "require_held(s, job_id, token).attempt, lines",
            "min(require_held(s, job_id, token).attempt, 1), lines",
        ),
    ),
    *_of(
        "fence.py",
        (
            "the fence forgets the token",
            "and_(JobRow.id == job_id, JobRow.lease_token == token, is_state(JobState.RUNNING))",
            "and_(JobRow.id == job_id, is_state(JobState.RUNNING))",
        ),
        (
            "the fence lets older tokens in",
            "JobRow.lease_token == token",
            "JobRow.lease_token >= token",
        ),
        (
            "the fence forgets the state",
            "JobRow.lease_token == token, is_state(JobState.RUNNING))",
            "JobRow.lease_token == token)",
        ),
        (
            "a cancel does not win",
            "    if job.cancel_requested_at is not None:\n        state",
            "    if False:\n        state",
        ),
        (
            "a cancelled job waits",
            "state, error, run_after = JobState.CANCELLED, None, None",
            "state, error = JobState.CANCELLED, None",
        ),
        (
            "a cancelled job fails",
            "state, error, run_after = JobState.CANCELLED, None, None",
            "state, run_after = JobState.CANCELLED, None",
        ),
        (
            "the lease is kept",
            '        "lease_owner": None,\n        "lease_until": None,\n'
            '        "lease_clock": None,\n',
            "",
        ),
        (
            "the end has no time",
            "    if state.is_terminal:\n        values",
            "    if False:\n        values",
        ),
        (
            "the error is lost",
            "    if error is not None:\n        values",
            "    if False:\n        values",
        ),
        (
            "an end tells nobody",
            "    events.append_state(s, job.job_id, job.token, state)\n    return state",
            "    return state",
        ),
        ("nothing waits", "run_after.seconds if run_after else None", "None"),
    ),
    *_of(
        "events.py",
        ("no terminal event", "    if state.is_terminal:\n", "    if False:\n"),
        ("a terminal event after each state", "    if state.is_terminal:\n", "    if True:\n"),
        (
            "two terminal events",
            '"done", [{"state": state.value}])',
            '"done", [{"state": state.value}] * 2)',
        ),
        ("a stream tells the run before", "max(n, first - 1), limit", "n, limit"),
        ("a stream skips the first event", "max(n, first - 1), limit", "max(n, first), limit"),
        (
            "a stream tells what is internal",
            '("state", "epoch", "trial", "done")\n',
            '("state", "epoch", "trial", "done", "nondeterminism_detected")\n',
        ),
    ),
    *_of(
        "epochs.py",
        ("a gap is kept", "if record.epoch > latest + 1:", "if False:"),
        ("a gap of one is kept", "if record.epoch > latest + 1:", "if record.epoch > latest + 2:"),
        ("the next epoch is a gap", "if record.epoch > latest + 1:", "if record.epoch > latest:"),
        ("other metrics are alike", "elif known[record.epoch] != again:", "elif False:"),
        ("alike metrics are others", "elif known[record.epoch] != again:", "else:"),
    ),
    *_of(
        "rescue.py",
        ("deaths are not counted", "stalls = job.stalls + 1", "stalls = job.stalls"),
        ("poison after four deaths more", "if stalls > MAX_STALLS:", "if stalls > MAX_STALLS + 4:"),
        ("poison one death early", "if stalls > MAX_STALLS:", "if stalls >= MAX_STALLS:"),
        ("every death waits alike", "_STALL_BACKOFF * 2**stalls", "_STALL_BACKOFF * 2"),
        ("a death waits for nothing", "run_after=_after(s, wait), stalls=stalls", "stalls=stalls"),
        ("errors are not counted", "errors = job.errors + 1", "errors = job.errors"),
        ("one error fewer is forgiven", "if errors > MAX_ERRORS:", "if errors >= MAX_ERRORS:"),
        ("every error waits alike", "_ERROR_BACKOFF[job.errors]", "_ERROR_BACKOFF[0]"),
        ("an error waits for nothing", "run_after=_after(s, wait), errors=errors", "errors=errors"),
        (
            "a lease outlives its boot",
            "or_(JobRow.lease_clock != now.source, JobRow.lease_until < now.seconds)",
            "JobRow.lease_until < now.seconds",
        ),
        (
            "a lease is over early",
            "JobRow.lease_until < now.seconds)",
            "JobRow.lease_until < now.seconds + 25)",
        ),
        ("a lease is never over", "JobRow.lease_until < now.seconds)", "JobRow.lease_until < 0)"),
        ("losses are not counted", "losses = job.losses + 1", "losses = job.losses"),
        (
            "a loss counts as a death",
            "leave_running(s, job, JobState.QUEUED, losses=losses)",
            "leave_running(s, job, JobState.QUEUED, losses=losses, stalls=job.stalls + 1)",
        ),
        (
            "a dead worker takes the jobs of others",
            "JobRow.lease_owner == worker_id",
            "JobRow.lease_owner != worker_id",
        ),
        ("a parked job does not wait", "run_after=_after(s, PARKED)", "run_after=None"),
        (
            "a parked job does not say why",
            '    logs.append(s, job_id, job.attempt, [f"Waits: {error.detail}"])\n',
            "",
        ),
    ),
    *_of(
        "jobs.py",
        (
            "a cancel in the queue tells nobody",
            "        events.append_state(s, job_id, token, JobState.CANCELLED)\n",
            "",
        ),
        (
            "a second cancel moves the first",
            "            JobRow.cancel_requested_at.is_(None),\n",
            "",
        ),
        (
            "a running job's cancel is lost",
            "        .values(cancel_requested_at=at)\n",
            "        .values(epoch=JobRow.epoch)\n",
        ),
        (
            "a cancelled job still waits",
            "            finished_at=at,\n            run_after=None,\n"
            "            run_after_clock=None,\n",
            "            finished_at=at,\n",
        ),
        (
            "a cancel after success is accepted",
            "    if job.state in (JobState.SUCCEEDED, JobState.FAILED):\n",
            "    if False:\n",
        ),
        ("a retry keeps the token", "            lease_token=JobRow.lease_token + 1,\n", ""),
        (
            "a success can be retried",
            "JobRow.state.in_((JobState.FAILED.value, JobState.CANCELLED.value)),",
            "JobRow.state.in_(_ENDED),",
        ),
        (
            "a cancelled job cannot be retried",
            "JobRow.state.in_((JobState.FAILED.value, JobState.CANCELLED.value)),",
            "JobRow.state.in_((JobState.FAILED.value,)),",
        ),
        (
            "a retry keeps the history",
            "    s.execute(delete_from(EpochRow).where(EpochRow.job_id == job_id))\n",
            "",
        ),
        ("a retry keeps the deaths", "            stalls=0,\n", ""),
        ("a retry keeps the errors", "            errors=0,\n", ""),
        ("a retry keeps the losses", "            losses=0,\n", ""),
        ("a retry keeps the cancel", "            cancel_requested_at=None,\n", ""),
        (
            "a retry keeps the checkpoint",
            "            ckpt_epoch=None,\n            ckpt_fingerprint=None,\n",
            "",
        ),
        (
            "a retry streams the run before",
            "            first_event=events.last(s, job_id) + 1,\n",
            "",
        ),
        (
            "a retry tells nobody",
            "    events.append_state(s, job_id, token, JobState.QUEUED)\n    return job",
            "    return job",
        ),
        (
            "an unfinished job is deleted",
            ".where(JobRow.id == job_id, JobRow.state.in_(_ENDED))",
            ".where(JobRow.id == job_id)",
        ),
        ("a refused delete is not told", "    if removed is None:\n", "    if False:\n"),
    ),
    *_of(
        "submitting.py",
        ("a submit forgets the priority", '"priority": new.priority', '"priority": 0'),
        ("a submit tells nobody", "    events.append_state(s, job_id, 0, JobState.QUEUED)\n", ""),
    ),
    *_of(
        "models.py",
        (
            "versions skip a number",
            "last_version=ModelNameRow.last_version + 1",
            "last_version=ModelNameRow.last_version + 2",
        ),
    ),
    *_of(
        "ids.py",
        ("ids follow the wall clock", "        if number <= floor:\n", "        if False:\n"),
    ),
)


def verdict(mutation: Mutation | None, suite: bool) -> str:
    """Return "killed" or "survived", or why there is no verdict."""
    with tempfile.TemporaryDirectory(prefix="fitpoint-mutant-") as folder:
        copy = Path(folder)
        for part in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        for file in ("pyproject.toml", "tests/conftest.py"):
            shutil.copy(ROOT / file, copy / file)
        if mutation is not None:
            path = copy / "service" / "store" / mutation.file
            source = path.read_text(encoding="utf-8")
            if source.count(mutation.old) != 1:
                return f"found {source.count(mutation.old)} times in {mutation.file}"
            path.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")
        what = ["tests/store"] if suite else ["tests/store/test_store_machine.py"]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *what]
        try:
            done = subprocess.run(
                [*command, "-k", "not postgres"],
                cwd=copy,
                env={**os.environ, "FITPOINT_TEST_MUTANT": "1"},
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "killed"
        if done.returncode not in (0, 1):
            return f"pytest ended with {done.returncode}: {done.stdout[-200:]}"
        return "killed" if done.returncode else "survived"


def main() -> int:
    """Print a line for each mutation and how many were killed; 1 when under 95 % were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", action="store_true", help="run all tests of the store")
    parser.add_argument("--only", nargs="+", default=[""], help="words of the names to try")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    if (sound := verdict(None, given.suite)) != "survived":
        print(f"The source itself does not pass its tests: {sound}")
        return 2
    chosen = [
        mutation for mutation in MUTATIONS if any(word in mutation.name for word in given.only)
    ]
    began = time.monotonic()
    killed = 0
    with ThreadPoolExecutor(given.processes) as pool:
        verdicts = pool.map(lambda mutation: verdict(mutation, given.suite), chosen)
        for mutation, told in zip(chosen, verdicts, strict=True):
            killed += told == "killed"
            print(f"{told:<10} {mutation.file:<14} {mutation.name}", flush=True)
    share = killed / len(chosen)
    seconds = time.monotonic() - began
    print(f"{killed} of {len(chosen)} killed, {share:.1%}, in {seconds:.0f} s")
    return 0 if share >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
